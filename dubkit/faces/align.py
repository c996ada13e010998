"""Setting a face upright: similarity transforms from landmarks, or from the box where there are none."""

from __future__ import annotations

import numpy as np

from dubkit.types import FaceTrack

#: Where the eyes, the nose and the mouth corners lie in an upright face, in face widths from the middle of the eyes.
#: The five-point template of ArcFace (Deng et al. 2019, 112×112), moved and scaled so that the eyes are 1 apart.
TEMPLATE = (np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
            - [55.9132, 51.59885]) / 35.2378  # fmt: skip
EYES_IN_BOX = (0.5, 0.40)  # where the middle of the eyes lies in a box without landmarks
EYES_APART = 0.45  # of the box's width


def five_points(landmarks: np.ndarray) -> np.ndarray:
    """Eyes, nose and mouth corners (…, 5, 2), in viewer's order, of landmarks (…, 5 or 68, 2)."""
    if landmarks.shape[-2] == 5:
        return landmarks
    mean = lambda a, b: landmarks[..., a:b, :].mean(axis=-2)  # noqa: E731
    return np.stack(
        [mean(36, 42), mean(42, 48), landmarks[..., 30, :], landmarks[..., 48, :], landmarks[..., 54, :]], axis=-2
    )


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(2, 3) similarity, never mirrored, that takes points (N, 2) to points (N, 2) with least squared error.

    In the plane Umeyama's solution (1991) needs no decomposition: scale and rotation are one complex number.
    """
    middle_a, middle_b = source.mean(axis=0), target.mean(axis=0)
    a, b = source - middle_a, target - middle_b
    size = max(float((a * a).sum()), 1e-9)
    along = float((a * b).sum()) / size
    across = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / size
    linear = np.array([[along, -across], [across, along]])
    return np.column_stack([linear, middle_b - linear @ middle_a])


def upright(track: FaceTrack, row: int, size: tuple[int, int], zoom: float = 1.0) -> np.ndarray:
    """(2, 3) affine from source pixels to a picture of ``size`` (width, height) with the face upright and centred.

    At ``zoom`` 1 the eyes are 0.32 of the width apart and lie 0.38 below the top: forehead to chin fills the picture.
    """
    width, height = size
    target = TEMPLATE * (0.32 * width * zoom) + np.array([0.5 * width, (0.5 - 0.12 * zoom) * height])
    if track.landmarks is not None:
        return similarity(five_points(track.landmarks[row]).astype(np.float64), target)
    x0, y0, x1, y1 = track.boxes[row].astype(np.float64)
    eyes = np.array([x0 + EYES_IN_BOX[0] * (x1 - x0), y0 + EYES_IN_BOX[1] * (y1 - y0)])
    scale = 0.32 * width * zoom / (EYES_APART * (x1 - x0))
    return np.array(
        [[scale, 0, target[:2, 0].mean() - scale * eyes[0]], [0, scale, target[:2, 1].mean() - scale * eyes[1]]]
    )
