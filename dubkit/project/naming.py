"""Whose line is it in the dub's own words: diarized voices get the names that the dub's stems or subtitles use.

Stems are the strongest evidence there is of who speaks when: the dub is in step with the film, so a turn belongs to the
stem that sounds during it. A turn under which no stem sounds takes the name that most of its speaker's turns took.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dubkit.types import Line, Segment, Turn

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


def renamed(
    turns: Sequence[Turn], found: Mapping[str, str], fixed: Mapping[str, str], lines: Mapping[str, str] = {}
) -> tuple[Turn, ...]:
    """The turns with the dub's names. A person's word on a line (``lines``, turn id → name) wins over one on a voice
    (``fixed``, speaker → name), and that over ``found`` (turn id → name)."""
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for turn in turns:
        if turn.id in found:
            votes[turn.speaker][found[turn.id]] += turn.segment.duration
    usual = {speaker: count.most_common(1)[0][0] for speaker, count in votes.items()}
    return tuple(
        replace(
            turn,
            speaker=lines.get(turn.id)
            or fixed.get(turn.speaker)
            or found.get(turn.id)
            or usual.get(turn.speaker)
            or turn.speaker,
        )
        for turn in turns
    )


def lines_renamed(lines: Sequence[Line], before: Sequence[Turn], now: Sequence[Turn]) -> tuple[Line, ...]:
    """The lines, and their words, with the names that their speakers' turns have ``now``; the same turns as ``before``."""
    of_turn = {turn.id: turn.speaker for turn in now}
    of_speaker = {old.speaker: new.speaker for old, new in zip(before, now, strict=True)}

    def called(line: Line) -> Line:
        name = of_turn.get(line.turn_id, line.speaker)
        names = of_speaker | {line.speaker: name}
        words = tuple(replace(word, speaker=names.get(word.speaker, word.speaker)) for word in line.words)
        return replace(line, speaker=name, words=words)

    return tuple(called(line) for line in lines)
