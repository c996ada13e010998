"""What the dub is like, in numbers a person can act on: for each line, and for the film."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dubkit.types import DubLine, Line, Segment
from dubkit.voice.activity import shared_time, total_time, union
from dubkit.voice.fit import Slot


def line_table(units: Sequence[Line], lines: Sequence[DubLine], slots: dict[str, Slot]) -> list[dict[str, Any]]:
    """One row a line of the film, in order; a line without a dub has ``source`` None. Seconds, dB."""
    found = {line.id: line for line in lines}
    rows = []
    for unit in units:
        line, slot = found.get(unit.id), slots[unit.id]
        row: dict[str, Any] = {
            "line": unit.id,
            "turn": unit.turn_id,
            "speaker": unit.speaker,
            "start": round(slot.segment.start, 3),
            "slot": round(slot.segment.duration, 3),
            "may_last": round(slot.soft_end - slot.segment.start, 3),
            "source": line.source if line else None,
        }
        if line:
            row |= {
                "natural": round(line.natural, 3),
                "final": round(line.segment.duration, 3),
                "stretch": line.stretch,
                "covered": round(_share(shared_time([slot.segment], [line.segment]), slot.segment.duration), 3),
                "gain_db": line.gain,
                "text": line.text,
                "notes": list(line.notes),
            }
        else:
            row["notes"] = ["no dub for this line: the actor would be silent"]
        rows.append(row)
    return rows


def coverage(source: Sequence[Segment], dub: Sequence[Segment], on_screen: Sequence[Segment] | None) -> dict[str, Any]:
    """How well the dub's speech lies on the source's (lipsync coverage: see docs/voice.md).

    ``covered``: share of the source's speech in which the dub speaks too; ``overlap``: intersection over union of both
    activities; ``uncovered_s``: lips would move and nothing is heard; ``outside_s``: something is heard and no lips
    moved. ``on_screen``: stretches in which a speaking face is seen, where the matching is known.
    """
    source, dub = union(list(source)), union(list(dub))
    both, spoken, dubbed = shared_time(source, dub), total_time(source), total_time(dub)
    report = {
        "source_speech_s": round(spoken, 2),
        "dub_speech_s": round(dubbed, 2),
        "covered": round(_share(both, spoken), 4),
        "overlap": round(_share(both, spoken + dubbed - both), 4),
        "uncovered_s": round(spoken - both, 2),
        "outside_s": round(dubbed - both, 2),
    }
    if on_screen is not None:
        seen = union(list(on_screen))
        report["on_screen_s"] = round(total_time(seen), 2)
        report["on_screen_covered"] = round(_share(shared_time(seen, dub), total_time(seen)), 4)
    return report


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 1.0
