"""An optional second network that sharpens new faces: any face restorer in ONNX, named by its path.

The interface is the one that GFPGAN, CodeFormer and RestoreFormer are exported with: one picture input, (1, 3, E, E) RGB in
[-1, 1], and one output of the same shape; inputs beside it that hold one number (CodeFormer's fidelity) get ``FIDELITY``.
It wraps a generator: the job's crops are then ``EDGE`` pixels wide instead of the generator's 96, the new mouth is enlarged
onto them as a change, restored, and only its lower half is taken. Restorers are trained on upright faces with room around
them and flicker from frame to frame: look at a strip before you deliver. Their licences are mostly non-commercial.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from dubkit.errors import EngineUnavailable, WeightsError
from dubkit.lips.base import Generator
from dubkit.weights import describe

EDGE = 192  # of the crops: twice the generator's; a job of 500 frames holds 160 MB of them
FIDELITY = 0.8  # CodeFormer: 1 keeps the face, 0 trusts the network
_CPU, _ON_GPU = "CPUExecutionProvider", {"cuda": "CUDAExecutionProvider", "mps": "CoreMLExecutionProvider"}


class Restored:
    """The ``Generator`` of ``base.py``: another one, then the restorer at ``path``, on the same device where this ONNX Runtime
    knows it; ``about`` says so. Raises EngineUnavailable, WeightsError."""

    def __init__(self, inner: Generator, path: Path):
        try:
            import onnxruntime
        except ImportError as error:
            raise EngineUnavailable(
                "lips.restorer", "the package 'onnxruntime' is missing", "pip install onnxruntime"
            ) from error
        if not path.is_file():
            raise WeightsError(
                f"there is no face restorer at {path}; give an ONNX file in lips.restorer, or leave it empty"
            )
        device = str(inner.about.get("device", "cpu"))
        asked = providers(device, onnxruntime.get_available_providers())
        try:
            self._network = onnxruntime.InferenceSession(str(path), providers=asked)
        except Exception as error:  # ONNX Runtime's errors have no class in common
            raise WeightsError(f"{path.name} is not a network that ONNX Runtime can run: {str(error)[:150]}") from error
        pictures = [given for given in self._network.get_inputs() if len(given.shape) == 4]
        if len(pictures) != 1 or pictures[0].shape[1] != 3:
            shapes = [given.shape for given in self._network.get_inputs()]
            raise WeightsError(
                f"{path.name} is not a face restorer: expected one picture (1, 3, E, E), got inputs {shapes}"
            )
        self._picture = pictures[0].name
        edge = pictures[0].shape[2]
        self._edge = edge if isinstance(edge, int) else 512
        self._numbers = {
            given.name: np.full([n if isinstance(n, int) else 1 for n in given.shape], FIDELITY,
                                np.float64 if "double" in given.type else np.float32)
            for given in self._network.get_inputs() if given.name != self._picture
        }  # fmt: skip
        self.inner, self.size, self.batch = inner, max(EDGE, inner.size), inner.batch
        facts = describe(path)
        self.about = {**inner.about, "restorer": facts["name"], "restorer_digest": facts["digest"],
                      "restorer_licence": facts["licence"]}  # fmt: skip
        if device != "cpu":
            self.about["restorer_runs_on"] = self._network.get_providers()[0]

    def generate(self, windows: np.ndarray, crops: np.ndarray, references: np.ndarray) -> np.ndarray:
        small = _resized(crops, self.inner.size)
        painted = self.inner.generate(windows, small, _resized(references, self.inner.size))
        made, half = crops.copy(), self.size // 2
        for i, (before, after) in enumerate(zip(small, painted, strict=True)):
            change = cv2.resize(
                after.astype(np.float32) - before, (self.size, self.size), interpolation=cv2.INTER_CUBIC
            )
            made[i, half:] = self._restored(crops[i] + change)[half:]
        return made

    def _restored(self, face: np.ndarray) -> np.ndarray:
        """Levels of 255 (S, S, 3) → uint8."""
        given = cv2.resize(np.clip(face, 0, 255), (self._edge, self._edge), interpolation=cv2.INTER_CUBIC)
        given = np.ascontiguousarray(given.transpose(2, 0, 1)[None] / np.float32(127.5) - 1, np.float32)
        out = self._network.run(None, {self._picture: given, **self._numbers})[0]
        if out.shape != given.shape:
            raise WeightsError(f"the face restorer turned {given.shape} into {out.shape}; expected the same shape")
        picture = (np.clip(out[0].transpose(1, 2, 0), -1, 1) + 1) * 127.5
        return np.rint(cv2.resize(picture, face.shape[:2], interpolation=cv2.INTER_AREA)).astype(np.uint8)


def providers(device: str, there: Sequence[str]) -> list[str | tuple[str, dict[str, int]]]:
    """Which of ONNX Runtime's providers that are ``there`` to try, best first, beside a generator on ``device``. Never TensorRT,
    which takes minutes to build what it runs."""
    kind, _, card = device.partition(":")
    own = _ON_GPU.get(kind)
    if own not in there:
        return [_CPU]
    return [(own, {"device_id": int(card or 0)} if kind == "cuda" else {}), _CPU]


def _resized(faces: np.ndarray, size: int) -> np.ndarray:
    return np.stack([cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA) for face in faces])
