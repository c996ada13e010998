"""Whose line is it in the dub's own words: diarized voices get the names that the dub's stems or subtitles use.

Stems are the strongest evidence there is of who speaks when: the dub is in step with the film, so a turn belongs to the
stem that sounds during it. A turn under which no stem sounds takes the name that most of its speaker's turns took.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dubkit.types import Segment, Turn

_ENOUGH = 0.25  # share of a turn that a stem must sound


def names_from_stems(turns: Sequence[Turn], speech: Mapping[str, Sequence[Segment]]) -> dict[str, str]:
    """Turn id → stem name, where it can be told. ``speech``: where each stem sounds."""
    found: dict[str, str] = {}
    for turn in turns:
        sounding = {name: sum(turn.segment.overlap(s) for s in segments) for name, segments in speech.items()}
        best = max(sounding, key=sounding.get, default=None)
        if best is not None and sounding[best] >= _ENOUGH * turn.segment.duration:
            found[turn.id] = best
    return found


def renamed(turns: Sequence[Turn], found: Mapping[str, str], fixed: Mapping[str, str]) -> tuple[Turn, ...]:
    """The turns with the dub's names. ``fixed`` (speaker → name, a person's word) wins over ``found`` (turn id → name)."""
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for turn in turns:
        if turn.id in found:
            votes[turn.speaker][found[turn.id]] += turn.segment.duration
    usual = {speaker: count.most_common(1)[0][0] for speaker, count in votes.items()}
    return tuple(
        replace(turn, speaker=fixed.get(turn.speaker) or found.get(turn.id) or usual.get(turn.speaker) or turn.speaker)
        for turn in turns
    )
