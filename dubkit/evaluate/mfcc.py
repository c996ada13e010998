"""13 MFCC at 100 Hz as SyncNet of 2016 was trained on: python_speech_features' defaults, in NumPy.

25 ms rectangular windows every 10 ms at 16 kHz, pre-emphasis 0.97, 512-point power spectrum, 26 mel filters (HTK scale)
up to 8 kHz, natural log, orthonormal DCT-II, 13 coefficients, sine lifter of 22, the first replaced by log energy. Audio
is in 16-bit units (−32768 … 32767), for the energies are not normalised.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.fft import dct

SAMPLE_RATE = 16_000
STEP, WINDOW, FFT = 160, 400, 512
FILTERS, COEFFICIENTS, LIFTER = 26, 13, 22


def mfcc(audio: np.ndarray) -> np.ndarray:
    """(samples,) in [-1, 1] at 16 kHz → float32 (13, steps), 100 steps a second."""
    samples = np.round(np.asarray(audio, np.float64) * 32768)
    emphasised = np.append(samples[:1], samples[1:] - 0.97 * samples[:-1])
    steps = 1 if len(samples) <= WINDOW else 1 + -(-(len(samples) - WINDOW) // STEP)
    padded = np.pad(emphasised, (0, max(0, (steps - 1) * STEP + WINDOW - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::STEP][:steps]
    power = np.abs(np.fft.rfft(frames, FFT)) ** 2 / FFT
    tiny = np.finfo(float).eps
    energy = np.maximum(power.sum(axis=1), tiny)
    bands = np.maximum(power @ _filters().T, tiny)
    coefficients = dct(np.log(bands), type=2, axis=1, norm="ortho")[:, :COEFFICIENTS]
    coefficients *= 1 + LIFTER / 2 * np.sin(np.pi * np.arange(COEFFICIENTS) / LIFTER)
    coefficients[:, 0] = np.log(energy)
    return coefficients.T.astype(np.float32)


@lru_cache(maxsize=1)
def _filters() -> np.ndarray:
    """(26, 257) triangles between whole FFT bins, equally wide in HTK mel."""
    mels = np.linspace(0, 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700), FILTERS + 2)
    bins = np.floor((FFT + 1) * 700 * (10 ** (mels / 2595) - 1) / SAMPLE_RATE)
    k = np.arange(FFT // 2 + 1)
    filters = np.zeros((FILTERS, FFT // 2 + 1))
    for band, (low, peak, high) in enumerate(zip(bins, bins[1:], bins[2:], strict=False)):
        rising, falling = (low <= k) & (k < peak), (peak <= k) & (k < high)
        filters[band, rising] = (k[rising] - low) / (peak - low)
        filters[band, falling] = (high - k[falling]) / (high - peak)
    return filters
