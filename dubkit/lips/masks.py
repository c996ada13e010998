"""Where the new lips may show: a soft shape over mouth, jaw and chin, in the lower half of the crop.

The shape is a superellipse, straight enough to take in the jaw and round enough to leave collar and background. It is
described by five numbers a frame, in crop edges: centre x, centre y, half-width, half-height and the width of the soft
edge. With landmarks it follows the mouth; the numbers are smoothed in time, so the edge does not tremble.
"""

from __future__ import annotations

import numpy as np

from dubkit.lips.crops import BOTTOM_MARGIN, points, smoothed
from dubkit.types import FaceTrack

HALF_WIDTH = 0.42
HALF_HEIGHT = 0.245
MIDDLE = 0.75  # of the crop's height: the middle of the half that the generator paints
EXPONENT = 3.0
MAX_SHIFT = 0.10  # of the crop's width that the shape may move sideways with a turned face
SMOOTHING = 4.0  # frames


def parameters(track: FaceTrack, transforms: np.ndarray, size: int, feather: float) -> np.ndarray:
    """(N, 5) float32 for every frame of the track. ``feather`` is the share of the face's height that is soft."""
    count = len(track.frames)
    across = np.zeros(count)
    if track.landmarks is not None:
        mouth = points(track.landmarks)[:, 3:5].mean(axis=1)
        across = np.clip((to_crop(mouth, transforms)[:, 0] + 0.5) / size - 0.5, -MAX_SHIFT, MAX_SHIFT)
    found = np.empty((count, 5))
    found[:, 0] = 0.5 + smoothed(across, SMOOTHING)
    found[:, 1] = MIDDLE
    found[:, 2] = HALF_WIDTH - np.abs(found[:, 0] - 0.5) / 2
    found[:, 3] = HALF_HEIGHT
    found[:, 4] = feather / (1 + BOTTOM_MARGIN)
    return found.astype(np.float32)


def to_crop(at: np.ndarray, transforms: np.ndarray) -> np.ndarray:
    """Source points (N, 2) → crop pixels (N, 2), each through its frame's transform."""
    linear, offset = transforms[:, :, :2].astype(np.float64), transforms[:, :, 2].astype(np.float64)
    return np.linalg.solve(linear, (at - offset)[..., None])[..., 0]


def coverage(mask: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How much of the new face shows at crop positions ``x``, ``y`` (crop edges, 0 to 1) → float32 in [0, 1].

    1 inside, falling smoothly to 0 at the rim over ``feather``; always 0 in the upper half and outside the crop.
    """
    centre_x, centre_y, half_width, half_height, feather = (float(value) for value in mask)
    u, v = np.abs(x - centre_x) / half_width, np.abs(y - centre_y) / half_height
    radius = (u**EXPONENT + v**EXPONENT) ** (1 / EXPONENT)
    depth = (1 - radius) * min(half_width, half_height)  # about the distance to the rim, in crop edges
    depth = np.minimum(depth, np.minimum(np.minimum(x, 1 - x), np.minimum(y - 0.5, 1 - y)))
    t = np.clip(depth / max(feather, 1e-6), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def ring(mask: np.ndarray, size: int) -> np.ndarray:
    """The soft edge on the crop's grid, (S, S) bool: where old and new must agree in colour."""
    shown = on_grid(mask, size)
    return (shown > 0.02) & (shown < 0.75)


def on_grid(mask: np.ndarray, size: int) -> np.ndarray:
    """``coverage`` at the centres of the crop's pixels, (S, S)."""
    centres = (np.arange(size) + 0.5) / size
    return coverage(mask, centres[None, :], centres[:, None])
