"""How faces move from one frame to the next, by sparse optical flow (Lucas & Kanade, pyramidal), checked both ways."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

WINDOW = (15, 15)  # pixels of the proxy
LEVELS = 2
GRID = 6  # points a side, inside the middle of a face
RETURN_ERROR = 1.0  # pixels; a point that does not come back to where it started is lost
TRUSTED = 0.35  # share of points that must survive for the motion to count as seen


@dataclass(frozen=True, slots=True)
class Motion:
    """A similarity between neighbouring frames: p → scale · (p − centre) + centre + shift."""

    shift: np.ndarray  # (2,) pixels
    scale: float
    trust: float  # share of flow points that survived, 0 to 1

    @property
    def seen(self) -> bool:
        return self.trust >= TRUSTED

    def move(self, points: np.ndarray, centre: np.ndarray) -> np.ndarray:
        """Points (..., 2) one frame later."""
        return (points - centre) * self.scale + centre + self.shift


STILL = Motion(np.zeros(2, np.float32), 1.0, 0.0)


def motions(before: np.ndarray, after: np.ndarray, boxes: np.ndarray) -> list[Motion]:
    """The motion of each box (N, 4) of one grey frame (H, W) uint8 into its neighbour."""
    if not len(boxes):
        return []
    steps = np.linspace(0.2, 0.8, GRID, dtype=np.float32)
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(1, -1, 2)
    start = (boxes[:, None, :2] + grid * (boxes[:, None, 2:] - boxes[:, None, :2])).astype(np.float32)
    flat = np.ascontiguousarray(start.reshape(-1, 1, 2))
    options = {"winSize": WINDOW, "maxLevel": LEVELS}
    ahead, found, _ = cv2.calcOpticalFlowPyrLK(before, after, flat, None, **options)
    back, returned, _ = cv2.calcOpticalFlowPyrLK(after, before, ahead, None, **options)
    error = np.linalg.norm((back - flat)[:, 0], axis=1)
    good = (found[:, 0] == 1) & (returned[:, 0] == 1) & (error < RETURN_ERROR)
    ahead, good = ahead.reshape(start.shape), good.reshape(start.shape[:2])
    return [_similarity(a, b, ok) for a, b, ok in zip(start, ahead, good, strict=True)]


def _similarity(start: np.ndarray, end: np.ndarray, good: np.ndarray) -> Motion:
    """Median shift and median change of distance from the middle: robust to a mouth that moves on its own."""
    if good.sum() < 4:
        return STILL
    a, b = start[good], end[good]
    shift = np.median(b - a, axis=0)
    off = np.linalg.norm(b - a - shift, axis=1)
    kept = off <= max(1.0, 2.5 * float(np.median(off)))
    a, b = a[kept], b[kept]
    from_middle_a = np.linalg.norm(a - a.mean(axis=0), axis=1)
    from_middle_b = np.linalg.norm(b - b.mean(axis=0), axis=1)
    scale = float(np.clip(np.median(from_middle_b / np.maximum(from_middle_a, 1e-3)), 0.9, 1.1))
    return Motion(shift.astype(np.float32), scale, float(good.mean()))
