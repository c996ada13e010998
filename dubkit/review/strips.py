"""A strip of pictures to look at: the source, the result, and what differs, eight times as strong.

One column a frame; every face of the frame has its own strip, cut around the crop with some room, so that a box edge, a
colour step or a doubled mouth has nowhere to hide. Middle grey in the last row means "the same".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from dubkit.errors import DubkitError, InputError
from dubkit.files import atomic_write
from dubkit.lips.blend import blend
from dubkit.lips.result import LipResult
from dubkit.media.frame import Frame

GAIN = 8  # of the difference
ROOM = 0.25  # of the face's edge, shown around it
_GAP, _LABEL = 4, 18  # pixels


def write_strip(path: Path, frames: Iterable[Frame], results: Sequence[LipResult], height: int = 240) -> int:
    """Writes a PNG with one block for every result and a column for each of ``frames`` that it changes → columns written.

    ``frames`` are the film's own, a handful. Raises InputError where no result changes any of them, StorageError.
    """
    columns: list[list[np.ndarray]] = [[] for _ in results]
    for frame in frames:
        here = [(r, int(frame.index - r.frames[0])) for r in results if r.frames[0] <= frame.index <= r.frames[-1]]
        made = blend(frame, here)
        for block, result in zip(columns, results, strict=True):
            index = next((i for r, i in here if r is result), None)
            if index is not None and result.alpha[index] > 0:
                block.append(column(frame, made, window(result, index, frame.size), height))
    blocks = [np.hstack(_same_width(block)) for block in columns if block]
    if not blocks:
        raise InputError("none of these frames has new lips; choose frames of a lip job (see the report)")
    width = max(block.shape[1] for block in blocks)
    picture = np.vstack([np.pad(b, ((0, 2 * _GAP), (0, width - b.shape[1]), (0, 0))) for b in blocks])
    fine, data = cv2.imencode(".png", picture[..., ::-1])
    if not fine:
        raise DubkitError(f"no PNG of {picture.shape[1]} x {picture.shape[0]} pixels could be made; take fewer frames")
    atomic_write(path, data.tobytes())
    return sum(map(len, columns))


def column(source: Frame, made: Frame, box: tuple[int, int, int, int], height: int) -> np.ndarray:
    """Source over result over difference for one box, each ``height`` pixels high, with the frame's number on top."""
    before, after = source.rgb(box), made.rgb(box)
    difference = np.clip(128 + GAIN * (after.astype(np.int16) - before), 0, 255).astype(np.uint8)
    width = max(8, round(height * before.shape[1] / before.shape[0]))
    shrink = cv2.INTER_AREA if height < before.shape[0] else cv2.INTER_CUBIC
    rows = [cv2.resize(picture, (width, height), interpolation=shrink) for picture in (before, after, difference)]
    label = np.zeros((_LABEL, width, 3), np.uint8)
    cv2.putText(label, str(source.index), (3, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (230, 230, 230), 1, cv2.LINE_AA)
    return np.pad(np.vstack([label, *rows]), ((0, 0), (0, _GAP), (0, 0)))


def window(result: LipResult, index: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The part of the picture around the crop, whole pixels inside a picture of ``size`` (width, height)."""
    edge = result.crops.shape[1] - 1
    corners = np.array([[0, 0, 1], [edge, 0, 1], [0, edge, 1], [edge, edge, 1]]) @ result.transforms[index].T
    low, high = corners.min(axis=0), corners.max(axis=0)
    room = ROOM * (high - low)
    low = np.clip(np.floor(low - room), 0, np.array(size) - 2).astype(int)
    high = np.clip(np.ceil(high + room), low + 1, size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _same_width(pictures: list[np.ndarray]) -> list[np.ndarray]:
    width = max(picture.shape[1] for picture in pictures)
    return [np.pad(picture, ((0, 0), (0, width - picture.shape[1]), (0, 0))) for picture in pictures]
