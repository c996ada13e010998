"""From the track's box to the square the generator sees, and the way back.

Crop convention (the same as in training, see ``models/wav2lip.py``): the smoothed detector box with ``BOTTOM_MARGIN`` of
its height added below the chin, stretched to ``S`` × ``S``. Where landmarks exist the box is turned about its centre so
that the eyes are level. Nothing is rounded: crops are cut and put back at sub-pixel positions.

Coordinates: OpenCV's, pixel centres on integers. A box edge is a pixel *edge*, half a pixel before the centre.
"""

from __future__ import annotations

import cv2
import numpy as np

from dubkit.types import FaceTrack

BOTTOM_MARGIN = 0.06
"""Share of the detector box's height added at its bottom, so that an opening jaw stays inside."""
BOX_SIZE, BOX_RISE = np.array([2.09, 2.93]), -0.19
"""The training boxes (YuNet's) in units of the distance from the eyes to the mouth: width, height, and how far the centre
lies below the middle between eyes and mouth. Medians over 342 faces of 40 clips."""

_MOST_STRETCH, _MOST_MOVE = 0.15, 0.10  # of the box: no landmark error may do more

ROLL_SMOOTHING = 3.0
"""Standard deviation in frames of the Gaussian over the eyes' angle: heads turn slowly, landmarks tremble."""

_NEGLIGIBLE_BLUR = 0.3  # source pixels


def transforms(track: FaceTrack, size: int) -> np.ndarray:
    """(N, 2, 3) float32 for every frame of the track: crop pixel (u, v, 1) → source pixel."""
    boxes = conventional(track)
    width = boxes[:, 2] - boxes[:, 0]
    height = (boxes[:, 3] - boxes[:, 1]) * (1 + BOTTOM_MARGIN)
    centre = np.stack([boxes[:, 0] + width / 2, boxes[:, 1] + height / 2], axis=1)
    roll = smoothed(eye_roll(track.landmarks), ROLL_SMOOTHING) if track.landmarks is not None else np.zeros(len(boxes))
    right = np.stack([np.cos(roll), np.sin(roll)], axis=1) * (width / size)[:, None]
    down = np.stack([-np.sin(roll), np.cos(roll)], axis=1) * (height / size)[:, None]
    middle = (size - 1) / 2  # crop coordinate of the centre
    offset = centre - 0.5 - middle * (right + down)
    return np.stack([right, down, offset], axis=2).astype(np.float32)


def conventional(track: FaceTrack) -> np.ndarray:
    """The track's boxes as the detector of the training data would have drawn them, (N, 4) float64.

    Detectors draw chin and forehead differently, so the box's habit is measured against the landmarks (median over the
    track: one size and one shift for all its frames, nothing that trembles). Without landmarks boxes are taken as they are.
    """
    boxes = track.boxes.astype(np.float64)
    if track.landmarks is None or not len(boxes):
        return boxes
    five = points(track.landmarks).astype(np.float64)
    eyes, mouth = five[:, :2].mean(axis=1), five[:, 3:].mean(axis=1)
    down = mouth - eyes
    unit = np.hypot(down[:, 0], down[:, 1])[:, None]
    size = boxes[:, 2:] - boxes[:, :2]
    centre = boxes[:, :2] + size / 2
    factor = np.clip(np.nanmedian(BOX_SIZE * unit / size, axis=0), 1 - _MOST_STRETCH, 1 + _MOST_STRETCH)
    move = np.nanmedian(((eyes + mouth) / 2 + BOX_RISE * down - centre) / size, axis=0)
    move = np.clip(move, -_MOST_MOVE, _MOST_MOVE)
    centre, half = centre + move * size, factor * size / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def cut(picture: np.ndarray, transform: np.ndarray, size: int, top: int = 0) -> np.ndarray:
    """Rows from ``top`` of the crop, (S - top, S, 3), of a picture, in the picture's type; beyond the picture's edge its
    last pixels are repeated.

    ``picture`` is a whole frame, or the part of it that ``region`` names with the transform ``shifted`` into it: both
    give the same pixels. A face larger than the crop is low-passed first, so that hair and stubble do not alias.
    """
    across, down = blur_before(transform)
    if max(across, down) > _NEGLIGIBLE_BLUR:
        picture = cv2.GaussianBlur(picture, (_taps(across), _taps(down)), max(across, 1e-3), sigmaY=max(down, 1e-3),
                                   borderType=cv2.BORDER_REPLICATE)  # fmt: skip
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    matrix = from_row(transform, top)
    return cv2.warpAffine(picture, matrix, (size, size - top), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def region(transform: np.ndarray, size: int, width: int, height: int, top: int = 0) -> tuple[int, int, int, int]:
    """Box ``x0, y0, x1, y1`` of whole pixels within a picture of ``width`` × ``height`` that ``cut`` looks at.

    A crop wholly outside the picture gets the nearest pixels of its edge.
    """
    margin = _taps(max(blur_before(transform))) // 2 + 2
    return box_around(transform, (-0.5, top - 0.5, size - 0.5, size - 0.5), width, height, margin)


def box_around(
    transform: np.ndarray, part: tuple[float, float, float, float], width: int, height: int, margin: int
) -> tuple[int, int, int, int]:
    """Whole source pixels, at least one, around ``part`` (x0, y0, x1, y1 in crop pixels) and ``margin`` pixels more."""
    x0, y0, x1, y1 = part
    at = np.array([[x0, y0, 1], [x1, y0, 1], [x0, y1, 1], [x1, y1, 1]]) @ transform.astype(np.float64).T
    low, high = np.floor(at.min(axis=0)) - margin, np.ceil(at.max(axis=0)) + margin + 1
    limit = np.array([width, height])
    low = np.clip(low, 0, limit - 1).astype(int)
    high = np.clip(high, low + 1, limit).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def from_row(transform: np.ndarray, top: int) -> np.ndarray:
    """The transform of a crop whose first ``top`` rows are left out."""
    moved = transform.astype(np.float64).copy()
    moved[:, 2] += top * moved[:, 1]
    return moved


def blur_before(transform: np.ndarray) -> tuple[float, float]:
    """Standard deviations (across, down) in source pixels of the low-pass before sampling; 0 where nothing is lost."""
    scale = np.hypot(transform[0, :2], transform[1, :2]).astype(np.float64)  # source pixels a crop pixel
    across, down = 0.35 * np.sqrt(np.maximum(scale**2 - 1, 0))
    return float(across), float(down)


def blur_kernels(transform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The low-pass of ``cut`` as filters across and down, float32; both of length 1 where it leaves it out."""
    across, down = blur_before(transform)
    if max(across, down) <= _NEGLIGIBLE_BLUR:
        across = down = 0.0
    one, other = (cv2.getGaussianKernel(_taps(s), max(s, 1e-3), cv2.CV_32F)[:, 0] for s in (across, down))
    return one, other


def _taps(sigma: float) -> int:
    return 2 * round(3 * sigma) + 1


def shifted(transform: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """The transform into a picture whose origin was moved by (-dx, -dy)."""
    moved = transform.astype(np.float64).copy()
    moved[:, 2] += (dx, dy)
    return moved


def points(landmarks: np.ndarray) -> np.ndarray:
    """Landmarks (N, 5 or 68, 2) → the five (N, 5, 2): eye, eye, nose tip, mouth corner, mouth corner; left to right as
    seen in the picture. 68 points are in the order of iBUG 300-W."""
    if landmarks.shape[1] == 5:
        return landmarks
    eyes = landmarks[:, 36:42].mean(axis=1), landmarks[:, 42:48].mean(axis=1)
    return np.stack([*eyes, landmarks[:, 30], landmarks[:, 48], landmarks[:, 54]], axis=1)


def eye_roll(landmarks: np.ndarray) -> np.ndarray:
    """Angle of the line through the eyes, (N,) radians, clockwise positive (y points down)."""
    five = points(landmarks).astype(np.float64)
    across = five[:, 1] - five[:, 0]
    across *= np.where(across[:, :1] < 0, -1, 1)  # whichever eye comes first
    return np.arctan2(across[:, 1], across[:, 0])


def smoothed(values: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian over the first axis, centred, ends held: no lag, nothing from outside the track."""
    radius = int(3 * sigma + 0.5)
    if len(values) < 2 or radius < 1:
        return values
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    padded = np.pad(values, [(radius, radius)] + [(0, 0)] * (values.ndim - 1), mode="edge")
    found = np.zeros(values.shape)
    for first, weight in enumerate(kernel / kernel.sum()):
        found += weight * padded[first : first + len(values)]
    return found
