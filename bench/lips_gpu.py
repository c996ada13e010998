"""Frames a second of the generator and of the whole lips engine on a GPU, and what limits them: ``python bench/lips_gpu.py``.

Needs torch, numpy and OpenCV; ``--film`` all that dubkit needs. Crop and paste are timed on the device and with OpenCV on the
CPU, on one face of 400 pixels in 1080p, and held against each other. Prints one JSON object at the end. The roofline is measured on
the same card: a frame cannot be faster than its operations over the card's own matrix-product rate, nor than its bytes over
the card's own copy rate; summed over layers, the larger of the two is the floor of an unfused network.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dubkit.lips.models.wav2lip import Wav2Lip, Wav2LipConfig
from dubkit.lips.wav2lip import PRECISIONS, FaceToFace, TorchWav2Lip


def main() -> None:
    options = _options()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    model = Wav2Lip(Wav2LipConfig.of_width(options.width) if options.width else Wav2LipConfig()).eval()
    options.precision = options.precision or ("fp16" if device.type == "cuda" else "fp32")
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU: only checks that this file runs"
    found = {"device": name, "torch": torch.__version__, "precision": options.precision}
    dtype = PRECISIONS[options.precision]
    found["matmul_tflops"], found["copy_gb_s"] = matmul_rate(device, dtype) / 1e12, copy_rate(device) / 1e9
    flop, floor = roofline(model, options.batch, dtype, found["matmul_tflops"] * 1e12, found["copy_gb_s"] * 1e9)
    found["gflop_a_frame_lower_half"], found["roofline_frames_s"] = flop / 1e9, 1 / floor
    for batch in options.batches:
        rate = generator_rate(model, dtype, device, batch, options.seconds)
        found[f"network_frames_s_batch_{batch}"] = rate
        found[f"share_of_roofline_batch_{batch}"] = rate * floor
        found[f"tflops_batch_{batch}"] = rate * flop / 1e12
        print(f"batch {batch}: {rate:,.0f} frames/s, {rate * floor:.1%} of the roofline", flush=True)
    found["bytes_in_bytes_out_frames_s"] = engine_rate(model, options, device)
    best = max(found[f"network_frames_s_batch_{b}"] for b in options.batches)
    found["limit"] = (
        "network" if found["bytes_in_bytes_out_frames_s"] > 0.8 * best else "copies between host and device"
    )
    found |= pixels_rate(options, device)
    if options.film:
        found |= film_rate(model, options)
        if found["film_frames_s"] < 0.8 * found["bytes_in_bytes_out_frames_s"]:
            found["limit"] = "reading, cropping and finishing, one frame at a time"
    print(json.dumps(found, indent=1))


def generator_rate(model: Wav2Lip, dtype: torch.dtype, device: torch.device, batch: int, seconds: float) -> float:
    """Frames a second of the network alone, data on the device."""
    faces = FaceToFace(model, dtype).to(device)
    windows = torch.zeros(batch, 1, 80, 16, device=device)
    crops = torch.zeros(batch, 96, 96, 3, dtype=torch.uint8, device=device)
    with torch.inference_mode():
        run = _recorded(lambda: faces(windows, crops, crops), device)
        return batch / _seconds(run, device, seconds)


def engine_rate(model: Wav2Lip, options: argparse.Namespace, device: torch.device) -> float:
    """Frames a second of what the engine calls: NumPy bytes in, NumPy bytes out."""
    settings = SimpleNamespace(device=device.type, precision=options.precision, batch_size=options.batch)
    paint = TorchWav2Lip(settings, model, {})
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(options.batch, 1, 80, 16)).astype(np.float32)
    crops = rng.integers(0, 256, (options.batch, 96, 96, 3)).astype(np.uint8)
    return options.batch / _seconds(lambda: paint.generate(windows, crops, crops), device, options.seconds)


def pixels_rate(options: argparse.Namespace, device: torch.device) -> dict[str, float]:
    """Crops and pastes a second, whole calls from frame to frame: torch on the device, then OpenCV; and how far they differ."""
    from dubkit.lips import masks
    from dubkit.lips.blend import blend, seen
    from dubkit.lips.crops import transforms
    from dubkit.lips.pixels import OPENCV
    from dubkit.lips.pixels_torch import TorchPixels
    from dubkit.lips.result import LipResult
    from dubkit.media.frame import Frame, PixelFormat
    from dubkit.types import FaceTrack

    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (1080, 1920, 3)).astype(np.uint8)
    frame = Frame.from_rgb(0, picture, PixelFormat("yuv420p", 8, (1, 1)))
    box = np.array([[760.3, 240.6, 1080.9, 640.2]], np.float32)
    track = FaceTrack("t", 0, np.arange(1), box, np.ones(1, np.float32), np.ones(1, bool))
    at = transforms(track, 96)
    found, crops, pasted, one = {}, [], [], np.ones(1, np.float32)
    for pixels, name in ((TorchPixels(str(device)), f"torch_on_{device.type}"), (OPENCV, "opencv")):
        crops.append(seen(frame, at[0], 96, pixels).astype(int))
        new = np.clip(crops[0] + 40, 0, 255).astype(np.uint8)[None]
        stats = {"pixels": pixels.name, "device": str(device)}
        result = LipResult("j", np.arange(1), new, at, one, masks.parameters(track, at, 96, 0.12), stats=stats)
        pasted.append(blend(frame, [(result, 0)]))
        with_crop, with_paste = partial(seen, frame, at[0], 96, pixels), partial(blend, frame, [(result, 0)])
        found[f"crops_s_{name}"] = 1 / _seconds(with_crop, device, options.seconds)
        found[f"pastes_s_{name}"] = 1 / _seconds(with_paste, device, options.seconds)
        print(f"{name}: {found[f'crops_s_{name}']:,.0f} crops/s, {found[f'pastes_s_{name}']:,.0f} pastes/s", flush=True)
    luma = [made.planes[0].astype(float) for made in pasted]
    changed = (luma[0] != frame.planes[0]) | (luma[1] != frame.planes[0])
    found["crop_levels_apart"] = float(np.abs(crops[0] - crops[1]).max())
    found["crop_share_apart"] = float(np.mean(crops[0] != crops[1]))
    error = np.square(luma[0] - luma[1])[changed].mean()
    found["paste_psnr_db"] = float(10 * np.log10(255**2 / max(error, 1e-9)))
    return found


def film_rate(model: Wav2Lip, options: argparse.Namespace) -> dict[str, float]:
    """The whole engine, decode to results, on one face in the middle of a film; and the blend alone."""
    from fractions import Fraction

    from dubkit.lips.blend import blend
    from dubkit.lips.engine import run_jobs
    from dubkit.media.probe import probe
    from dubkit.media.reader import FrameReader
    from dubkit.settings import LipsSettings
    from dubkit.types import FaceTrack, FrameRange, LipJob

    media = probe(options.film)
    count = min(media.video.num_frames, 500)
    width, height = media.video.display_size
    box = np.array([0.42 * width, 0.25 * height, 0.58 * width, 0.65 * height], np.float32)
    track = FaceTrack(
        "t", 0, np.arange(count), np.tile(box, (count, 1)), np.ones(count, np.float32), np.ones(count, bool)
    )
    settings = LipsSettings(precision=options.precision, batch_size=options.batch)
    paint, results = TorchWav2Lip(settings, model, {}), []
    noise = np.random.default_rng(0).normal(0, 0.1, 16000 * 40).astype(np.float32)
    began = time.perf_counter()
    with FrameReader(media) as reader:
        run_jobs([LipJob("j", "t", 0, FrameRange(0, count), "x", ())], {"t": track}, reader,
                 lambda speaker, segment: noise[: round(segment.duration * 16000)], Fraction(media.video.rate), settings,
                 results.append, paint=paint)  # fmt: skip
    seconds = time.perf_counter() - began
    with FrameReader(media) as reader:
        frames = list(reader.read(FrameRange(0, min(count, 25))))
    began = time.perf_counter()
    for frame in frames:
        blend(frame, [(results[0], frame.index)])
    return {"film_frames_s": count / seconds, "blend_frames_s": len(frames) / (time.perf_counter() - began)}


def roofline(model: Wav2Lip, batch: int, dtype: torch.dtype, rate: float, copy: float) -> tuple[float, float]:
    """(operations a frame, seconds a frame at best): over all layers the larger of arithmetic and traffic."""
    bytes_each = torch.finfo(dtype).bits // 8
    total, floor = 0.0, 0.0

    def count(module: nn.Module, given: tuple, out: torch.Tensor) -> None:
        nonlocal total, floor
        x, weight = given[0], module.weight
        pixels = x.shape[2] * x.shape[3] if isinstance(module, nn.ConvTranspose2d) else out.shape[2] * out.shape[3]
        flop = 2 * weight.numel() * pixels  # a frame
        traffic = bytes_each * ((x.numel() + out.numel()) / len(x) + weight.numel() / batch)
        total += flop
        floor += max(flop / rate, traffic / copy)

    faces = FaceToFace(model)
    convs = [m for m in faces.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    hooks = [module.register_forward_hook(count) for module in convs]
    with torch.inference_mode():
        faces(torch.zeros(1, 1, 80, 16), *torch.zeros(2, 1, 96, 96, 3, dtype=torch.uint8))
    for hook in hooks:
        hook.remove()
    return total, floor


def matmul_rate(device: torch.device, dtype: torch.dtype) -> float:
    n = 8192 if device.type == "cuda" else 512
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    return 2 * n**3 / _seconds(lambda: a @ b, device, 1.0)


def copy_rate(device: torch.device) -> float:
    """Bytes a second, read and written counted."""
    a = torch.empty((1 << 30) if device.type == "cuda" else (1 << 24), dtype=torch.uint8, device=device)
    b = torch.empty_like(a)
    return 2 * a.numel() / _seconds(lambda: b.copy_(a), device, 1.0)


def _recorded(run, device: torch.device):
    """``run`` as a replayed CUDA graph, as the engine does it; unchanged on the CPU."""
    if device.type != "cuda":
        return run
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def _seconds(run, device: torch.device, least: float) -> float:
    """Seconds a call, the median of five stretches."""
    wait = torch.cuda.synchronize if device.type == "cuda" else (lambda: None)
    run()
    wait()
    began = time.perf_counter()
    run()
    wait()
    count = max(1, round(least / 5 / max(time.perf_counter() - began, 1e-5)))
    found = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(count):
            run()
        wait()
        found.append((time.perf_counter() - began) / count)
    return sorted(found)[2]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--precision", choices=sorted(PRECISIONS), help="none: fp16 on a GPU")
    parser.add_argument(
        "--width", type=int, help="a narrower network, to try this file out on a CPU; none: the official one"
    )
    parser.add_argument("--batch", type=int, default=128, help="of the engine")
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 64, 128, 256])
    parser.add_argument("--seconds", type=float, default=3.0, help="of every measurement")
    parser.add_argument("--film", type=Path, help="a film, for the whole engine")
    return parser.parse_args()


if __name__ == "__main__":
    main()
