"""The mel spectrogram Wav2Lip was trained on, in NumPy, and the window that belongs to each picture frame.

16 kHz mono → pre-emphasis 0.97 → STFT (800-point Hann, hop 200, centred) → magnitude → 80 Slaney mel bands from 55 to
7600 Hz → decibels, scaled to [-4, 4]. There are 80 steps a second, ``1 + samples // 200`` in all. The edges are padded
by reflection, as in the librosa 0.7 that the official weights were trained with (it touches the two outermost steps).

A frame shown at ``t`` seconds gets the 16 steps (200 ms) that start at ``floor(80 · (t − 0.040))``: the window *training*
uses. The public inference script starts it at ``t``, so its lips lead the voice by 40 ms.

Source: Prajwal et al., "A Lip Sync Expert Is All You Need", ACM MM 2020, and its public training code.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache

import numpy as np

from dubkit.errors import InputError

SAMPLE_RATE = 16_000
HOP = 200
FFT = 800
BANDS = 80
STEPS_PER_SECOND = SAMPLE_RATE // HOP
WINDOW_STEPS = 16
AUDIO_LEAD = Fraction(1, 25)
"""Seconds between the start of a frame's window and the frame: one frame of the 25 fps training videos."""
SILENCE = -4.0
_BLOCK_STEPS = 8192  # about 100 s: bounds memory on long audio


def melspectrogram(audio: np.ndarray, start: int = 0, stop: int | None = None) -> np.ndarray:
    """Mel steps ``[start, stop)`` of 16 kHz mono ``audio`` (samples,) in [-1, 1] → float32 (80, stop - start).

    Any slice is what the whole spectrogram holds there (to float rounding), so long audio can be walked piece by piece.
    Raises InputError for anything but one finite channel.
    """
    audio = _checked(audio)
    total = num_steps(len(audio))
    stop = total if stop is None else stop
    if not 0 <= start <= stop <= total:
        raise InputError(f"mel steps [{start}, {stop}) are outside the audio, which has {total}")
    blocks = [_block(audio, first, min(first + _BLOCK_STEPS, stop)) for first in range(start, stop, _BLOCK_STEPS)]
    return np.concatenate(blocks, axis=1) if blocks else np.zeros((BANDS, 0), np.float32)


def num_steps(num_samples: int) -> int:
    """Mel steps of so many samples: one every 200, and one at the end."""
    return 1 + num_samples // HOP


def window_start(frame: int, rate: Fraction) -> int:
    """First mel step for 0-based ``frame`` at ``rate`` frames a second; exact, negative for the first 40 ms."""
    return math.floor(STEPS_PER_SECOND * (Fraction(frame) / rate - AUDIO_LEAD))


def windows(mel: np.ndarray, starts: Iterable[int]) -> np.ndarray:
    """Cut 16-step windows out of ``mel`` (80, steps) → float32 (windows, 1, 80, 16), one for every start.

    Steps before the beginning mirror the first ones; steps after the end are silence.
    """
    index = np.asarray(list(starts), dtype=np.int64)[:, None] + np.arange(WINDOW_STEPS)
    steps = mel.shape[1]
    known = np.clip(np.abs(index), 0, max(steps - 1, 0))
    cut = mel[:, known] if steps else np.full((BANDS, *index.shape), SILENCE, np.float32)
    cut = np.where((np.abs(index) < steps)[None], cut, np.float32(SILENCE))
    return np.ascontiguousarray(cut.transpose(1, 0, 2)[:, None], dtype=np.float32)


def frame_windows(mel: np.ndarray, frames: Iterable[int], rate: Fraction) -> np.ndarray:
    """The generator's audio input for each of ``frames`` → (frames, 1, 80, 16). ``mel`` starts at project zero."""
    return windows(mel, (window_start(frame, rate) for frame in frames))


def _checked(audio: np.ndarray) -> np.ndarray:
    audio = np.asarray(audio, dtype=np.float32)
    if audio.ndim == 2 and 1 in audio.shape:
        audio = audio.reshape(-1)
    if audio.ndim != 1:
        raise InputError(f"mel needs one channel of audio, got shape {audio.shape}; mix it down first")
    if not np.isfinite(audio).all():
        bad = int(np.flatnonzero(~np.isfinite(audio))[0])
        raise InputError(
            f"the audio is not a number at sample {bad} ({bad / SAMPLE_RATE:.3f} s); make that voice again"
        )
    return audio


def _block(audio: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Steps [start, stop) from just the samples they see."""
    index = np.arange(start * HOP - FFT // 2, (stop - 1) * HOP + FFT // 2)
    mirrored = _mirror(index, len(audio))
    before = np.where(mirrored > 0, audio[mirrored - 1], 0) if len(audio) else np.zeros(len(index), np.float32)
    samples = (audio[mirrored] if len(audio) else before) - np.float32(0.97) * before
    frames = np.lib.stride_tricks.sliding_window_view(samples, FFT)[::HOP]
    magnitude = np.abs(np.fft.rfft(frames * _hann(), axis=1)).astype(np.float32)
    decibels = 20 * np.log10(np.maximum(1e-5, mel_filters() @ magnitude.T)) - 20
    return np.clip(8 * (decibels + 100) / 100 - 4, -4, 4).astype(np.float32)


def _mirror(index: np.ndarray, length: int) -> np.ndarray:
    """Reflection that keeps reflecting, so that audio shorter than one window works too."""
    if length <= 1:
        return np.zeros_like(index)
    period = 2 * (length - 1)
    folded = np.abs(index) % period
    return np.where(folded >= length, period - folded, folded)


@lru_cache(maxsize=1)
def _hann() -> np.ndarray:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)).astype(np.float32)


@lru_cache(maxsize=1)
def mel_filters() -> np.ndarray:
    """Slaney's triangles with area normalisation (Auditory Toolbox, 1998) → float32 (80, 401)."""
    edges = _mel_to_hz(np.linspace(_hz_to_mel(55.0), _hz_to_mel(7600.0), BANDS + 2))
    bins = np.linspace(0, SAMPLE_RATE / 2, FFT // 2 + 1)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


# Slaney's scale: 200/3 Hz a mel below 1 kHz, then logarithmic with 27 mels for a factor of 6.4.
_BREAK_HZ, _BREAK_MEL, _LOG_STEP = 1000.0, 15.0, math.log(6.4) / 27


def _hz_to_mel(hz: float) -> float:
    return hz * 3 / 200 if hz < _BREAK_HZ else _BREAK_MEL + math.log(hz / _BREAK_HZ) / _LOG_STEP


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < _BREAK_MEL, mel * 200 / 3, _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL)))
