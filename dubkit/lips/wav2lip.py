"""Wav2Lip in PyTorch: on the CPU, on CUDA (fixed batches replayed as a CUDA graph), on Apple's MPS.

Precision "auto": fp16 on CUDA, bf16 on a CPU that has it in hardware, fp32 elsewhere. Batch norms are folded, memory is
channels-last, only the lower half is computed, and the last layer and the sigmoid stay in fp32 whatever the precision.
"""

from __future__ import annotations

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
        self._faces = FaceToFace(model, PRECISIONS[self.precision], in_place=own).to(self.device)
        if (self.device.type, self.precision) == ("cpu", "fp32"):
            for_cpu(self._faces)
        self._graph = _CudaGraph(self._faces, self.batch) if self.device.type == "cuda" else None

    def generate(self, windows: np.ndarray, crops: np.ndarray, references: np.ndarray) -> np.ndarray:
        with keeping_freed(), _out_of_memory_is_memory_error(), torch.inference_mode():
            given = tuple(torch.from_numpy(array) for array in (windows, crops, references))
            if self._graph is not None:
                return self._graph(*given).numpy()
            return self._faces(*(tensor.to(self.device) for tensor in given)).cpu().numpy()


class FaceToFace(nn.Module):
    """``forward(windows (B, 1, 80, 16) float32, crops, references (B, S, S, 3) uint8 RGB) → (B, S, S, 3) uint8 RGB``:
    everything between the bytes of the film and the bytes of the result, so that all of it runs on the device. ``in_place``: ``model`` is nobody else's and may change."""

    def __init__(self, model: Wav2Lip, dtype: torch.dtype = torch.float32, in_place: bool = False):
        super().__init__()
        self.half, self.dtype = model.config.size // 2, dtype
        self.lower = LowerHalf(folded(model, in_place)).to(dtype).to(memory_format=torch.channels_last)
        self.lower.model.output_block[1].float()

    def forward(self, windows: Tensor, crops: Tensor, references: Tensor) -> Tensor:
        lower = self.painted(windows, crops, references)
        lower = (lower * 255).round().clamp(0, 255).to(torch.uint8).flip(1).permute(0, 2, 3, 1)
        return torch.cat((crops[:, : self.half], lower), dim=1)

    def painted(self, windows: Tensor, crops: Tensor, references: Tensor) -> Tensor:
        """What the network paints into the lower half, (B, 3, S/2, S) BGR float32 in [0, 1]."""
        hidden, shown = (faces.permute(0, 3, 1, 2).flip(1).to(self.dtype) / 255 for faces in (crops, references))
        hidden[:, :, self.half :] = 0
        return self.lower(windows.to(self.dtype), torch.cat((hidden, shown), dim=1)).float()


class _CudaGraph:
    """Replays one recorded batch: no launch overhead. A smaller batch is padded; the recording is made at first use and
    again when the engine asks for a smaller batch size after running out of memory."""

    def __init__(self, faces: FaceToFace, batch: int):
        self.faces, self.batch, self.graph = faces, batch, None

    def __call__(self, windows: Tensor, crops: Tensor, references: Tensor) -> Tensor:
        count = len(crops)
        if self.graph is None or count > self.batch:
            self._record(max(self.batch, count), windows.shape[1:], crops.shape[1:])
        for held, given in ((self.windows, windows), (self.crops, crops), (self.references, references)):
            held[:count].copy_(given.pin_memory(), non_blocking=True)
        self.graph.replay()
        return self.painted[:count].cpu()

    def _record(self, batch: int, windows: torch.Size, crops: torch.Size) -> None:
        device = next(self.faces.parameters()).device
        self.batch, self.graph = batch, None
        try:
            self.windows = torch.zeros((batch, *windows), device=device)
            self.crops = torch.zeros((batch, *crops), dtype=torch.uint8, device=device)
            self.references = torch.zeros_like(self.crops)
            stream = torch.cuda.Stream(device)
            stream.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(stream):
                for _ in range(3):  # cuDNN chooses its algorithms
                    self.faces(self.windows, self.crops, self.references)
            torch.cuda.current_stream(device).wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self.painted = self.faces(self.windows, self.crops, self.references)
        except torch.OutOfMemoryError:
            self.batch = max(1, batch // 2)  # what the engine comes back with
            raise
        self.graph = graph


def choose_device(name: str) -> torch.device:
    """ "auto": CUDA, else MPS, else the CPU. Raises EngineUnavailable for a device that is not there."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, there in present.items() if there))
    kind = name.partition(":")[0]
    if kind not in present:
        raise SettingsError(f"lips.device = '{name}' is not a device; use auto, cpu, cuda, cuda:1 or mps")
    if not present[kind]:
        raise EngineUnavailable(
            f"wav2lip on {name}", f"this machine or this torch has no {kind}", "--set lips.device=cpu"
        )
    return torch.device(name)


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
def _out_of_memory_is_memory_error():
    try:
        yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise MemoryError(str(error)) from error
    except RuntimeError as error:
        if "allocate memory" in str(error) or "out of memory" in str(error):  # CPU and MPS have no class of their own
            raise MemoryError(str(error)) from error
        raise
