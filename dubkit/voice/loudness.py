"""Loudness after ITU-R BS.1770-4 / EBU R128, and true peak, of sound of any length in flat memory.

The K-weighting filters are pyloudnorm's; ``measure`` is ffmpeg's ebur128 and has the last word on what was written.
What neither offers is here: the energy of a film in steps of 100 ms, kept apart for dialogue, background and their
product. From these three the loudness of background + g · dialogue follows for every g without walking the film again
(a linear filter: energy = E_b + 2 g E_bd + g² E_d), and so does the loudness of every single line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from dubkit.errors import EngineUnavailable, MediaError, ProcessError
from dubkit.types import Segment
from dubkit.voice.tracks import LAYOUTS, RATE, Track

STEP = RATE // 10  # samples: a quarter of BS.1770's 400 ms block
TARGETS = {"ebu-r128": -23.0, "atsc-a85": -24.0, "streaming": -16.0}  # LUFS (LKFS)


def target(setting: float | str | None) -> float | None:
    """LUFS meant by ``voice.loudness``; None: as the source."""
    if setting is None or setting == "source":
        return None
    return TARGETS[setting] if isinstance(setting, str) else float(setting)


@dataclass(frozen=True, slots=True, eq=False)
class Energy:
    """Mean square of the K-weighted, channel-weighted sound in every 100 ms, float64 (S,)."""

    steps: np.ndarray

    def within(self, segments: Sequence[Segment]) -> float:
        """Mean energy of the loud part of some stretches: steps at most 10 LU under their own mean. 0 if silent."""
        parts = [
            self.steps[max(0, round(s.start * 10)) : max(round(s.start * 10) + 1, round(s.end * 10))] for s in segments
        ]
        inside = np.concatenate(parts) if parts else np.zeros(0)
        inside = inside[inside > from_lufs(-70)]
        return float(inside[inside >= inside.mean() / 10].mean()) if len(inside) else 0.0


def lufs(energy: float) -> float:
    """BS.1770: -0.691 + 10 log10(energy); -inf of silence."""
    return -0.691 + 10 * np.log10(energy) if energy > 0 else -np.inf


def from_lufs(loudness: float) -> float:
    return float(10 ** ((loudness + 0.691) / 10))


def integrated(steps: np.ndarray) -> float:
    """Gated programme loudness in LUFS of energies per 100 ms: blocks of 400 ms that overlap by 75 %, an absolute gate
    at -70 LUFS, a relative one 10 LU under the rest. A sound under 400 ms counts as one block."""
    if not len(steps):
        return -np.inf
    width = min(4, len(steps))
    blocks = np.convolve(steps, np.full(width, 1 / width), "valid")
    blocks = blocks[blocks > from_lufs(-70)]
    if not len(blocks):
        return -np.inf
    return float(lufs(blocks[blocks > blocks.mean() / 10].mean()))


def channel_weights(channels: int) -> np.ndarray:
    """BS.1770-4 table 3 by channel: 1 for the front, 1.41 for surround, 0 for LFE."""
    return np.array([0.0 if n == "LFE" else 1.0 if n in ("L", "R", "C") else 1.41 for n in LAYOUTS[channels]])


class KWeighting:
    """The two filters of BS.1770 at 48 kHz with their memory, for a stream of blocks (C, n)."""

    def __init__(self, channels: int):
        self._sections, self._state = _filters(), np.zeros((len(_filters()), channels, 2))

    def __call__(self, block: np.ndarray) -> np.ndarray:
        from scipy.signal import sosfilt

        filtered, self._state = sosfilt(self._sections, block.astype(np.float64), axis=1, zi=self._state)
        return filtered


@lru_cache(maxsize=1)
def _filters() -> np.ndarray:
    try:
        import pyloudnorm
    except ImportError as error:
        raise EngineUnavailable("loudness", "the package 'pyloudnorm' is missing", "pip install pyloudnorm") from error
    # DeMan's coefficients are the standard's own at 48 kHz; pyloudnorm's default reads 0.04 LU less.
    meter = pyloudnorm.Meter(RATE, filter_class="DeMan")
    return np.array([np.concatenate([stage.b, stage.a]) for stage in meter._filters.values()])


def channel_energies(track: Track) -> np.ndarray:
    """(C, S): K-weighted energy per channel and 100 ms, channel weights applied. Their sum is the programme's."""
    weights, weigh = channel_weights(track.channels), KWeighting(track.channels)
    steps = [_Steps() for _ in range(track.channels)]
    for block in track.walk():
        for one, filtered, weight in zip(steps, weigh(block), weights, strict=True):
            one.add(weight * filtered * filtered)
    return np.array([one.done() for one in steps])


def mono_energy(audio: np.ndarray) -> Energy:
    """Energy of a short mono sound float32 (N,) at 48 kHz."""
    steps = _Steps()
    steps.add(KWeighting(1)(audio[None])[0] ** 2)
    return Energy(steps.done())


def joint_energy(background: Track, dialogue: Track, placing: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Energies per 100 ms (E_b, E_bd, E_d) of a background and of a mono dialogue placed in its channels.

    ``placing`` (C,) is the dialogue's factor in every channel.
    """
    weights = channel_weights(background.channels)
    weigh_b, weigh_d = KWeighting(background.channels), KWeighting(1)
    sums = (_Steps(), _Steps(), _Steps())
    for b, d in zip(background.walk(), dialogue.walk(), strict=True):
        fb, fd = weigh_b(b), weigh_d(d)[0]
        sums[0].add(weights @ (fb * fb))
        sums[1].add(((weights * placing) @ fb) * fd)
        sums[2].add(float(weights @ placing**2) * fd * fd)
    return sums[0].done(), sums[1].done(), sums[2].done()


def solve_gain(energies: tuple[np.ndarray, np.ndarray, np.ndarray], target: float, limit: float = 12.0) -> float:
    """The dialogue factor g with loudness(background + g · dialogue) = ``target`` LUFS, within ± ``limit`` dB.

    Bisection in dB; the nearest reachable loudness where the target cannot be reached (a loud background).
    """
    b, bd, d = energies

    def loudness(db: float) -> float:
        g = 10 ** (db / 20)
        return integrated(np.maximum(b + 2 * g * bd + g * g * d, 0))

    low, high = -limit, limit
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if loudness(middle) < target else (low, middle)
    return 10 ** ((low + high) / 40)


def true_peak(block: np.ndarray) -> float:
    """Largest absolute value of (C, n) after fourfold oversampling (BS.1770-4 annex 2)."""
    return float(oversampled_peaks(block).max(initial=0.0))


def oversampled_peaks(block: np.ndarray) -> np.ndarray:
    """(n,): at every sample the largest absolute value, over the channels, of the four oversampled values from it."""
    from scipy.signal import resample_poly

    # A steep filter, since a soft one would lose treble peaks: 8 zero crossings a side at 4x.
    fine = np.abs(resample_poly(block.astype(np.float32), 4, 1, axis=1, window=("kaiser", 5.0)))
    return fine.reshape(block.shape[0], -1, 4).max(axis=(0, 2))


def measure(path: Path) -> tuple[float, float]:
    """Integrated loudness in LUFS and true peak in dBTP of a file, by ffmpeg's ebur128."""
    said = _measured(path)
    loudness = re.findall(rb"^lavfi\.r128\.I=(\S+)$", said, re.MULTILINE)
    peaks = re.findall(rb"^lavfi\.r128\.true_peak=(\S+)$", said, re.MULTILINE)
    if not loudness:
        raise MediaError(f"ffmpeg could not measure the loudness of {path}")
    peak = max(map(float, peaks), default=0.0)
    return float(loudness[-1]), float(20 * np.log10(peak)) if peak > 0 else -np.inf


def _measured(path: Path) -> bytes:
    """What ebur128 says of every 100 ms, a line a value, about 3 kB a second of stereo. One filter prints it all: two that
    print into the same output cut each other's lines where their buffers are full, which is after a minute."""
    from dubkit.media.ffmpeg import ffmpeg_binary, url
    from dubkit.process import run

    graph = "ebur128=metadata=1:peak=true:framelog=verbose,ametadata=mode=print:file=-"
    command = [ffmpeg_binary(), "-nostdin", "-v", "error", "-i", url(path), "-map", "0:a:0", "-af", graph]
    try:
        return run([*command, "-f", "null", "-"])
    except ProcessError as error:
        raise MediaError(f"ffmpeg could not measure the loudness of {path}: {error.last_words}") from error


class _Steps:
    """Means over 100 ms of a stream of samples."""

    def __init__(self) -> None:
        self._means: list[np.ndarray] = []
        self._rest = np.zeros(0)

    def add(self, samples: np.ndarray) -> None:
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) // STEP * STEP
        self._means.append(samples[:whole].reshape(-1, STEP).mean(axis=1))
        self._rest = samples[whole:]

    def done(self) -> np.ndarray:
        """The last, shorter step counts as what it holds, so that a short click is not a loud line."""
        last = [np.array([self._rest.sum() / STEP])] if len(self._rest) else []
        return np.concatenate([*self._means, *last]) if self._means or last else np.zeros(0)
