"""Wav2Lip in OpenVINO: the fastest way on Intel and AMD processors.

fp32 or bf16 are made from the PyTorch weights when the engine starts. int8 weights are a file of their own, made once from
them and from faces of a film (``quantize.py``, ``dubkit models quantize``), so that what they cost in picture is measured
and their digest is in every report. Batches have one fixed size; a smaller one is padded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import openvino
import torch

from dubkit.errors import SettingsError, WeightsError
from dubkit.lips import checkpoint
from dubkit.lips.lower import LowerHalf, folded
from dubkit.lips.models.loading import read_state
from dubkit.lips.models.wav2lip import Wav2Lip
from dubkit.weights import resolve

if TYPE_CHECKING:
    from pathlib import Path

    from dubkit.settings import LipsSettings

BATCH = 8  # more faces at once only take more memory
_HINT = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}  # of what is not quantized


class OpenVinoWav2Lip:
    """The ``Generator`` of ``base.py``. Raises SettingsError for a device or precision that it does not have, WeightsError."""

    def __init__(self, settings: LipsSettings):
        if settings.device not in ("auto", "cpu"):
            raise SettingsError(
                f"lips.device = '{settings.device}', but the engine 'openvino' runs on the CPU; use auto or cpu"
            )
        path = resolve(settings.weights)
        quantized = read_quantized(path)
        self.precision = choose_precision(settings.precision) if quantized is None else "int8"
        if quantized is None:
            network, facts = checkpoint.load_generator(settings.weights)
            model, self.size = converted(network, in_place=True), network.config.size
        else:
            (model, self.size), facts = quantized, checkpoint.facts(path)
        self.about = {"engine": "openvino", "device": "cpu", "precision": self.precision, **facts}
        self.batch = settings.batch_size or BATCH
        self._run = Compiled(model, self.size, self.batch, self.precision)

    def generate(self, windows: np.ndarray, crops: np.ndarray, references: np.ndarray) -> np.ndarray:
        half = self.size // 2
        made = crops.copy()
        lower = self._run(windows, crops, references)
        made[:, half:] = np.clip(np.rint(lower * 255), 0, 255).transpose(0, 2, 3, 1)[..., ::-1]
        return made


class Compiled:
    """``(windows (B, 1, 80, 16) float32, crops, references (B, S, S, 3) uint8 RGB) → (B, 3, S/2, S)`` BGR float32 in [0, 1]."""

    def __init__(self, model: openvino.Model, size: int, batch: int, precision: str):
        self.model, self.size, self.precision, self.batch, self._network = model, size, precision, batch, None

    def __call__(self, windows: np.ndarray, crops: np.ndarray, references: np.ndarray) -> np.ndarray:
        if len(crops) > self.batch:
            self.batch, self._network = len(crops), None
        if self._network is None:
            self._network = self._compiled()
        count = len(crops)
        mel = np.zeros((self.batch, 1, 80, 16), np.float32)
        mel[:count] = windows
        faces = np.zeros((self.batch, 6, self.size, self.size), np.float32)
        faces[:count] = network_input(crops, references)
        try:
            return self._network([mel, faces])[0][:count]
        except RuntimeError as error:
            if "alloc" in str(error) or "memory" in str(error):
                self.batch, self._network = max(1, self.batch // 2), None
                raise MemoryError(str(error)) from error
            raise

    def _compiled(self) -> openvino.CompiledModel:
        model = self.model.clone()
        shapes = [self.batch, 1, 80, 16], [self.batch, 6, self.size, self.size]
        model.reshape(dict(zip(model.inputs, map(openvino.PartialShape, shapes), strict=True)))
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": _HINT[self.precision]}
        if torch.get_num_threads() == 1:  # one decision for both: OMP_NUM_THREADS
            options["INFERENCE_NUM_THREADS"] = 1
        return openvino.Core().compile_model(model, "CPU", options)


def network_input(crops: np.ndarray, references: np.ndarray) -> np.ndarray:
    """(B, 6, S, S) float32 BGR in [0, 1]: the frame without its lower half, and the reference."""
    faces = np.concatenate([crops[..., ::-1], references[..., ::-1]], axis=3).transpose(0, 3, 1, 2) / np.float32(255)
    faces[:, :3, crops.shape[1] // 2 :] = 0
    return faces


def converted(network: Wav2Lip, in_place: bool = False) -> openvino.Model:
    """The lower half of ``network``, batch norms folded; inputs mel and faces, any batch."""
    size = network.config.size
    example = torch.zeros(2, 1, 80, 16), torch.zeros(2, 6, size, size)
    with torch.inference_mode(False), torch.no_grad():
        return openvino.convert_model(LowerHalf(folded(network, in_place)), example_input=example)


def read_quantized(path: Path) -> tuple[openvino.Model, int] | None:
    """The int8 network of a file that ``quantize.py`` wrote, and its crop size; None for any other file."""
    if checkpoint.architecture(path) != checkpoint.INT8:
        return None
    state, header = read_state(path)
    if set(state) != {"model.xml", "model.bin"}:
        raise WeightsError(
            f"{path.name} says that it is '{checkpoint.INT8}' but holds {sorted(state)}; quantize the weights again"
        )
    xml, weights = (state[name].numpy().tobytes() for name in ("model.xml", "model.bin"))
    return openvino.Core().read_model(xml, weights), int(header["config"]["size"])


def choose_precision(name: str) -> str:
    """What "auto" means here for weights in full precision. Raises SettingsError for what this CPU does not have."""
    has_bf16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if name == "auto":
        return "bf16" if has_bf16 else "fp32"
    if name not in ("fp32", "bf16") or (name == "bf16" and not has_bf16):
        raise SettingsError(f"lips.precision = '{name}' is not possible with 'openvino' on this CPU; use auto or fp32")
    return name
