"""Turns: making, cleaning, and keeping their names when a new diarization replaces an old one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from dubkit.types import Segment, Turn


def make_turns(spans: Iterable[tuple]) -> tuple[Turn, ...]:
    """Turns from ``(start, end, speaker)`` or ``(start, end, speaker, confidence)``, sorted by time, ids t0001 ..."""
    ordered = sorted(spans, key=lambda span: span[:3])
    return tuple(Turn(f"t{i:04}", Segment(s[0], s[1]), *s[2:]) for i, s in enumerate(ordered, 1))


def clean(turns: Sequence[Turn], merge_gap: float, min_turn: float) -> tuple[Turn, ...]:
    """One turn where a speaker pauses for at most ``merge_gap`` seconds; turns shorter than ``min_turn`` seconds go."""
    merged: list[Turn] = []
    last: dict[str, int] = {}  # speaker → index of the turn in ``merged``
    for turn in sorted(turns, key=lambda t: t.segment):
        i = last.get(turn.speaker)
        if i is not None and turn.segment.start - merged[i].segment.end <= merge_gap:
            before = merged[i].segment
            merged[i] = replace(merged[i], segment=Segment(before.start, max(before.end, turn.segment.end)))
        else:
            last[turn.speaker] = len(merged)
            merged.append(turn)
    return make_turns(
        (t.segment.start, t.segment.end, t.speaker, t.confidence) for t in merged if t.segment.duration >= min_turn
    )


def keep_ids(old: Sequence[Turn], new: Sequence[Turn]) -> tuple[Turn, ...]:
    """``new`` with the ids of the ``old`` turns that they continue."""
    free = {turn.id: turn for turn in old}
    kept: list[Turn] = []
    number = max((int(t.id[1:]) for t in old if t.id[1:].isdigit()), default=0)
    for turn in new:
        best = max(free.values(), key=lambda o: turn.segment.overlap(o.segment), default=None)
        if best is not None and turn.segment.overlap(best.segment) > 0:
            del free[best.id]
            kept.append(replace(turn, id=best.id))
        else:
            number += 1
            kept.append(replace(turn, id=f"t{number:04}"))
    return tuple(kept)


def exclusive(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """One speaker at a time: whoever speaks keeps the floor, who falls in gets what is left after that."""
    spans, floor = [], 0.0
    for turn in sorted(turns, key=lambda t: t.segment):
        start = max(turn.segment.start, floor)
        if turn.segment.end > start:
            spans.append((start, turn.segment.end, turn.speaker, turn.confidence))
            floor = turn.segment.end
    return make_turns(spans)
