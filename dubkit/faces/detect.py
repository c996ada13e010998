"""Faces on the key frames of each shot: its first, every n-th, and its last frame; in batches where the detector gains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dubkit.faces.base import Detections, FaceDetector
from dubkit.faces.landmarks import Landmarker
from dubkit.types import Shot


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
    held: list[Look] = []
    keys = 0
    for look in _in_shots(frames, shots):
        if is_key(look.shot, look.frame, every):
            if keys == detector.batch:
                yield from _detected(held, detector, landmarker, every)
                held, keys = [], 0
            keys += 1
        held.append(look)
    yield from _detected(held, detector, landmarker, every)


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


def _detected(held: list[Look], detector: FaceDetector, landmarker: Landmarker | None, every: int) -> Iterator[Look]:
    keys = [look.picture for look in held if is_key(look.shot, look.frame, every)]
    if not keys:
        yield from held
        return
    found = iter([detector.detect(keys[0])] if len(keys) == 1 else detector.detect_batch(keys))
    for look in held:
        if is_key(look.shot, look.frame, every):
            faces = next(found)
            if landmarker is not None:
                faces = replace(faces, landmarks=landmarker.locate(look.picture, faces.boxes))
            look = replace(look, found=faces)
        yield look
