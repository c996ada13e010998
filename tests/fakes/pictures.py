"""Films in memory, faces in the public domain, and a detector that is told where the faces are."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from dubkit.faces.base import Detections, FaceDetector
from dubkit.media.frame import Frame, PixelFormat
from dubkit.types import FrameRange, Media, VideoStream


class MemoryFilm:
    """Pictures (display orientation) that read like a film through ``dubkit.media.reader.FrameReader``."""

    def __init__(self, pictures: list[np.ndarray], rate: Fraction = Fraction(25), rotation: int = 0):
        height, width = pictures[0].shape[:2]
        coded = (height, width) if rotation in (90, 270) else (width, height)
        video = VideoStream(
            0, "raw", *coded, rate, 1 / rate, len(pictures), 0.0, rotation=rotation, color_matrix="bt709"
        )
        self.media = Media(Path("memory.mov"), "", "raw", float(len(pictures) / rate), video)
        self.pictures, self.format = pictures, PixelFormat.of(video)

    def read(self, frames: FrameRange | None = None):
        for i in frames or range(len(self.pictures)):
            yield Frame.from_rgb(i, self.pictures[i], self.format)

    def proxies(self, frames: FrameRange | None = None, height: int = 360, step: int = 1):
        for i in list(frames or range(len(self.pictures)))[::step]:
            picture = self.pictures[i]
            h, w = picture.shape[:2]
            if h > height:
                picture = cv2.resize(picture, (round(w * height / h), height), interpolation=cv2.INTER_AREA)
            yield i, picture


class KnownFaces(FaceDetector):
    """Detects what ``where[call]`` says: the n-th call returns the n-th list of (box, score)."""

    def __init__(self, where):
        super().__init__()
        self.where, self.calls = where, 0

    def detect(self, image: np.ndarray) -> Detections:
        found = self.where[self.calls]
        self.calls += 1
        if not found:
            return Detections.none()
        return Detections(np.array([box for box, _ in found], np.float32), np.array([s for _, s in found], np.float32))


def astronaut() -> np.ndarray:
    """Eileen Collins, NASA, 512×512; the face is near (225, 120)."""
    data = pytest.importorskip("skimage.data")
    return data.astronaut()


def admiral() -> np.ndarray:
    """Grace Hopper, US Navy, 606×512."""
    matplotlib = pytest.importorskip("matplotlib")
    path = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    return cv2.imread(str(path))[..., ::-1].copy()


def heads(size: int = 120) -> list[np.ndarray]:
    """The two faces as squares of ``size`` pixels."""
    return [cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
            for picture in (astronaut()[30:230, 120:320], admiral()[40:360, 100:420])]  # fmt: skip


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A soft random picture without faces."""
    small = np.random.default_rng(seed).integers(60, 200, (height // 16, width // 16, 3)).astype(np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def textured(size: int, seed: int) -> np.ndarray:
    """A square with enough texture for optical flow, in a colour of its own."""
    rng = np.random.default_rng(seed)
    grain = cv2.resize(
        rng.integers(0, 255, (size // 5, size // 5)).astype(np.uint8), (size, size), interpolation=cv2.INTER_CUBIC
    )
    colour = np.array([(200, 60, 60), (60, 60, 200), (60, 180, 60)][seed % 3], np.float32) / 255
    return (grain[..., None] * colour + 20).clip(0, 255).astype(np.uint8)


def pasted(background: np.ndarray, patch: np.ndarray, x: int, y: int) -> np.ndarray:
    """A copy of the background with the patch's corner at (x, y), cut at the picture's edges."""
    picture = background.copy()
    h, w = patch.shape[:2]
    x0, y0, x1, y1 = max(0, x), max(0, y), min(picture.shape[1], x + w), min(picture.shape[0], y + h)
    if x1 > x0 and y1 > y0:
        picture[y0:y1, x0:x1] = patch[y0 - y : y1 - y, x0 - x : x1 - x]
    return picture
