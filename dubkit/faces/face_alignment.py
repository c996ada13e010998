"""The detectors of the package ``face-alignment`` (Bulat & Tzimiropoulos, BSD): sfd, blazeface, retinaface, yunet, scrfd.

The package downloads each network at first use into torch's hub cache (``TORCH_HOME``); ``faces.detector_weights`` may
give the file instead (blazeface's anchors.npy must then lie beside it). Boxes only: the package's 68 landmarks are those
of FAN, see ``landmarks.py``. sfd and blazeface take a batch in one go; the package runs the others picture by picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from urllib.error import URLError

import numpy as np

from dubkit.errors import EngineUnavailable, WeightsError
from dubkit.faces.base import Detections, FaceDetector


class FaceAlignmentDetector(FaceDetector):
    """``backend`` is the name of a module in ``face_alignment.detection``."""

    backend = "sfd"
    batch = 8

    def __init__(self, weights: str | None = None):
        super().__init__(weights)
        module = import_module(f"face_alignment.detection.{self.backend}")
        import torch

        self.torch = torch
        options = {"path_to_detector": str(weights)} if weights else {}
        if weights and not Path(weights).is_file():
            raise WeightsError(f"there is no file '{weights}'; faces.detector_weights must be one of {self.backend}'s")
        if weights and self.backend == "blazeface":
            options["path_to_anchor"] = str(Path(weights).with_name("anchors.npy"))
        device = "cuda" if torch.cuda.is_available() else "cpu"
        name = f"face-alignment-{self.backend}"
        try:
            self.net = module.FaceDetector(device=device, verbose=False, **options)
        except (URLError, OSError) as error:
            raise EngineUnavailable(
                name, f"its weights could not be loaded ({error})",
                "run once with a network connection, or give the file as faces.detector_weights",
            ) from error  # fmt: skip

    def detect(self, image: np.ndarray) -> Detections:
        return _rows(self.net.detect_from_image(image.copy()))

    def detect_batch(self, images: Sequence[np.ndarray]) -> list[Detections]:
        batch = self.torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy()).to(self.net.device)
        return [_rows(found) for found in self.net.detect_from_batch(batch)]


def _rows(found) -> Detections:
    """Detections from the package's lists of x0, y0, x1, y1, confidence."""
    rows = np.array(found, dtype=np.float32).reshape(-1, 5)
    rows = rows[np.argsort(-rows[:, 4])]
    return Detections(rows[:, :4], np.clip(rows[:, 4], 0, 1))


class Sfd(FaceAlignmentDetector):
    backend = "sfd"


class BlazeFace(FaceAlignmentDetector):
    backend = "blazeface"


class RetinaFace(FaceAlignmentDetector):
    backend = "retinaface"


class YuNet(FaceAlignmentDetector):
    backend = "yunet"


class Scrfd(FaceAlignmentDetector):
    backend = "scrfd"
