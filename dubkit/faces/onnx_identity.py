"""Identity networks given as ONNX files, run through OpenCV: SFace and everything with ArcFace's conventions."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from dubkit.errors import EngineUnavailable, WeightsError
from dubkit.faces.align import five_points, similarity, upright
from dubkit.faces.embed import Embedder
from dubkit.types import FaceTrack

#: Deng et al. 2019, for 112×112 pictures.
ARCFACE = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])


class ArcFace(Embedder):
    name = "arcface"
    size = 112
    mean, scale = 127.5, 1 / 127.5

    def __init__(self, weights: str | None = None):
        super().__init__(weights)
        if not weights:
            raise EngineUnavailable(
                self.name, "no weights were given", "set faces.identity_weights to the path of its ONNX file"
            )
        if not Path(weights).is_file():
            raise WeightsError(f"there is no file '{weights}'; faces.identity_weights must be an ONNX file")
        try:
            self.net = cv2.dnn.readNetFromONNX(str(weights))
        except cv2.error as error:
            raise WeightsError(f"'{weights}' is not an ONNX file that OpenCV can read: {error.err}") from error

    def transform(self, track: FaceTrack, row: int) -> np.ndarray:
        if track.landmarks is None:
            return upright(track, row, (self.size, self.size))
        return similarity(five_points(track.landmarks[row]).astype(np.float64), ARCFACE)

    def embed(self, picture: np.ndarray) -> np.ndarray:
        self.net.setInput(cv2.dnn.blobFromImage(picture, self.scale, mean=(self.mean,) * 3))
        return self.net.forward().ravel().astype(np.float32)


class SFace(ArcFace):
    """Zhong et al. 2021; wants RGB from 0 to 255, as ``cv2.FaceRecognizerSF`` feeds it."""

    name = "sface"
    mean, scale = 0.0, 1.0
