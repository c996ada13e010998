"""Can one see where the new lips begin? Four numbers for a lip result against the film it was put into.

Everything is measured on luma in the frame's own code values, scaled to 8 bits.

* ``changed_outside``: pixels of any plane that differ outside the mask. Must be 0.
* ``ring_difference``: mean absolute difference on the mask's soft edge, levels of 255.
* ``tremble``: mean absolute change from frame to frame of the result over that of the source, where the mask covers skin
  that the new lips left nearly alone. Above 1 the picture is more restless than the film; 1.1 is the limit.
* ``edge_step``: where a job fades in or out, the largest mean change of what was added to the film from one frame to the next,
  over what only one in twenty of its inner frames exceeds. A pop at a job's edge is more than the mouth's own movement: above 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dubkit.errors import InputError
from dubkit.lips.blend import blend, mask_at
from dubkit.lips.result import LipResult
from dubkit.media.frame import Frame
from dubkit.types import FrameRange

_STILL = 6.0  # levels: skin that the new lips changed by less counts as left alone


@dataclass(frozen=True, slots=True)
class Seams:
    """The four numbers, over all frames of a result that follow one another."""

    changed_outside: int  # pixels
    ring_difference: float  # levels of 255
    tremble: float  # ratio
    edge_step: float  # ratio; 0 for a job without fades


def evaluate_seams(film: Path, lips: Path, *, strips: Path | None = None, columns: int = 6) -> dict[str, Any]:
    """All results (NPZ) of a folder against the film: the worst of each number and a row a result; with ``strips``, one
    PNG a result to look at. Raises InputError where the folder has no results."""
    from dubkit.media.probe import probe
    from dubkit.media.reader import FrameReader
    from dubkit.review.strips import write_strip

    paths = sorted(lips.glob("*.npz"))
    if not paths:
        raise InputError(f"there are no lip results (*.npz) in {lips}; run the project up to the lips stage")
    rows = []
    with FrameReader(probe(film)) as reader:
        for path in paths:
            result = LipResult.load(path)
            first, last = int(result.frames[0]), int(result.frames[-1]) + 1
            found = measure(reader.read(FrameRange(first, last)), result)
            rows.append({"result": path.name, "frames_changed": len(result.changed), **asdict(found)})
            if strips is not None and len(result.changed):
                chosen = {int(n) for n in np.linspace(result.changed[0], result.changed[-1], columns)}
                seen = (frame for frame in reader.read(FrameRange(first, last)) if frame.index in chosen)
                write_strip(strips / f"{path.stem}.png", seen, [result])
    worst = {key: max(row[key] for row in rows) for key in ("ring_difference", "tremble", "edge_step")}
    return {"results": len(rows), "changed_outside": sum(row["changed_outside"] for row in rows), **worst, "rows": rows}


def measure(frames: Iterable[Frame], result: LipResult, compose: Callable[[Frame], Frame] | None = None) -> Seams:
    """``frames`` are the film's own, consecutive; ``compose`` makes the result's frame (none: ``blend`` of this result)."""
    outside, ring, film_moves, result_moves = 0, [], [], []
    last: tuple[np.ndarray, np.ndarray] | None = None
    inner_steps, edge_steps, added_before = [], [0.0], None
    for frame in frames:
        index = int(frame.index - result.frames[0])
        if not 0 <= index < len(result.frames):
            last = added_before = None
            continue
        made = compose(frame) if compose else blend(frame, [(result, index)])
        mask = mask_at(result, index, frame.size)
        outside += _outside(frame, made, mask)
        before, after = _luma(frame), _luma(made)
        edge = (mask > 0.02) & (mask < 0.75)
        if result.alpha[index] > 0 and edge.any():
            ring.append(np.abs(after - before)[edge].mean())
        still = (mask > 0.05) & (np.abs(after - before) < _STILL)
        if last is not None and result.alpha[index] == 1 and still.any():
            film_moves.append(np.abs(before - last[0])[still].mean())
            result_moves.append(np.abs(after - last[1])[still].mean())
        added, covered = after - before, mask > 0.05
        fades = result.alpha[max(index - 1, 0) : index + 1].min() < 1
        if covered.any() and (index or fades):  # what begins in full begins at a cut
            step = np.abs(added - (0 if added_before is None else added_before))[covered].mean()
            (edge_steps if fades else inner_steps).append(float(step))
        if covered.any() and index == len(result.alpha) - 1 and fades:
            edge_steps.append(float(np.abs(added[covered]).mean()))
        last, added_before = (before, after), added
    ratio = sum(result_moves) / max(sum(film_moves), 1e-6) if film_moves else 1.0
    edge_step = max(edge_steps) / max(float(np.percentile(inner_steps, 95)), 1e-6) if inner_steps else 0.0
    return Seams(outside, float(np.mean(ring)) if ring else 0.0, float(ratio), edge_step)


def _outside(frame: Frame, made: Frame, mask: np.ndarray) -> int:
    changed = int(((frame.planes[0] != made.planes[0]) & (mask == 0)).sum())
    sx, sy = frame.format.display_chroma
    height, width = mask.shape
    padded = np.pad(mask, ((0, -height % (1 << sy)), (0, -width % (1 << sx))))
    blocks = padded.reshape(padded.shape[0] >> sy, 1 << sy, padded.shape[1] >> sx, 1 << sx).max(axis=(1, 3))
    for before, after in zip(frame.planes[1:], made.planes[1:], strict=True):
        changed += int(((before != after) & (blocks == 0)).sum())
    return changed


def _luma(frame: Frame) -> np.ndarray:
    return frame.planes[0].astype(np.float32) / (1 << (frame.format.depth - 8))
