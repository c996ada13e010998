"""Turns cut at the shots, and what the pictures say about each piece."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from dubkit.timing import frames_covering
from dubkit.types import FaceTrack, FrameRange, Shot, SpeakingScore, Turn

STRONGEST = 8.0  # log-odds: no single piece of a line proves more than this, however long it is


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """The part of a turn that lies in one shot, with the log-odds that each visible face speaks it."""

    turn: Turn
    shot: int
    frames: FrameRange
    evidence: dict[int, float]  # index of a track → log-odds over the whole piece
    exclusive: dict[int, float]  # the same over the frames in which nobody else speaks

    def overlaps(self, other: Piece) -> bool:
        return bool(len(self.frames & other.frames))


def cut_turns(
    turns: Sequence[Turn],
    shots: Sequence[Shot],
    tracks: Sequence[FaceTrack],
    scores: Sequence[SpeakingScore],
    rate: Fraction,
) -> list[Piece]:
    """All pieces, by time. Scores of several engines for one track are added."""
    if not shots:
        return []
    stop = shots[-1].frames.stop
    voices: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(stop, bool))
    spans = {turn.id: FrameRange(*_inside(turn, rate, stop)) for turn in turns}
    for turn in turns:
        voices[turn.speaker][spans[turn.id].start : spans[turn.id].stop] = True
    crowd = np.sum([voice for voice in voices.values()], axis=0) if voices else np.zeros(stop, int)
    summed = _cumulative(scores)
    by_shot = defaultdict(list)
    for i, track in enumerate(tracks):
        by_shot[track.shot].append(i)
    pieces = []
    starts = [shot.frames.start for shot in shots]
    for turn in sorted(turns, key=lambda t: (t.segment, t.id)):
        span = spans[turn.id]
        for shot in shots[max(0, bisect_right(starts, span.start) - 1) : bisect_left(starts, span.stop)]:
            frames = span & shot.frames
            if not len(frames):
                continue
            alone = crowd[frames.start : frames.stop] <= 1
            whole, exclusive = {}, {}
            for i in by_shot[shot.index]:
                seen = tracks[i].range & frames
                if not len(seen):
                    continue
                values = summed.get(tracks[i].id)
                part = values(seen) if values is not None else np.zeros(len(seen))
                whole[i] = _bounded(part.sum())
                exclusive[i] = _bounded(part[alone[seen.start - frames.start : seen.stop - frames.start]].sum())
            pieces.append(Piece(turn, shot.index, frames, whole, exclusive))
    return pieces


def _inside(turn: Turn, rate: Fraction, stop: int) -> tuple[int, int]:
    first, last = frames_covering(max(0.0, turn.segment.start), max(0.0, turn.segment.end), rate)
    return min(first, stop), min(last, stop)


def _bounded(value: float) -> float:
    return float(STRONGEST * np.tanh(value / STRONGEST))


def _cumulative(scores: Sequence[SpeakingScore]) -> dict:
    """Track id → function that gives the summed scores of all engines on a range of frames."""
    grouped = defaultdict(list)
    for score in scores:
        grouped[score.track_id].append(score)

    def reader(parts):
        def values(frames: FrameRange) -> np.ndarray:
            total = np.zeros(len(frames))
            for part in parts:
                rows = np.arange(frames.start, frames.stop) - int(part.frames[0])
                inside = (rows >= 0) & (rows < len(part.scores))
                total[inside] += part.scores[rows[inside]]
            return total

        return values

    return {track_id: reader(parts) for track_id, parts in grouped.items() if len(parts[0].frames)}
