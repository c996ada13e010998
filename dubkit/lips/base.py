"""The interface of a lip generator, and the dict that names them.

How to add one: write a file beside this one with a class that has the members of ``Generator`` and is made by
``Class(settings: LipsSettings)``; import heavy packages inside it; add a line to ``GENERATORS``. It sees one frame at a
time (a generator that looks at neighbours needs a wider interface); raise ``MemoryError`` when a batch does not fit, and the
engine tries again with half of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from dubkit.engines import Engine, create
from dubkit.lips.checkpoint import check
from dubkit.settings import LipsSettings


class Generator(Protocol):
    """Paints the lower half of faces to fit a voice."""

    size: int
    """Edge of the square crops, pixels."""

    batch: int
    """Faces that it likes to get at once."""

    about: dict[str, object]
    """For the report, JSON types: engine, device, precision, weights (name), weights_digest, licence, trained_by …"""

    def generate(self, windows: np.ndarray, crops: np.ndarray, references: np.ndarray) -> np.ndarray:
        """``windows`` (B, 1, 80, 16) float32 mel, ``crops`` (B, S, S, 3) uint8 RGB, ``references`` the same: the actor at
        rest in that pose (``reference.py``) → (B, S, S, 3) uint8 RGB, the upper half as it was. Raises MemoryError when the
        batch is too large."""
        ...


GENERATORS = {
    "wav2lip": Engine(
        "dubkit.lips.wav2lip:TorchWav2Lip", "pip install torch", "Wav2Lip in PyTorch, on CPU, CUDA or MPS"
    ),
    "openvino": Engine(
        "dubkit.lips.openvino:OpenVinoWav2Lip", "pip install openvino", "Wav2Lip in OpenVINO: faster on CPUs, also int8"
    ),
}


def generator(settings: LipsSettings) -> Generator:
    """The generator that the settings name. Raises SettingsError, EngineUnavailable or WeightsError."""
    check(settings)
    paint = create("lip engine", GENERATORS, settings.engine, settings=settings)
    if settings.restorer is None:
        return paint
    from dubkit.lips.restore import Restored

    return Restored(paint, Path(settings.restorer).expanduser())
