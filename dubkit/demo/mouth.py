"""From a voice to a mouth: loudness and the vowel's colour, frame by frame.

A vowel with a high first formant (ah) has more energy around 800 Hz than around 350 Hz and opens the jaw; one with a
high second formant (ee) has energy around 2.4 kHz and spreads the lips, a low one (oo) purses them; hissing consonants
(above 4 kHz) are made with the teeth nearly closed; p, b and m are short silences, so the smoothing is short too.
"""

from __future__ import annotations

import numpy as np

from dubkit.demo.face import Pose
from dubkit.demo.sound import FPS, RATE

_WINDOW, _HOP = 1200, 240  # samples: 25 ms, 5 ms
_LEAD = 0.03  # seconds by which lips are ahead of the sound they make, beyond the middle of the frame
_BANDS = {"close": (200, 500), "open": (600, 1200), "front": (1900, 3200), "hiss": (4000, 12000)}


def mouth(voice: np.ndarray, num_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """How far the mouth is open (0..1) and spread (-1..1) in each frame, both float32 (num_frames,)."""
    spectra = _spectra(voice)
    hertz = np.fft.rfftfreq(_WINDOW, 1 / RATE)
    total = spectra.sum(axis=1) + 1e-9
    floor = 1e-3 * total  # a band 30 dB below the whole says nothing
    energy = {name: spectra[:, (hertz >= lo) & (hertz < hi)].sum(axis=1) + floor for name, (lo, hi) in _BANDS.items()}
    if total.max() < 1e-6:
        return np.zeros(num_frames, np.float32), np.zeros(num_frames, np.float32)
    level = 10 * np.log10(total)
    loud = np.clip((level - np.percentile(level[total > 1e-6], 92) + 27) / 25, 0, 1)
    opening = np.clip((10 * np.log10(energy["open"] / energy["close"]) + 11) / 15, 0, 1)
    opening *= np.clip(
        (energy["open"] + energy["close"]) / total * 8, 0, 1
    )  # without a vowel there is nothing to open for
    hiss = np.clip(energy["hiss"] / total * 2.5 - 0.25, 0, 1)
    open_ = loud * (0.30 + 0.70 * opening) * (1 - 0.7 * hiss)
    wide = np.clip((10 * np.log10(energy["front"] / energy["open"]) + 13) / 9, -1, 1) * loud
    return _per_frame(open_, num_frames), _per_frame(wide, num_frames)


def blinks(num_frames: int, seed: int) -> np.ndarray:
    """How far the eyes are closed (0..1) in each frame: a blink every 2 to 4.5 s."""
    random, closed = np.random.default_rng(seed), np.zeros(num_frames + 8, np.float32)
    at = int(random.uniform(0.6, 2) * FPS)
    while at < num_frames:
        closed[at : at + 6] = (0.45, 1.0, 1.0, 0.75, 0.4, 0.15)
        at += int(random.uniform(2, 4.5) * FPS)
    return closed[:num_frames]


def poses(voice: np.ndarray, num_frames: int, seed: int) -> list[Pose]:
    """The face of a speaker whose stem is ``voice``, for each frame of the film."""
    open_, wide = mouth(voice, num_frames)
    closed = blinks(num_frames, seed)
    return [Pose(float(o), float(w), float(b)) for o, w, b in zip(open_, wide, closed, strict=True)]


def _spectra(voice: np.ndarray) -> np.ndarray:
    """Power spectra of windows centred at every ``_HOP`` samples, (T, F)."""
    padded = np.pad(voice, _WINDOW // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    out = [np.abs(np.fft.rfft(block * np.hanning(_WINDOW), axis=1)) ** 2 for block in np.array_split(windows, 16)]
    return np.concatenate(out) / _WINDOW


def _per_frame(values: np.ndarray, num_frames: int) -> np.ndarray:
    """``values`` (every ``_HOP`` samples) around each frame's moment, weighted by a Gaussian of 20 ms."""
    times = np.arange(len(values)) * _HOP / RATE
    reach = np.arange(-12, 13)
    weights = np.exp(-0.5 * (reach * _HOP / RATE / 0.020) ** 2)
    smooth = np.convolve(values, weights / weights.sum(), mode="same")
    return np.interp((np.arange(num_frames) + 0.5) / FPS + _LEAD, times, smooth).astype(np.float32)
