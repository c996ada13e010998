"""YuNet (Wu et al., Apache-2.0) through ``cv2.FaceDetectorYN``; the ONNX file is given by path."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from dubkit.errors import EngineUnavailable, WeightsError
from dubkit.faces.base import Detections, FaceDetector

LOWEST = 0.3


class YuNet(FaceDetector):
    def __init__(self, weights: str | None = None):
        super().__init__(weights)
        if not weights:
            raise EngineUnavailable(
                "yunet",
                "no weights were given",
                "set faces.detector_weights to the path of face_detection_yunet_2023mar.onnx from the OpenCV model zoo",
            )
        if not Path(weights).is_file():
            raise WeightsError(f"there is no file '{weights}'; faces.detector_weights must be a YuNet ONNX file")
        try:
            self.net = cv2.FaceDetectorYN.create(str(weights), "", (320, 320), LOWEST, 0.3, 5000)
        except cv2.error as error:
            raise WeightsError(f"'{weights}' is not a YuNet ONNX file that OpenCV can read: {error.err}") from error

    def detect(self, image: np.ndarray) -> Detections:
        height, width = image.shape[:2]
        self.net.setInputSize((width, height))
        _, rows = self.net.detect(np.ascontiguousarray(image[..., ::-1]))  # wants BGR
        if rows is None or not len(rows):
            return Detections.none(landmarks=True)
        rows = rows[np.argsort(-rows[:, 14])].astype(np.float32)
        boxes = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
        return Detections(boxes, rows[:, 14], rows[:, 4:14].reshape(-1, 5, 2))
