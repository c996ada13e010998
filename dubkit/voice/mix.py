"""Dialogue and background in the film's own channel layout.

Dialogue goes to the centre where there is one, else to left and right at -3 dB (phantom centre). A channel that carries
no dialogue is passed on as it is: the same samples, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from dubkit.errors import MediaError
from dubkit.types import Segment
from dubkit.voice.activity import union
from dubkit.voice.loudness import channel_weights
from dubkit.voice.tracks import BLOCK, LAYOUTS, RATE, Span, Track, envelope, file_channels, file_track

ATTACK, RELEASE = 0.15, 0.40  # seconds
DUCK_BEFORE, DUCK_AFTER = (
    0.08,
    0.21,
)  # seconds: a duck is that much longer than the speech, so that its ramps are outside
TONE_LENGTH, TONE_FADE = 6.0, 0.25  # seconds: longest piece of room tone, and how its repeats overlap
TONE_LOUDEST = 10 ** (-45 / 20)  # a "pause" over this RMS is no pause
NOISE = 10 ** (-72 / 20)  # RMS of the noise that stands in where the film has no usable pause


def placing(channels: int) -> np.ndarray:
    """(C,) the factor that mono dialogue gets in every channel of a layout."""
    names = LAYOUTS[channels]
    return np.array([float(n == "C") if "C" in names else 0.5**0.5 if n in ("L", "R") else 0.0 for n in names])


def carriers(steps: np.ndarray, speech: Sequence[Segment]) -> list[int]:
    """Channels of a film's own sound that carry dialogue: those that dialogue goes to, and front channels that are
    6 dB louder in speech than elsewhere (films whose "5.1" holds its dialogue in left and right).

    ``steps``: energies per channel and 100 ms (C, S), see ``loudness.channel_energies``.
    """
    names, factors = LAYOUTS[len(steps)], placing(len(steps))
    talking = np.zeros(steps.shape[1], bool)
    for segment in speech:
        talking[round(segment.start * 10) : round(segment.end * 10)] = True
    found = []
    for channel, name in enumerate(names):
        inside, outside = steps[channel, talking], steps[channel, ~talking]
        louder = inside.size and outside.size and inside.mean() > 4 * np.median(outside) and inside.mean() > 1e-7
        if factors[channel] or (name in ("L", "R") and louder):
            found.append(channel)
    return found


def in_layout(track: Track, channels: int, who: str) -> Track:
    """A track in a layout that has all its channels: stereo in 5.1 keeps left and right; mono goes where dialogue goes.

    Raises MediaError where a channel would have to be thrown away.
    """
    if track.channels == channels:
        return track
    if track.channels == 1:
        factors = placing(channels).astype(np.float32)[:, None]
        return Track(channels, track.samples, lambda: (factors * block for block in track.walk()))
    names, wanted = LAYOUTS[track.channels], LAYOUTS[channels]
    missing = [name for name in names if name not in wanted]
    if missing:
        raise MediaError(f"{who} has the channels {' '.join(names)}, the mix has {' '.join(wanted)}: {' '.join(missing)} would be lost")  # fmt: skip
    places = [wanted.index(name) for name in names]

    def walk() -> Iterator[np.ndarray]:
        for block in track.walk():
            wide = np.zeros((channels, block.shape[1]), np.float32)
            wide[places] = block
            yield wide

    return Track(channels, track.samples, walk)


def mixed(background: Track, dialogue: Track) -> Track:
    """Background + placed dialogue."""
    factors = placing(background.channels).astype(np.float32)
    places = np.flatnonzero(factors)

    def walk() -> Iterator[np.ndarray]:
        for b, d in zip(background.walk(), dialogue.walk(), strict=True):
            whole = b.copy()
            whole[places] += factors[places, None] * d
            yield whole

    return Track(background.channels, background.samples, walk)


def ducked(original: Track, channels: Sequence[int], speech: Sequence[Segment], gain_db: float) -> Track:
    """The film's own sound with some channels lowered by ``gain_db`` while somebody speaks, there or in the dub."""
    wider = [Segment(max(0.0, s.start - DUCK_BEFORE), s.end + DUCK_AFTER) for s in speech]
    spans = [Span(round(s.start * RATE), round(s.end * RATE), 10 ** (gain_db / 20)) for s in union(wider)]
    curve, chosen = envelope(spans, ATTACK, RELEASE, outside=1.0), list(channels)

    def walk() -> Iterator[np.ndarray]:
        first = 0
        for block in original.walk():
            lowered = block.copy()
            lowered[chosen] *= curve(first, first + block.shape[1])
            first += block.shape[1]
            yield lowered

    return Track(original.channels, original.samples, walk)


def silence(channels: int, samples: int) -> Track:
    def walk() -> Iterator[np.ndarray]:
        for first in range(0, samples, BLOCK):
            yield np.zeros((channels, min(BLOCK, samples - first)), np.float32)

    return Track(channels, samples, walk)


def room_tone(original: Path | None, speech: Sequence[Segment], channels: int, samples: int) -> tuple[Track, str]:
    """The film's own air, all through the film, and where it comes from.

    The longest quiet pause (up to 6 s) of the original, repeated with crossfades; very soft noise where there is none.
    """
    piece, said = None, f"noise at {20 * np.log10(NOISE):.0f} dBFS: the film has no pause to take its air from"
    if original is not None and file_channels(original) == channels:
        piece = _quiet_piece(original, speech, samples)
        if piece is not None:
            said = f"{piece.shape[1] / RATE:.1f} s of the film's own pauses, repeated"
    if piece is None:
        noise = np.random.default_rng(0).standard_normal((channels, int(TONE_LENGTH * RATE)))
        piece = (noise * NOISE * (channel_weights(channels) > 0)[:, None]).astype(np.float32)
    return Track(channels, samples, lambda: _repeated(piece, samples)), said


def _quiet_piece(original: Path, speech: Sequence[Segment], samples: int) -> np.ndarray | None:
    edges = [0.0, *(t for s in union(list(speech)) for t in (s.start - 0.2, s.end + 0.3)), samples / RATE]
    pauses = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 2 * TONE_FADE + 0.1]
    best: tuple[float, np.ndarray] | None = None
    for a, b in sorted(pauses, key=lambda pause: pause[0] - pause[1])[:8]:
        length = min(b - a, TONE_LENGTH)
        audio = _read(original, round(a * RATE), round(length * RATE))
        parts = audio[:, : audio.shape[1] // 2400 * 2400].reshape(len(audio), -1, 2400)
        loudest = float(np.sqrt((parts**2).mean(axis=2).max(initial=0.0)))
        if 10 ** (-110 / 20) < loudest < TONE_LOUDEST and (best is None or loudest / length < best[0]):
            best = (loudest / length, audio)
    return best[1] if best else None


def _read(path: Path, start: int, length: int) -> np.ndarray:
    return np.concatenate(list(file_track(path, length, shift=-start).walk()), axis=1)


def _repeated(piece: np.ndarray, samples: int) -> Iterator[np.ndarray]:
    """The piece over and over; each repeat fades into the next at equal power."""
    fade = min(int(TONE_FADE * RATE), piece.shape[1] // 3)
    ramp = np.sin(np.linspace(0, np.pi / 2, fade, endpoint=False)).astype(np.float32)
    loop = piece[:, : piece.shape[1] - fade].copy()
    loop[:, :fade] = loop[:, :fade] * ramp + piece[:, -fade:] * ramp[::-1]
    for first in range(0, samples, BLOCK):
        size = min(BLOCK, samples - first)
        yield loop[:, np.arange(first, first + size) % loop.shape[1]]
