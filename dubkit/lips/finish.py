"""From what the network painted to what is put into the film: colour matched to the skin around, still skin left still.

Works on whole jobs at the crop's resolution, because both steps look at neighbouring frames; ``blend.py`` then needs one
frame at a time.
"""

from __future__ import annotations

import cv2
import numpy as np

from dubkit.lips import masks
from dubkit.lips.crops import smoothed

MATCH_SMOOTHING = 4.0  # frames
KEEP_BELOW, CHANGE_ABOVE = 2.0, 9.0
"""Levels of 255: a painted pixel that differs by less stays the source's, one that differs by more is the network's."""

_OUTLIER = 18.0  # levels by which a ring pixel may differ from the ring's median and still count for the colour


def finish(seen: np.ndarray, painted: np.ndarray, shapes: np.ndarray, match_color: bool = True) -> np.ndarray:
    """Source crops and network crops of a job, both (N, S, S, 3) uint8 → the crops to blend in, the same shape.

    The upper half is the source's. ``shapes`` (N, 6) are the mask's parameters.
    """
    count, size = seen.shape[:2]
    half = size // 2
    change = painted[:, half:].astype(np.float32) - seen[:, half:]
    if match_color and count:
        change -= colour_step(change, shapes, size)
    change *= moved(change)[..., None]
    finished = seen.copy()
    finished[:, half:] = np.clip(np.rint(seen[:, half:] + change), 0, 255)
    return finished


def colour_step(change: np.ndarray, shapes: np.ndarray, size: int) -> np.ndarray:
    """By how much the paint misses the skin's colour, (N, S/2, S, 3): for every frame and channel a plane fitted to the
    mask's soft edge, without what really moved there, smoothed in time."""
    half = size // 2
    y, x = np.mgrid[0:half, 0:size].astype(np.float32)
    basis = np.stack([np.ones_like(x), x / size - 0.5, y / half - 0.5], axis=-1)
    planes = np.zeros((len(change), 3, 3))
    for i, (difference, shape) in enumerate(zip(change, shapes, strict=True)):
        inside = masks.ring(shape, size)[half:]
        values, design = difference[inside].astype(np.float64), basis[inside].astype(np.float64)
        for channel in range(3):
            target = values[:, channel]
            usual = np.abs(target - np.median(target)) < _OUTLIER if len(target) else np.zeros(0, bool)
            if usual.sum() >= 50:
                weighted = design[usual].T @ design[usual] + np.diag([0.0, 20.0, 20.0])  # tilt only where it is certain
                planes[i, :, channel] = np.linalg.solve(weighted, design[usual].T @ target[usual])
    planes = smoothed(planes, MATCH_SMOOTHING)
    return np.einsum("yxb,nbc->nyxc", basis, planes.astype(np.float32), optimize=True)


def moved(change: np.ndarray) -> np.ndarray:
    """Where something really moved, (N, S/2, S) in [0, 1], soft in space and time: elsewhere the film's own pixels stay,
    with their grain and without the network's tremble."""
    amount = np.abs(cv_blur(change, 1.2)).max(axis=-1)
    amount = smoothed(amount, 1.0) if len(amount) else amount
    t = np.clip((amount - KEEP_BELOW) / (CHANGE_ABOVE - KEEP_BELOW), 0, 1)
    return t * t * (3 - 2 * t)


def cv_blur(pictures: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian over each picture of (N, H, W, C)."""
    blurred = np.empty_like(pictures)
    for i, picture in enumerate(pictures):
        blurred[i] = cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return blurred
