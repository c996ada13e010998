"""Faces on the key frames of each shot: its first, every n-th, and its last frame; in batches where the detector gains.

A detector that gains from smaller pictures searches the whole picture only on every third key frame, and in between
around the faces it has found: a close-up costs a third. Whoever comes in meanwhile is followed back by flow. As soon as
one of the shot's faces is not found any more, every key frame is searched whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dubkit.faces.base import Detections, FaceDetector
from dubkit.faces.landmarks import Landmarker
from dubkit.types import Shot

WHOLE_EVERY = 3  # key frames
DOUBTFUL = 0.3  # score below which a detection is no reason to look there again
LARGE = 0.6  # share of the picture from which a window is not worth it
CUT_OFF = 4  # pixels: a face nearer to a window's edge may be half a face


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One frame of a shot as a proxy, and the faces in it where the detector was asked."""

    shot: Shot
    frame: int
    picture: np.ndarray  # (H, W, 3) RGB uint8
    found: Detections | None = None


def is_key(shot: Shot, frame: int, every: int) -> bool:
    """Whether the detector looks at this frame of the shot."""
    return (frame - shot.frames.start) % every == 0 or frame == shot.frames.stop - 1


def looks(
    frames: Iterable[tuple[int, np.ndarray]],
    shots: Sequence[Shot],
    detector: FaceDetector,
    landmarker: Landmarker | None,
    every: int,
) -> Iterator[Look]:
    """Every frame that lies in a shot, in order. At most ``detector.batch`` key frames and those after them are held."""
    search = Search(detector)
    held: list[Look] = []
    keys = 0
    for look in _in_shots(frames, shots):
        if is_key(look.shot, look.frame, every):
            if keys == detector.batch:
                yield from _detected(held, search, landmarker, every)
                held, keys = [], 0
            keys += 1
        held.append(look)
    yield from _detected(held, search, landmarker, every)


class Search:
    """Decides where in each key frame the detector looks."""

    def __init__(self, detector: FaceDetector):
        self.detector = detector
        self.shot: Shot | None = None
        self.since = 0  # key frames since the whole picture was searched
        self.found = np.zeros((0, 4), np.float32)  # boxes of the last search
        self.most = 0  # faces that one search found in this shot

    def faces(self, keys: Sequence[Look]) -> list[Detections]:
        """The faces of these key frames, which are the next in the film."""
        if not self.detector.windows or len(keys) > 1:
            pictures = [look.picture for look in keys]
            return self.detector.detect_batch(pictures) if len(keys) > 1 else [self.detector.detect(pictures[0])]
        (look,) = keys
        if look.shot is not self.shot:
            self.shot, self.since, self.most = look.shot, WHOLE_EVERY, 0
        lost = len(self.found) < self.most
        whole = lost or self.since + 1 >= WHOLE_EVERY or look.frame == look.shot.frames.stop - 1
        window = None if whole else _window(self.found, *look.picture.shape[1::-1])
        self.since = 0 if window is None else self.since + 1
        seen = self.detector.detect(look.picture) if window is None else self._within(window, look.picture)
        self.found = seen.boxes[seen.scores >= DOUBTFUL]
        self.most = max(self.most, len(self.found))
        return [seen]

    def _within(self, window: tuple[int, int, int, int], picture: np.ndarray) -> Detections:
        """The faces inside the window, in the picture's pixels; none that the window may have cut."""
        x0, y0, x1, y1 = window
        seen = self.detector.detect(np.ascontiguousarray(picture[y0:y1, x0:x1]))
        corner = np.array([x0, y0], np.float32)
        points = None if seen.landmarks is None else seen.landmarks + corner
        seen = Detections(seen.boxes + np.tile(corner, 2), seen.scores, points)
        height, width = picture.shape[:2]
        low = np.where(corner > 0, corner + CUT_OFF, -np.inf)
        high = np.where([x1 < width, y1 < height], np.array([x1, y1]) - CUT_OFF, np.inf)
        return seen[(seen.boxes[:, :2] > low).all(axis=1) & (seen.boxes[:, 2:] < high).all(axis=1)]


def _window(boxes: np.ndarray, width: int, height: int) -> tuple[int, int, int, int] | None:
    """x0, y0, x1, y1 of the part of the picture that holds these faces (N, 4) with a face's room on each side.

    None where there are no faces, or so much of the picture would be searched that all of it may be.
    """
    if not len(boxes):
        return None
    room = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True)
    x0, y0 = np.maximum((boxes[:, :2] - room).min(axis=0), 0).astype(int)
    x1, y1 = np.minimum(np.ceil((boxes[:, 2:] + room).max(axis=0)), [width, height]).astype(int)
    return None if (x1 - x0) * (y1 - y0) > LARGE * width * height else (int(x0), int(y0), int(x1), int(y1))


def _in_shots(frames: Iterable[tuple[int, np.ndarray]], shots: Sequence[Shot]) -> Iterator[Look]:
    waiting = iter(shots)
    shot = next(waiting, None)
    for frame, picture in frames:
        while shot is not None and frame >= shot.frames.stop:
            shot = next(waiting, None)
        if shot is None:
            return
        if frame in shot.frames:
            yield Look(shot, frame, picture)


def _detected(held: list[Look], search: Search, landmarker: Landmarker | None, every: int) -> Iterator[Look]:
    keys = [look for look in held if is_key(look.shot, look.frame, every)]
    if not keys:
        yield from held
        return
    found = iter(search.faces(keys))
    for look in held:
        if is_key(look.shot, look.frame, every):
            faces = next(found)
            if landmarker is not None:
                faces = replace(faces, landmarks=landmarker.locate(look.picture, faces.boxes))
            look = replace(look, found=faces)
        yield look
