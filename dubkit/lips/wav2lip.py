"""Wav2Lip in PyTorch: on the CPU, on CUDA (fixed batches replayed as a CUDA graph), on Apple's MPS.

Precision "auto": fp16 on CUDA, bf16 on a CPU that has it in hardware, fp32 elsewhere. Batch norms are folded, memory is
channels-last (not on MPS), only the lower half is computed, and the last layer and the sigmoid stay in fp32 whatever the
precision.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from dubkit.errors import EngineUnavailable, SettingsError
from dubkit.lips.cpu_layers import for_cpu
from dubkit.lips.lower import LowerHalf, folded
from dubkit.lips.models.wav2lip import Wav2Lip
from dubkit.memory import keeping_freed

if TYPE_CHECKING:
    from dubkit.settings import LipsSettings

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
CPU_BATCH, GPU_BATCH = 6, 64  # on a CPU more faces at once only take more memory


class TorchWav2Lip:
    """The ``Generator`` of ``base.py``. ``model`` and ``about`` are read from ``settings.weights`` where not given."""

    def __init__(self, settings: LipsSettings, model: Wav2Lip | None = None, about: dict[str, object] | None = None):
        own = model is None
        if own:
            from dubkit.lips.checkpoint import load_generator

            model, about = load_generator(settings.weights)
        self.device = choose_device(settings.device)
        self.precision = choose_precision(settings.precision, self.device)
        default = CPU_BATCH if self.device.type == "cpu" else GPU_BATCH
        self.size, self.batch = model.config.size, settings.batch_size or default
        self.about = {"engine": "wav2lip", "device": str(self.device), "precision": self.precision, **(about or {})}
        dense = self.device.type == "mps"
        self._faces = FaceToFace(model, PRECISIONS[self.precision], in_place=own, dense=dense).to(self.device)
        if (self.device.type, self.precision) == ("cpu", "fp32"):
            for_cpu(self._faces)
        self._graph = _CudaGraph(self._faces, self.batch) if self.device.type == "cuda" else None

    def generate(self, windows: np.ndarray, crops: np.ndarray, references: np.ndarray) -> np.ndarray:
        with keeping_freed(), out_of_memory_is_memory_error(), torch.inference_mode():
            given = tuple(torch.from_numpy(array) for array in (windows, crops, references))
            if self._graph is not None:
                return self._graph(*given).numpy()
            return self._faces(*(tensor.to(self.device) for tensor in given)).cpu().numpy()


class FaceToFace(nn.Module):
    """``forward(windows (B, 1, 80, 16) float32, crops, references (B, S, S, 3) uint8 RGB) → (B, S, S, 3) uint8 RGB``:
    everything between the bytes of the film and the bytes of the result, so that all of it runs on the device.

    ``in_place``: ``model`` is nobody else's and may change. ``dense``: no convolution is given a channels-last tensor or a
    part of a tensor. On MPS a part of a channels-last tensor is read as if it were a whole one (PyTorch issue 180984, mended
    in April 2026).
    """

    def __init__(self, model: Wav2Lip, dtype: torch.dtype = torch.float32, in_place: bool = False, dense: bool = False):
        super().__init__()
        self.half, self.dtype = model.config.size // 2, dtype
        self.layout = torch.contiguous_format if dense else torch.channels_last
        self.lower = LowerHalf(folded(model, in_place), dense).to(dtype).to(memory_format=self.layout)
        self.lower.model.output_block[1].float()

    def forward(self, windows: Tensor, crops: Tensor, references: Tensor) -> Tensor:
        lower = self.painted(windows, crops, references)
        lower = (lower * 255).round().clamp(0, 255).to(torch.uint8).flip(1).permute(0, 2, 3, 1)
        return torch.cat((crops[:, : self.half], lower), dim=1)

    def painted(self, windows: Tensor, crops: Tensor, references: Tensor) -> Tensor:
        """What the network paints into the lower half, (B, 3, S/2, S) BGR float32 in [0, 1]."""
        bgr = (faces.permute(0, 3, 1, 2).flip(1).to(self.dtype) / 255 for faces in (crops, references))
        hidden, shown = (faces.contiguous(memory_format=self.layout) for faces in bgr)
        hidden[:, :, self.half :] = 0
        return self.lower(windows.to(self.dtype), torch.cat((hidden, shown), dim=1)).float()


class _CudaGraph:
    """Replays one recorded batch: no launch overhead. A smaller batch is padded; the recording is made at first use, again for
    a larger batch, and of fewer faces where memory does not suffice for ``batch``."""

    def __init__(self, faces: FaceToFace, batch: int):
        self.faces, self.batch, self.graph = faces, batch, None
        self.device = next(faces.parameters()).device

    def __call__(self, windows: Tensor, crops: Tensor, references: Tensor) -> Tensor:
        count = len(crops)
        with torch.cuda.device(self.device):  # streams and recordings are of the current device
            if self.graph is None or count > self.batch:
                self._record_what_fits(count, windows.shape[1:], crops.shape[1:])
            for held, given in ((self.windows, windows), (self.crops, crops), (self.references, references)):
                held[:count].copy_(given.pin_memory(), non_blocking=True)
            self.graph.replay()
            return self.painted[:count].cpu()

    def _record_what_fits(self, least: int, windows: torch.Size, crops: torch.Size) -> None:
        batch, self.batch, self.graph = max(self.batch, least), 1, None
        while self.graph is None:
            try:
                self._record(batch, windows, crops)
            except RuntimeError as error:
                if batch == least or "out of memory" not in str(error):
                    raise
            batch = max(least, batch // 2)  # only now: until here the error held what had been computed

    def _record(self, batch: int, windows: torch.Size, crops: torch.Size) -> None:
        self.graph = self.windows = self.crops = self.references = self.painted = None  # their memory is needed
        self.windows = torch.zeros((batch, *windows), device=self.device)
        self.crops = torch.zeros((batch, *crops), dtype=torch.uint8, device=self.device)
        self.references = torch.zeros_like(self.crops)
        stream, graph = torch.cuda.Stream(self.device), torch.cuda.CUDAGraph()
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with _steady_convolutions():
            with torch.cuda.stream(stream):
                for _ in range(3):  # cuDNN chooses its algorithms
                    self.faces(self.windows, self.crops, self.references)
            torch.cuda.current_stream(self.device).wait_stream(stream)
            with torch.cuda.graph(graph, stream=stream):
                self.painted = self.faces(self.windows, self.crops, self.references)
        self.graph, self.batch = graph, batch


@contextmanager
def _steady_convolutions() -> Iterator[None]:
    """What is recorded inside is chosen by rule, not by the stopwatch that face-alignment's detectors switch on for the whole
    process, and fp32 keeps 23 bits of fraction, not TF32's 10. For that PyTorch has a switch of convolutions' own from 2.9 on, and
    will not be asked by the old one where any package has used the new."""
    cudnn = torch.backends.cudnn
    precision = (cudnn.conv, "fp32_precision", "ieee") if hasattr(cudnn, "conv") else (cudnn, "allow_tf32", False)
    switches = ((cudnn, "benchmark", False), precision)
    before = [getattr(owner, name) for owner, name, _ in switches]
    for owner, name, value in switches:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for (owner, name, _), value in zip(switches, before, strict=True):
            setattr(owner, name, value)


def choose_device(name: str) -> torch.device:
    """ "auto": CUDA, else MPS, else the CPU. Raises EngineUnavailable for a device that is not there, SettingsError for what is
    none."""
    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    present = {"cuda": cards, "mps": int(torch.backends.mps.is_available()), "cpu": 1}
    if name == "auto":
        return torch.device(next(kind for kind, count in present.items() if count))
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in present:
        raise SettingsError(f"lips.device = '{name}' is not a device; use auto, cpu, cuda, cuda:1 or mps")
    if (device.index or 0) >= present[device.type]:
        raise EngineUnavailable(
            f"wav2lip on {name}", f"this machine or this torch has no {name}", "--set lips.device=cpu"
        )
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """What "auto" means on this device. Raises SettingsError for a precision that this engine does not have."""
    if name == "auto":
        return "fp16" if device.type == "cuda" else "bf16" if device.type == "cpu" and cpu_has_bf16() else "fp32"
    if name not in PRECISIONS:
        raise SettingsError(f"lips.precision = '{name}' is not one of auto, fp32, bf16, fp16 for the engine 'wav2lip'")
    if name == "fp16" and device.type == "cpu":
        raise SettingsError("lips.precision = 'fp16' is for GPUs; on a CPU use auto, fp32 or bf16")
    return name


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bf16 in hardware; without that, bf16 is slower than fp32."""
    tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, test, bool)() for test in tests)


@contextmanager
def out_of_memory_is_memory_error() -> Iterator[None]:
    """Around work on any device, whose errors are of many kinds."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise MemoryError(str(error)) from error
    except RuntimeError as error:
        if "allocate memory" in str(error) or "out of memory" in str(error):  # CPU and MPS have no class of their own
            raise MemoryError(str(error)) from error
        raise
