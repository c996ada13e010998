"""Face crops for training, cut exactly as the engine cuts them, with a rim for augmentation.

A stored crop covers the convention's box (``dubkit.lips.models.wav2lip``) and a rim of one twelfth of it on every side:
96 pixels of face inside 112. Training cuts a slightly moved and scaled square out of it, so that the networks do not
depend on the habits of one face detector.
"""

from __future__ import annotations

import cv2
import numpy as np

from dubkit.lips.models.wav2lip import BOTTOM_MARGIN

CROP = 96
RIM = 8
STORED = CROP + 2 * RIM
_SMOOTHING = 3.0  # frames, standard deviation of the Gaussian over time


def smooth_boxes(boxes: np.ndarray) -> np.ndarray:
    """Detector boxes (N, 4) of one clip, NaN where none was found → smoothed boxes without gaps."""
    found = np.flatnonzero(np.isfinite(boxes[:, 0]))
    frames = np.arange(len(boxes))
    filled = np.stack([np.interp(frames, found, boxes[found, k]) for k in range(4)], axis=1)
    weights = np.exp(-0.5 * ((frames[:, None] - frames) / _SMOOTHING) ** 2)
    return (weights / weights.sum(axis=1, keepdims=True)) @ filled


def cut(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The stored crop of ``box`` (x0 y0 x1 y1, detector's) from a BGR or RGB uint8 picture → (112, 112, 3)."""
    x0, y0, x1, y1 = (float(v) for v in box)
    y1 += BOTTOM_MARGIN * (y1 - y0)
    scale = np.array([CROP / (x1 - x0), CROP / (y1 - y0)])
    matrix = np.array([[scale[0], 0, RIM - (x0 - 0) * scale[0]], [0, scale[1], RIM - y0 * scale[1]]])
    # OpenCV puts pixel centres on integers; ours are at +0.5, so that a box edge is a pixel edge
    matrix[:, 2] += (scale - 1) / 2
    return cv2.warpAffine(picture, matrix, (STORED, STORED), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def inner(stored: np.ndarray, dx: float = 0, dy: float = 0, scale: float = 1.0, flip: bool = False) -> np.ndarray:
    """Cut crops (…, 96, 96, 3) out of stored ones (N, 112, 112, 3), all moved and scaled alike."""
    if not dx and not dy and scale == 1:
        out = stored[:, RIM : RIM + CROP, RIM : RIM + CROP]
    else:
        middle = STORED / 2
        matrix = np.array([[scale, 0, middle + dx - scale * CROP / 2], [0, scale, middle + dy - scale * CROP / 2]])
        matrix[:, 2] += (scale - 1) / 2
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        out = np.stack([cv2.warpAffine(image, matrix, (CROP, CROP), flags=flags, borderMode=cv2.BORDER_REPLICATE)
                        for image in stored])  # fmt: skip
    return out[:, :, ::-1] if flip else out
