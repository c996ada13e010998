"""From what the network painted to what is put into the film: in the actor's colours, still skin left still.

Works at the crop's resolution on a whole job, because its steps look at neighbouring frames, but a block of frames at a
time, so that memory does not grow with the job; ``blend.py`` then needs one frame at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from dubkit.lips import masks
from dubkit.lips.colours import ActorsColours
from dubkit.lips.crops import smoothed

MATCH_SMOOTHING = 4.0  # frames
KEEP_BELOW, CHANGE_ABOVE = 4.0, 12.0
"""Levels of 255: a painted pixel that differs by less stays the source's, one that differs by more is the network's."""

_BLOCK = 32  # frames in work at once
_MOVED_SMOOTHING = 2.0  # frames
_MOVED_REACH = 6  # frames to either side that the smoothing sees
_OUTLIER = 18.0  # levels by which a ring pixel may differ from the ring's median and still count for the colour


def finish(seen: np.ndarray, painted: np.ndarray, shapes: np.ndarray, match_color: bool = True) -> np.ndarray:
    """Source crops and network crops of a job, both (N, S, S, 3) uint8 → the crops to blend in, the same shape.

    The upper half is the source's. ``shapes`` (N, 6) are the mask's parameters.
    """
    count, size = seen.shape[:2]
    half, finished = size // 2, seen.copy()
    if not count:
        return finished
    if match_color:
        colours = ActorsColours.learnt(seen[block, half:] for block in _blocks(count))
        planes = colour_planes(seen, painted, shapes)
    for block in _blocks(count):
        first, last = max(0, block.start - _MOVED_REACH), min(count, block.stop + _MOVED_REACH)
        film = seen[first:last, half:]
        change = painted[first:last, half:].astype(np.float32) - film
        if match_color:
            change -= np.einsum("yxb,nbc->nyxc", _basis(size), planes[first:last], optimize=True)
            change = colours.held(film, film + change) - film
        change *= moved(change)[..., None]
        made = np.clip(np.rint(film + change), 0, 255)
        finished[block, half:] = made[block.start - first : block.stop - first]
    return finished


def _blocks(count: int) -> Iterator[slice]:
    return (slice(first, min(first + _BLOCK, count)) for first in range(0, count, _BLOCK))


def colour_planes(seen: np.ndarray, painted: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """By how much the paint misses the skin's colour, (N, 3 of ``_basis``, 3 channels): for every frame and channel a plane
    fitted to the mask's soft edge, without what really moved there, smoothed in time."""
    size, half = seen.shape[1], seen.shape[1] // 2
    basis, planes = _basis(size), np.zeros((len(seen), 3, 3))
    for i, shape in enumerate(shapes):
        inside = masks.ring(shape, size)[half:]
        values = painted[i, half:][inside].astype(np.float64) - seen[i, half:][inside]
        design = basis[inside].astype(np.float64)
        for channel in range(3):
            target = values[:, channel]
            usual = np.abs(target - np.median(target)) < _OUTLIER if len(target) else np.zeros(0, bool)
            if usual.sum() >= 50:
                weighted = design[usual].T @ design[usual] + np.diag([0.0, 20.0, 20.0])  # tilt only where it is certain
                planes[i, :, channel] = np.linalg.solve(weighted, design[usual].T @ target[usual])
    return smoothed(planes, MATCH_SMOOTHING).astype(np.float32)


def _basis(size: int) -> np.ndarray:
    """One, x and y on the lower half of the crop, (S/2, S, 3)."""
    half = size // 2
    y, x = np.mgrid[0:half, 0:size].astype(np.float32)
    return np.stack([np.ones_like(x), x / size - 0.5, y / half - 0.5], axis=-1)


def moved(change: np.ndarray) -> np.ndarray:
    """Where something really moved, (N, S/2, S) in [0, 1], soft in space and time: elsewhere the film's own pixels stay,
    with their grain and without the network's tremble."""
    amount = np.stack([_largest_nearby(picture) for picture in change])
    t = np.clip((smoothed(amount, _MOVED_SMOOTHING) - KEEP_BELOW) / (CHANGE_ABOVE - KEEP_BELOW), 0, 1)
    return t * t * (3 - 2 * t)


def _largest_nearby(change: np.ndarray) -> np.ndarray:
    blurred = cv2.GaussianBlur(change, (0, 0), 1.2, borderType=cv2.BORDER_REPLICATE)
    return np.abs(blurred, out=blurred).max(axis=-1)
