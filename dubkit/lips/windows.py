"""Which piece of voice each frame of a job gets: exact at every frame rate, one window for every frame.

``mel.py`` says where the window of a frame starts, ``floor(80 · (t − 0.040))``. Here the voice of one stretch is fetched
with enough around it that every step is what the whole track would give; frames out are frames in, whatever is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from dubkit.errors import InputError
from dubkit.lips import mel
from dubkit.types import FrameRange, Segment

Voice = Callable[[str, Segment], np.ndarray]
"""``(speaker, segment) → (samples,) float32``: clean dialogue at 16 kHz, zeros where the film has none."""

_REACH = 3  # mel steps around a stretch that its edges depend on: half a Fourier window and the pre-emphasis


def step_range(frames: FrameRange, rate: Fraction) -> tuple[int, int]:
    """Half-open range of mel steps that the windows of ``frames`` cover; may begin before project zero."""
    if not len(frames):
        return 0, 0
    return mel.window_start(frames.start, rate), mel.window_start(frames.stop - 1, rate) + mel.WINDOW_STEPS


def voice_segment(frames: FrameRange, rate: Fraction) -> Segment:
    """Seconds of voice that change the lips of ``frames``; both ends lie on mel steps, so on whole samples."""
    first, last = step_range(frames, rate)
    return Segment((first - _REACH) / mel.STEPS_PER_SECOND, (last + _REACH) / mel.STEPS_PER_SECOND)


def voice_windows(voice: Voice, speaker: str, frames: FrameRange, rate: Fraction) -> np.ndarray:
    """The generator's voice input for every frame, (len(frames), 1, 80, 16) float32.

    A voice that ends early is followed by silence, and what is beyond the stretch is ignored. Raises InputError for
    samples that are not numbers, naming speaker and time.
    """
    segment = voice_segment(frames, rate)
    first, last = step_range(frames, rate)
    count = (last - first + 2 * _REACH) * mel.HOP
    samples = np.asarray(voice(speaker, segment), dtype=np.float32)
    if samples.ndim != 1:
        raise InputError(f"the voice of '{speaker}' must be one channel (samples,), got shape {samples.shape}")
    samples = samples[:count]
    if not np.isfinite(samples).all():
        at = segment.start + int(np.flatnonzero(~np.isfinite(samples))[0]) / mel.SAMPLE_RATE
        raise InputError(f"the voice of '{speaker}' is not a number at {at:.3f} s of the film; make that line again")
    samples = np.pad(samples, (0, count - len(samples)))
    steps = mel.melspectrogram(samples, _REACH, _REACH + last - first)
    return mel.windows(steps, (mel.window_start(n, rate) - first for n in frames))
