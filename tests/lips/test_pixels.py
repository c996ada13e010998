"""Torch against OpenCV: the same crops and the same film, on real frames and on hard ones; and who is asked when."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
from lips_film import YUV420, YUV422_10, MemoryFilm, job, landmarks, run
from lips_painters import ColourPainter

from dubkit.errors import DubkitError, EngineUnavailable
from dubkit.lips import masks, pixels
from dubkit.lips.blend import _with_lips, blend, mask_at, seen
from dubkit.lips.crops import transforms
from dubkit.lips.pixels import OPENCV, pixels_of, pixels_on
from dubkit.lips.result import LipResult, stats_of
from dubkit.media.frame import Frame, PixelFormat
from dubkit.types import FaceTrack, FrameRange

torch = pytest.importorskip("torch")
TORCH = pixels_on("cuda")  # on the CPU where there is no such thing
EXACT = int(cv2.__version__.split(".")[0]) >= 5  # OpenCV 4 places pixels in steps of 1/32
LEVELS, MEAN, PSNR = (1, 2e-3, 60) if EXACT else (4, 0.25, 45)

FORMATS = {
    "8 bit 4:2:0": (YUV420, (320, 240)),
    "8 bit 4:2:0, odd, full range, JPEG siting": (
        PixelFormat("yuvj420p", 8, (1, 1), range="pc", siting=(0.5, 0.5)),
        (321, 241),
    ),
    "10 bit 4:2:2": (YUV422_10, (321, 239)),
    "16 bit 4:4:4": (PixelFormat("yuv444p16le", 16, (0, 0)), (319, 240)),
    "4:1:1": (PixelFormat("yuv411p", 8, (2, 0), matrix="smpte170m"), (322, 240)),
    "4:2:2, turned by 90": (PixelFormat("yuv422p10le", 10, (1, 0), rotation=90), (321, 240)),
    "4:2:0, turned by 270": (PixelFormat("yuv420p", 8, (1, 1), rotation=270), (321, 241)),
    "4:2:0, upside down": (PixelFormat("yuv420p", 8, (1, 1), rotation=180), (321, 241)),
}
BOXES = {
    "as large as the crop": (110.3, 60.2, 205.8, 150.9),
    "small": (140.4, 80.7, 171.9, 118.2),
    "large": (20.6, 5.3, 290.2, 228.4),
    "half outside": (-61.3, 100.4, 63.7, 262.8),
    "a corner inside": (262.4, 105.6, 362.9, 253.1),
}


def textured(format: PixelFormat, size: tuple[int, int]) -> Frame:
    """Hard edges, fine grain, and every sample of every plane its own."""
    rng = np.random.default_rng(5)
    picture = MemoryFilm(1, size).picture(0)
    picture = np.clip(picture + rng.normal(0, 12, picture.shape), 0, 255).astype(np.uint8)
    cv2.line(picture, (0, 30), size, (255, 255, 0), 2)
    return Frame.from_rgb(0, picture, format)


def result_for(frame: Frame, box, roll: float = 0.0) -> LipResult:
    """A face in that box whose mouth has changed: a little beside it, much within, nothing elsewhere."""
    track = FaceTrack("t", 0, np.arange(1), np.array([box], np.float32), np.ones(1, np.float32), np.ones(1, bool))
    if roll:
        five, middle = landmarks(track), np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
        turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
        track = FaceTrack(*(getattr(track, name) for name in ("id", "shot", "frames", "boxes", "scores", "observed")),
                          landmarks=((five - middle) @ turn + middle).astype(np.float32))  # fmt: skip
    at = transforms(track, 96)
    crop = seen(frame, at[0], 96).astype(int)
    crop[55:75, 20:40] += 3
    crop[65:85, 35:62] += np.random.default_rng(1).integers(-60, 60, (20, 27, 3))
    shapes = masks.parameters(track, at, 96, 0.12)
    crops = np.clip(crop, 0, 255).astype(np.uint8)[None]
    return LipResult("j", np.arange(1), crops, at, np.full(1, 0.9, np.float32), shapes)


def compare(frame: Frame, result: LipResult, index: int = 0) -> float:
    """Checks crop and film against OpenCV's; returns the PSNR of the film's changed samples in dB."""
    a, b = (seen(frame, result.transforms[index], result.crops.shape[1], way).astype(int) for way in (OPENCV, TORCH))
    assert np.abs(a - b).max() <= LEVELS and np.abs(a - b).mean() < MEAN
    theirs = _with_lips(frame, result, index, OPENCV)
    with TORCH.at_work():
        ours = _with_lips(frame, result, index, TORCH)
    assert ours.format == frame.format and all(plane.dtype == frame.format.dtype for plane in ours.planes)
    shown = mask_at(result, index, frame.size) > 0
    assert np.array_equal(ours.planes[0][~shown], frame.planes[0][~shown])
    errors, inside = [], 0
    for new, old, source in zip(ours.planes, theirs.planes, frame.planes, strict=True):
        touched = (old != source) | (new != source)
        errors.append(
            np.square(new[touched] / 2 ** (frame.format.depth - 8) - old[touched] / 2 ** (frame.format.depth - 8))
        )
        inside += int(touched.sum())
        rows = -(-shown.shape[0] // source.shape[0]), -(-shown.shape[1] // source.shape[1])
        blocks = np.zeros((source.shape[0] * rows[0], source.shape[1] * rows[1]), bool)
        blocks[: shown.shape[0], : shown.shape[1]] = shown
        near = cv2.dilate(blocks.reshape(source.shape[0], rows[0], source.shape[1], rows[1]).max(axis=(1, 3)).astype(np.uint8),
                          np.ones((3, 3)))  # fmt: skip
        assert np.array_equal(new[near == 0], source[near == 0])
    assert inside > 10
    return 10 * np.log10(255**2 / max(np.concatenate(errors).mean(), 1e-9))


@pytest.mark.parametrize("roll", [0.0, 0.31])
@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
@pytest.mark.parametrize(("format", "size"), FORMATS.values(), ids=FORMATS)
def test_the_same_crop_and_the_same_film(format, size, box, roll):
    frame = textured(format, size)
    assert compare(frame, result_for(frame, box, roll)) >= PSNR


def test_the_same_on_real_frames(shared):
    from dubkit.media.probe import probe
    from dubkit.media.reader import FrameReader

    with FrameReader(probe(shared / "media" / "film_a.mp4")) as reader:
        for frame in reader.read(FrameRange(400, 403)):
            width, height = frame.size
            box = (0.42 * width + 0.3, 0.2 * height, 0.6 * width, 0.7 * height)
            assert compare(frame, result_for(frame, box, 0.1)) >= PSNR


def test_a_face_outside_the_picture_changes_nothing():
    frame = textured(YUV420, (321, 241))
    result = result_for(frame, (400.4, 312.6, 502.9, 430.1))
    assert np.array_equal(*(seen(frame, result.transforms[0], 96, way) for way in (OPENCV, TORCH)))
    with TORCH.at_work():
        after = _with_lips(frame, result, 0, TORCH)
    assert all(np.array_equal(a, b) for a, b in zip(after.planes, frame.planes, strict=True))


def test_a_crop_that_says_nothing_new_changes_no_pixel():
    frame = textured(YUV420, (320, 240))
    result = result_for(frame, BOXES["large"])
    result.crops[0] = seen(frame, result.transforms[0], 96, TORCH)
    with TORCH.at_work():
        after = _with_lips(frame, result, 0, TORCH)
    assert all(np.array_equal(a, b) for a, b in zip(after.planes, frame.planes, strict=True))


def test_values_that_are_not_numbers_and_boxes_outside_are_refused():
    frame = textured(YUV420, (320, 240))
    paint, mask = torch.zeros(3, 4, 4, device=TORCH.device), torch.ones(4, 4, device=TORCH.device)
    with pytest.raises(ValueError, match="not numbers"):
        TORCH.pasted(frame, 0, 0, paint * torch.nan, mask)
    with pytest.raises(ValueError, match="not inside the picture"):
        TORCH.pasted(frame, 318, 0, paint, mask)
    with pytest.raises(ValueError, match="not inside the picture"):
        TORCH.film(frame, (-1, 0, 20, 20))


class OnCuda(ColourPainter):
    def __init__(self):
        super().__init__()
        self.about["device"] = "cuda"


def test_lips_of_a_gpu_say_so_and_are_put_back_by_torch(tmp_path, monkeypatch):
    film = MemoryFilm(6)
    on_gpu = run(film, [job(0, 6)], [film.track()], OnCuda())["a"]
    on_cpu = run(film, [job(0, 6)], [film.track()], ColourPainter())["a"]
    assert on_gpu.stats["pixels"] == "torch" and "pixels" not in on_cpu.stats
    on_gpu.save(tmp_path / "a.npz")
    assert stats_of(tmp_path / "a.npz") == on_gpu.stats
    asked = []
    monkeypatch.setattr(type(TORCH), "film", lambda self, *_: asked.append(self.where) or 1 / 0)
    blend(film.frame(2), [(on_cpu, 2)])
    with pytest.raises(ZeroDivisionError):
        blend(film.frame(2), [(on_gpu, 2)])
    assert asked == [TORCH.where]


def test_who_works_where(monkeypatch):
    assert pixels_on("cpu") is pixels_on("mps") is pixels_of({"device": "cpu"}) is OPENCV
    assert pixels_on("cuda:99").where == TORCH.where == ("cuda" if torch.cuda.is_available() else "cpu")
    assert pixels_on("cuda:1").name == pixels_of({"device": "cuda", "pixels": "torch"}).name == "torch"
    assert pixels_of({"device": "cuda"}) is OPENCV  # painted on CUDA before crops were cut there
    pixels._torch.cache_clear()
    monkeypatch.setitem(sys.modules, "dubkit.lips.pixels_torch", None)
    with pytest.raises(EngineUnavailable, match="pip install torch"):
        pixels_of({"pixels": "torch"})


def test_too_little_memory_is_said():
    with pytest.raises(DubkitError, match="lips.device=cpu"), TORCH.at_work():
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_blending_on_a_cpu_does_not_load_torch():
    code = (
        "import sys, dubkit.render.compose, dubkit.project.rendering as r; from dubkit.lips.pixels import pixels_of; "
    )
    code += "pixels_of({'device': 'cpu'}); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
