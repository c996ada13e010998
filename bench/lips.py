"""How much faster than the public Wav2Lip code, in CPU time, on this machine: ``PYTHONPATH=. python bench/lips.py``.

The reference is the published network as published: eager fp32, batch norms apart, batch 128, whole face. All variants run
interleaved, round after round, so that a noisy machine slows all of them alike; what counts is CPU seconds (user + system)
a frame and their ratio. Speed does not depend on weights, accuracy does: the errors are against the reference with the same
weights, on real faces where ``--film`` and trained weights are given, else on noise with random weights (said in the table).
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from dubkit.lips.cpu_layers import for_cpu
from dubkit.lips.lower import folded
from dubkit.lips.models.loading import load_generator
from dubkit.lips.models.wav2lip import Wav2Lip
from dubkit.lips.wav2lip import FaceToFace, cpu_has_bf16

FLOP = {"whole face": 7.93e9, "lower half": 5.98e9}


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = load_generator(options.weights) if options.weights else Wav2Lip().eval()
    windows, crops = _faces(options.film, model.config.size)
    truth = Reference(model)(windows[:32], crops[:32])
    variants = {
        "reference, batch 128": (Reference(model), 128, "whole face"),
        **_variants(model, options.batch, windows, crops),
    }
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for run, batch, _ in variants.values():  # warm-up
        run(windows[: min(batch, 16)], crops[: min(batch, 16)])
    for _ in range(options.rounds):
        for name, (run, batch, _) in variants.items():
            count = max(batch, options.frames // batch * batch)
            began = time.process_time()
            for first in range(0, count, batch):
                run(windows[first : first + batch], crops[first : first + batch])
            seconds[name].append((time.process_time() - began) / count)
    base = statistics.median(seconds["reference, batch 128"])
    kind = "trained weights, faces of a film" if options.weights and options.film else "RANDOM weights or noise"
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, bf16 in hardware: {cpu_has_bf16()}")
    print(f"{options.threads} thread(s), {options.rounds} rounds of {options.frames} frames; errors: {kind}\n")
    print(f"{'':48} {'ms/frame':>9} {'ratio':>6} {'GFLOP/s':>8} {'max err':>8} {'PSNR dB':>8}")
    for name, (run, batch, part) in variants.items():
        cost = statistics.median(seconds[name])
        made = np.concatenate([run(windows[i : i + batch], crops[i : i + batch]) for i in range(0, 32, batch)])[:32]
        half = made.shape[2] // 2
        error = np.abs(made[:, :, half:] - truth[:, :, half:])
        psnr = 10 * np.log10(1 / max(float(np.square(error).mean()), 1e-20))
        rate = f"{FLOP[part] / cost / 1e9:8.0f}" if not options.weights else " " * 8
        print(f"{name:48} {cost * 1e3:9.2f} {base / cost:6.2f} {rate} {error.max():8.1e} {psnr:8.1f}", flush=True)
    print(flush=True)
    if options.weights:  # of random weights it says nothing, and 16-bit arithmetic is slow without hardware for it
        _low_precisions(model, windows, crops, truth)


class Reference:
    """The published network as published; floats (B, 3, S, S) BGR out."""

    def __init__(self, model: Wav2Lip, dtype: torch.dtype = torch.float32):
        self.model, self.dtype = model, dtype

    def __call__(self, windows: np.ndarray, crops: np.ndarray) -> np.ndarray:
        bgr = torch.from_numpy(np.ascontiguousarray(crops[..., ::-1].transpose(0, 3, 1, 2))).to(self.dtype) / 255
        hidden = bgr.clone()
        hidden[:, :, bgr.shape[2] // 2 :] = 0
        with torch.inference_mode():
            return self.model(torch.from_numpy(windows).to(self.dtype), torch.cat((hidden, bgr), 1)).float().numpy()


class ChannelsLast(Reference):
    """Batch norms folded, channels last, whole face."""

    def __init__(self, model: Wav2Lip, dtype: torch.dtype = torch.float32, faster: bool = False):
        own = folded(model).to(dtype).to(memory_format=torch.channels_last)
        super().__init__(for_cpu(own) if faster else own, dtype)

    def __call__(self, windows: np.ndarray, crops: np.ndarray) -> np.ndarray:
        bgr = torch.from_numpy(crops).permute(0, 3, 1, 2).flip(1).to(self.dtype) / 255
        hidden = bgr.clone()
        hidden[:, :, bgr.shape[2] // 2 :] = 0
        with torch.inference_mode():
            return self.model(torch.from_numpy(windows).to(self.dtype), torch.cat((hidden, bgr), 1)).float().numpy()


class Ours:
    """What the engine runs: the lower half, floats out (the engine itself rounds to bytes)."""

    def __init__(self, model: Wav2Lip, dtype: torch.dtype):
        self.faces = FaceToFace(model, dtype)
        if dtype == torch.float32:
            for_cpu(self.faces)

    def __call__(self, windows: np.ndarray, crops: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            faces = torch.from_numpy(crops)
            lower = self.faces.painted(torch.from_numpy(windows), faces, faces)
            return torch.cat((torch.zeros_like(lower), lower), dim=2).numpy()


class OpenVino:
    """The engine 'openvino' on the lower half, floats out."""

    def __init__(self, model, size: int, batch: int, precision: str):
        from dubkit.lips.openvino import Compiled

        self.run = Compiled(model, size, batch, precision)

    def __call__(self, windows: np.ndarray, crops: np.ndarray) -> np.ndarray:
        lower = self.run(windows, crops, crops)
        return np.concatenate((np.zeros_like(lower), lower), axis=2)


def _variants(model: Wav2Lip, batch: int, windows: np.ndarray, crops: np.ndarray) -> dict[str, tuple]:
    found = {
        f"folded, channels last, batch {batch}": (ChannelsLast(model), batch, "whole face"),
        f"the same with cpu_layers.py, batch {batch}": (ChannelsLast(model, faster=True), batch, "whole face"),
        f"engine wav2lip fp32, lower half, batch {batch}": (Ours(model, torch.float32), batch, "lower half"),
    }
    if cpu_has_bf16():
        found[f"folded, bf16, batch {batch}"] = (ChannelsLast(model, torch.bfloat16), batch, "whole face")
        found[f"engine wav2lip bf16, lower half, batch {batch}"] = (Ours(model, torch.bfloat16), batch, "lower half")
    try:
        import openvino

        from dubkit.lips.openvino import converted, network_input
        from dubkit.lips.quantize import KEPT, int8
    except ImportError:
        print("openvino is not installed: its rows are left out")
        return found
    size, whole = model.config.size, converted(model)
    abilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    for precision in ("fp32", "bf16") if "BF16" in abilities else ("fp32",):
        found[f"engine openvino {precision}, lower half, batch {batch}"] = (
            OpenVino(whole, size, batch, precision), batch, "lower half")  # fmt: skip
    try:
        samples = [{"mel": windows[i : i + 1], "faces": network_input(crops[i : i + 1], crops[i : i + 1])}
                   for i in range(len(crops) - 1, len(crops) - 25, -1)]  # fmt: skip
        small = int8(whole, samples, KEPT[0])
    except ImportError:
        print("nncf is not installed: the int8 row is left out")
    else:
        found[f"engine openvino int8, lower half, batch {batch}"] = (
            OpenVino(small, size, batch, "int8"),
            batch,
            "lower half",
        )
    return found


def _low_precisions(model: Wav2Lip, windows: np.ndarray, crops: np.ndarray, truth: np.ndarray) -> None:
    """What the GPU's precisions lose, computed in that arithmetic on the CPU; no speed can be read from it."""
    half = truth.shape[2] // 2
    for name, dtype in (("fp16", torch.float16), ("bf16", torch.bfloat16)):
        made = Ours(model, dtype)(windows[:32], crops[:32])
        error = float(np.square(made[:, :, half:] - truth[:, :, half:]).mean())
        print(f"{name} arithmetic against fp32, lower half: {10 * np.log10(1 / max(error, 1e-20)):.1f} dB")


def _faces(film: Path | None, size: int, count: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """(count, 1, 80, 16) windows and (count, S, S, 3) crops: of the middle of a film's pictures, or noise."""
    rng = np.random.default_rng(0)
    windows = np.clip(rng.normal(-1, 2, (count, 1, 80, 16)), -4, 4).astype(np.float32)
    if film is None:
        return windows, rng.integers(0, 256, (count, size, size, 3)).astype(np.uint8)
    with np.load(film) as faces:
        return faces["windows"][:count], faces["crops"][:count]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, help="trained weights; none: the full-width network, seeded at random")
    parser.add_argument(
        "--film", type=Path, help="NPZ with windows (N, 1, 80, 16) and crops (N, S, S, 3) of real faces"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=64, help="frames a round of each variant, up to 128")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
