"""True peak: a look-ahead gain that is 1 wherever the ceiling is kept, so that those samples stay what they are.

ffmpeg's alimiter watches sample peaks, and around a resampler it would change every sample of the film, M&E included.
Here the wanted gain (ceiling / oversampled peak) is held by a running minimum and smoothed by a running mean of the
same width, the textbook look-ahead limiter (Zölzer, DAFX, 2nd ed., 4.2.2): the mean of minima never exceeds the
wanted gain at the peak itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from dubkit.voice.loudness import oversampled_peaks
from dubkit.voice.tracks import RATE, Track

LOOK = RATE // 100  # samples to each side, 10 ms
NEAR, REACH = RATE // 50, 64  # samples: sound is oversampled in such blocks, with so much beside them for the filter
CONTEXT = 2 * LOOK + 64
MARGIN_DB = 0.1  # another meter's oversampling filter may read a little more than ours


def limited(
    track: Track,
    ceiling_db: float,
    groups: Sequence[Sequence[int]],
    acted: Callable[[int, int], None] = lambda group, samples: None,
    *,
    oversample: bool = True,
) -> Track:
    """``track`` with no true peak over ``ceiling_db`` dBTP (without ``oversample``: no sample over it, quicker).

    Channels of a group get the same gain.

    ``acted(group, samples)`` is told where and for how long the gain was under 1.
    """
    ceiling = 10 ** ((ceiling_db - MARGIN_DB) / 20)

    def walk() -> Iterator[np.ndarray]:
        for padded, left, size in _with_context(track):
            block = padded[:, left : left + size].copy()
            for number, group in enumerate(groups):
                gain = _gain(padded[list(group)], ceiling, oversample)
                if gain is not None:
                    inner = gain[left : left + size]
                    block[list(group)] *= inner
                    acted(number, int(np.count_nonzero(inner < 1)))
            yield block

    return Track(track.channels, track.samples, walk)


def _gain(audio: np.ndarray, ceiling: float, oversample: bool) -> np.ndarray | None:
    """float32 (n,), or None where nothing has to be done."""
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    peaks = np.abs(audio).max(axis=0, initial=0.0)
    if peaks.max(initial=0.0) < (ceiling / 2 if oversample else ceiling):  # real sound does not double
        return None
    if oversample:
        for start, stop in _stretches(peaks >= ceiling / 2):
            first, last = max(0, start - REACH), min(len(peaks), stop + REACH)
            peaks[start:stop] = oversampled_peaks(audio[:, first:last])[start - first : stop - first]
    wanted = np.minimum(1.0, ceiling / np.maximum(peaks.astype(np.float64), 1e-9))
    if wanted.min() >= 1.0:
        return None
    held = minimum_filter1d(wanted, 2 * LOOK + 1)
    near = minimum_filter1d(held, 2 * LOOK + 1) < 1.0
    return np.where(near, uniform_filter1d(held, 2 * LOOK + 1), 1.0).astype(np.float32)


def _stretches(loud: np.ndarray) -> Iterator[tuple[int, int]]:
    """Half-open ranges of whole NEAR blocks around what is loud, so that what rises above it between two samples is in them."""
    blocks = np.flatnonzero(np.add.reduceat(loud, np.arange(0, len(loud), NEAR)))
    for run in np.split(blocks, np.flatnonzero(np.diff(blocks) > 1) + 1):
        yield max(0, int(run[0]) * NEAR - REACH), min(len(loud), (int(run[-1]) + 1) * NEAR + REACH)


def _with_context(track: Track) -> Iterator[tuple[np.ndarray, int, int]]:
    """Every block with CONTEXT samples of its neighbours: (padded, samples before the block, samples of the block)."""
    before = np.zeros((track.channels, 0), np.float32)
    blocks = track.walk()
    block = next(blocks, None)
    while block is not None:
        following = next(blocks, None)
        after = following[:, :CONTEXT] if following is not None else block[:, :0]
        yield np.concatenate([before, block, after], axis=1), before.shape[1], block.shape[1]
        before = np.concatenate([before, block], axis=1)[:, -CONTEXT:]
        block = following
