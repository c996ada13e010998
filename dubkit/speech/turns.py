"""Turns: making, cleaning, and keeping their ids when a new diarization replaces an old one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from dubkit.types import Segment, Turn

_SAME = 0.3  # share of the shorter of two turns that both must cover to be the same turn
_OWN_VOICE = 1.5  # how much more an overlap counts where the speaker is the same


def make_turns(spans: Iterable[tuple]) -> tuple[Turn, ...]:
    """Turns from ``(start, end, speaker)`` or ``(start, end, speaker, confidence)``, sorted by time, ids t0001 ..."""
    ordered = sorted(spans, key=lambda span: span[:3])
    return tuple(Turn(f"t{i:04}", Segment(s[0], s[1]), *s[2:]) for i, s in enumerate(ordered, 1))


def clean(turns: Sequence[Turn], merge_gap: float, min_turn: float) -> tuple[Turn, ...]:
    """One turn where a speaker pauses for at most ``merge_gap`` seconds; turns shorter than ``min_turn`` seconds go.

    A pause in which somebody else speaks alone ends the turn, however short it is.
    """
    ordered = sorted(turns, key=lambda t: t.segment)
    merged: list[Turn] = []
    last: dict[str, int] = {}  # speaker → index of their turn in ``merged``
    for turn in ordered:
        i = last.get(turn.speaker)
        if i is not None and turn.segment.start - merged[i].segment.end <= merge_gap:
            before = merged[i]
            if not any(_within(other.segment, before.segment.end, turn.segment.start) for other in merged[i + 1 :]):
                span = Segment(before.segment.start, max(before.segment.end, turn.segment.end))
                merged[i] = replace(before, segment=span)
                continue
        last[turn.speaker] = len(merged)
        merged.append(turn)
    return make_turns(
        (t.segment.start, t.segment.end, t.speaker, t.confidence) for t in merged if t.segment.duration >= min_turn
    )


def _within(segment: Segment, start: float, end: float) -> bool:
    return start < end and segment.start >= start and segment.end <= end


def exclusive(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """One speaker at a time: whoever speaks keeps the floor, who falls in gets what is left after that."""
    spans, floor = [], 0.0
    for turn in sorted(turns, key=lambda t: t.segment):
        start = max(turn.segment.start, floor)
        if turn.segment.end > start:
            spans.append((start, turn.segment.end, turn.speaker, turn.confidence))
            floor = turn.segment.end
    return make_turns(spans)


def overlapping(left: Sequence[Turn], right: Sequence[Turn]) -> list[tuple[Turn, Turn]]:
    """All pairs that share some time, by a sweep along the film: no table of everybody against everybody."""
    pairs, open_turns = [], []
    waiting = sorted(right, key=lambda t: t.segment, reverse=True)
    for turn in sorted(left, key=lambda t: t.segment):
        while waiting and waiting[-1].segment.start < turn.segment.end:
            open_turns.append(waiting.pop())
        open_turns = [other for other in open_turns if other.segment.end > turn.segment.start]
        pairs += [(turn, other) for other in open_turns if turn.segment.overlap(other.segment) > 0]
    return pairs


def keep_ids(old: Sequence[Turn], new: Sequence[Turn]) -> tuple[Turn, ...]:
    """``new`` with the ids of the ``old`` turns that they continue, so that a person's locks still point at them.

    Pairs are made from the largest shared time down, a common speaker counting half more; a pair must share 30 % of
    the shorter turn. Of a turn that was cut, the larger part keeps the id; turns without a predecessor get ids that no
    old turn has. The same turns again get the same ids.
    """
    if not old:
        return tuple(new)

    def gain(pair: tuple[Turn, Turn]) -> float:
        before, now = pair
        own = _OWN_VOICE if before.speaker == now.speaker else 1.0
        return before.segment.overlap(now.segment) * own

    ids: dict[int, str] = {}  # id() of a new turn → old id
    taken: set[str] = set()
    for before, now in sorted(overlapping(old, new), key=lambda p: (-gain(p), p[0].id, p[1].segment)):
        shorter = min(before.segment.duration, now.segment.duration)
        if before.id in taken or id(now) in ids or before.segment.overlap(now.segment) < _SAME * shorter:
            continue
        ids[id(now)] = before.id
        taken.add(before.id)
    number = max((int(t.id[1:]) for t in old if t.id[1:].isdigit()), default=0)
    kept = []
    for turn in sorted(new, key=lambda t: t.segment):
        if id(turn) not in ids:
            number += 1
            ids[id(turn)] = f"t{number:04}"
        kept.append(replace(turn, id=ids[id(turn)]))
    return tuple(kept)


def successors(old: Sequence[Turn], new: Sequence[Turn]) -> Mapping[str, str | None]:
    """Where each old id went: its own id where it lives on, else the new turn that covers most of it, else None."""
    here = {turn.id for turn in new}
    best: dict[str, tuple[float, str]] = {}
    for before, now in overlapping(old, new):
        best[before.id] = max(best.get(before.id, (0.0, "")), (before.segment.overlap(now.segment), now.id))
    return {t.id: t.id if t.id in here else (best[t.id][1] if t.id in best else None) for t in old}
