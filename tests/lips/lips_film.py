"""A little film in memory for the tests of the lips room: a drawn face that moves, with noise for grain."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import cv2
import numpy as np

from dubkit.lips.engine import run_jobs
from dubkit.media.frame import Frame, PixelFormat
from dubkit.settings import LipsSettings
from dubkit.types import FaceTrack, FrameRange, LipJob

RATE = Fraction(25)
YUV420 = PixelFormat("yuv420p", 8, (1, 1))
YUV422_10 = PixelFormat("yuv422p10le", 10, (1, 0))


class MemoryFilm:
    """Frames by index, drawn when asked for, as a ``FrameReader`` yields them. Remembers what was read."""

    def __init__(self, count: int, size: tuple[int, int] = (320, 240), format: PixelFormat = YUV420):
        self.count, self.size, self.format, self.was_read = count, size, format, []

    def read(self, frames: FrameRange) -> Iterator[Frame]:
        for n in range(frames.start, min(frames.stop, self.count)):
            self.was_read.append(n)
            yield self.frame(n)

    def frame(self, n: int) -> Frame:
        return Frame.from_rgb(n, self.picture(n), self.format)

    def picture(self, n: int) -> np.ndarray:
        width, height = self.size
        rng = np.random.default_rng(n)
        picture = np.full((height, width, 3), (90, 110, 140), np.uint8)
        x0, y0, x1, y1 = (int(round(v)) for v in self.box(n))
        middle, radius = ((x0 + x1) // 2, (y0 + y1) // 2), ((x1 - x0) // 2, (y1 - y0) // 2)
        cv2.ellipse(picture, middle, radius, 0, 0, 360, (200, 160, 140), -1, cv2.LINE_AA)
        for side in (-1, 1):
            cv2.circle(
                picture, (middle[0] + side * radius[0] // 2, y0 + radius[1] // 2), 5, (40, 30, 30), -1, cv2.LINE_AA
            )
        lips = (middle[0], y0 + int(1.45 * radius[1]))
        cv2.ellipse(picture, lips, (radius[0] // 2, 4 + n % 5), 0, 0, 360, (150, 60, 60), -1, cv2.LINE_AA)
        noise = rng.normal(0, 2.0, (height, width, 1))
        return np.clip(picture + noise, 0, 255).astype(np.uint8)

    def box(self, n: int) -> tuple[float, float, float, float]:
        return 100 + 0.5 * n, 60.0, 200 + 0.5 * n, 180.0

    def track(self, start: int = 0, stop: int | None = None, *, id: str = "s0000f00", shot: int = 0) -> FaceTrack:
        frames = np.arange(start, self.count if stop is None else stop, dtype=np.int64)
        boxes = np.array([self.box(n) for n in frames], np.float32).reshape(-1, 4)
        return FaceTrack(id, shot, frames, boxes, np.ones(len(frames), np.float32), np.ones(len(frames), bool))


def landmarks(track: FaceTrack, yaw: float = 0.0) -> np.ndarray:
    """Five points in each box as a face with nose offset for ``yaw`` degrees would have them."""
    x0, y0 = track.boxes[:, 0], track.boxes[:, 1]
    w, h = track.boxes[:, 2] - x0, track.boxes[:, 3] - y0
    turn = 0.394 * np.tan(np.radians(yaw))
    at = [(0.3, 0.4), (0.7, 0.4), (0.5 + 0.4 * turn, 0.6), (0.36, 0.78), (0.64, 0.78)]
    return np.stack([np.stack([x0 + u * w, y0 + v * h], axis=1) for u, v in at], axis=1).astype(np.float32)


def silence(speaker, segment):
    return np.zeros(round(segment.duration * 16000), np.float32)


def run(film, jobs, tracks, paint, speech=silence, rate=RATE, **settings):
    results = {}
    run_jobs(jobs, {t.id: t for t in tracks}, film, speech, rate, LipsSettings(**settings),
             lambda result: results.__setitem__(result.job_id, result), paint=paint)  # fmt: skip
    return results


def job(start, stop, id="a", track="s0000f00", fade=(0, 0)):
    return LipJob(id, track, 0, FrameRange(start, stop), "ann", ("t1",), fade)
