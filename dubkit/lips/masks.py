"""Where the new lips may show: a soft shape over mouth, jaw and chin, in the lower half of the crop.

The shape is a superellipse of exponent 3, straight enough to take in the jaw and round enough to leave collar and
background. It is described by six numbers a frame, in crop edges: centre x, centre y, half-width, half-height, the width
of the soft edge, and the row above which nothing shows. With landmarks it follows the mouth and begins below the
nostrils, which no voice moves; the numbers are smoothed in time, so the edge does not tremble.
"""

from __future__ import annotations

import numpy as np

from dubkit.lips.crops import BOTTOM_MARGIN, points, smoothed
from dubkit.types import FaceTrack

HALF_WIDTH = 0.42
HALF_HEIGHT = 0.245
MIDDLE = 0.75  # of the crop's height: the middle of the half that the generator paints
MAX_SHIFT = 0.10  # of the crop's width that the shape may move sideways with a turned face
BELOW_NOSE = 0.3  # of the way from the nose's tip to the mouth: where the mask begins
TOP_FEATHER = 0.05  # crop edges; lip and nostrils are too near for the wide one
SMOOTHING = 4.0  # frames


def parameters(track: FaceTrack, transforms: np.ndarray, size: int, feather: float) -> np.ndarray:
    """(N, 6) float32 for every frame of the track. ``feather`` is the share of the face's height that is soft."""
    count = len(track.frames)
    across, top = np.zeros(count), np.full(count, 0.5)
    if track.landmarks is not None:
        five = points(track.landmarks)
        mouth, nose = (to_crop(at, transforms) / size for at in (five[:, 3:5].mean(axis=1), five[:, 2]))
        across = np.clip(mouth[:, 0] + 0.5 / size - 0.5, -MAX_SHIFT, MAX_SHIFT)
        top = np.clip(nose[:, 1] + BELOW_NOSE * (mouth[:, 1] - nose[:, 1]), 0.5, 0.68)
    found = np.empty((count, 6))
    found[:, 0] = 0.5 + smoothed(across, SMOOTHING)
    found[:, 1] = MIDDLE
    found[:, 2] = HALF_WIDTH - np.abs(found[:, 0] - 0.5) / 2
    found[:, 3] = HALF_HEIGHT
    found[:, 4] = feather / (1 + BOTTOM_MARGIN)
    found[:, 5] = smoothed(top, SMOOTHING)
    return found.astype(np.float32)


def to_crop(at: np.ndarray, transforms: np.ndarray) -> np.ndarray:
    """Source points (N, 2) → crop pixels (N, 2), each through its frame's transform."""
    linear, offset = transforms[:, :, :2].astype(np.float64), transforms[:, :, 2].astype(np.float64)
    return np.linalg.solve(linear, (at - offset)[..., None])[..., 0]


def coverage(mask: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How much of the new face shows at crop positions ``x``, ``y`` (crop edges, 0 to 1) → float32 in [0, 1].

    1 inside, falling smoothly to 0 at the rim over ``feather``; always 0 in the upper half and outside the crop.
    """
    centre_x, centre_y, half_width, half_height, feather, top = (float(value) for value in mask)
    u, v = np.abs(x - centre_x) / half_width, np.abs(y - centre_y) / half_height
    radius = np.cbrt(u * u * u + v * v * v)
    depth = (1 - radius) * min(half_width, half_height)  # about the distance to the rim, in crop edges
    depth = np.minimum(depth, np.minimum(np.minimum(x, 1 - x), np.minimum(y - 0.5, 1 - y)))
    below = np.clip((y - top) / TOP_FEATHER, 0, 1)
    return (_soft(depth / max(feather, 1e-6)) * _soft(below)).astype(np.float32)


def extent(mask: np.ndarray) -> tuple[float, float, float, float]:
    """Box ``x0, y0, x1, y1`` in crop edges outside which ``coverage`` is 0."""
    centre_x, centre_y, half_width, half_height, _, top = (float(value) for value in mask)
    low = max(0.0, centre_x - half_width), max(0.5, top, centre_y - half_height)
    return (*low, min(1.0, centre_x + half_width), min(1.0, centre_y + half_height))


def mean_pixels(shapes: np.ndarray, transforms: np.ndarray, size: int) -> int:
    """Pixels of the source that the mask covers, soft edge included by its weight, mean over frames: for the report."""
    if not len(shapes):
        return 0
    area = np.abs(np.linalg.det(transforms[:, :, :2].astype(np.float64))) * size * size
    some = np.unique(np.linspace(0, len(shapes) - 1, 9).astype(int))
    return round(float(np.mean([on_grid(shapes[i], 96).mean() * area[i] for i in some])))


def ring(mask: np.ndarray, size: int) -> np.ndarray:
    """The soft edge on the crop's grid, (S, S) bool: where old and new must agree in colour."""
    shown = on_grid(mask, size)
    return (shown > 0.02) & (shown < 0.75)


def on_grid(mask: np.ndarray, size: int) -> np.ndarray:
    """``coverage`` at the centres of the crop's pixels, (S, S)."""
    centres = (np.arange(size) + 0.5) / size
    return coverage(mask, centres[None, :], centres[:, None])


def _soft(depth: np.ndarray) -> np.ndarray:
    """Smoothstep: 0 up to 0, 1 from 1, level at both ends."""
    t = np.clip(depth, 0, 1)
    return t * t * (3 - 2 * t)
