"""A transcript from a file in place of the transcriber: subtitles, a sheet's source column, or JSON of whisperX."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dubkit.errors import SpeechFileError
from dubkit.speech import cues as cue_files
from dubkit.speech.match import choose, gap, parts, speakers_of
from dubkit.types import Line, Turn, Word

log = logging.getLogger(__name__)

REACH = 0.5  # seconds that a word may lie outside its turn


def load(path: Path, turns: Sequence[Turn], language: str | None) -> tuple[Line, ...]:
    """One line a turn with the file's text. What lies on no turn is logged; raises SpeechFileError where nothing does."""
    found, notes = cue_files.load(path)
    for note in notes:
        log.warning(note)
    return distribute(found, turns, language, path.name)


def distribute(
    found: Sequence[cue_files.Cue], turns: Sequence[Turn], language: str | None, name: str = "the transcript"
) -> tuple[Line, ...]:
    """Cues whose words have times go to turns word by word, all others whole."""
    empty = [Line(turn.id, turn.id, turn.segment, turn.speaker, "", language=language) for turn in turns]
    by_id = {line.id: line for line in empty}
    said: dict[str, list[tuple[float, str, tuple[Word, ...]]]] = {}
    lost = 0
    cues = [replace(cue, text=cue.source) if cue.source else cue for cue in found]
    spoken = [part for cue in cues for part in parts(cue)]
    speakers = speakers_of(spoken, empty)
    for part in spoken:
        if part.cue.words and part.count == 1:
            near = [turn for turn in turns if gap(turn.segment, part.segment) <= REACH]
            for word in part.cue.words:
                word = replace(word, speaker=speakers.get(word.speaker or ""))
                if turn := _turn_of(word, near):
                    said.setdefault(turn.id, []).append((word.segment.start, word.text, (word,)))
                else:
                    lost += 1
        elif chosen := choose(part, empty, speakers, by_id):
            best = max(chosen, key=lambda line: line.segment.overlap(part.segment))
            said.setdefault(best.id, []).append((part.segment.start, part.text, ()))
        else:
            lost += 1
    if turns and spoken and not said:
        raise SpeechFileError(
            f"nothing in {name} lies on a turn: it begins at {spoken[0].segment.start:.1f} s, the turns at "
            f"{turns[0].segment.start:.1f} s; check that both belong to this film"
        )
    if lost:
        log.warning("%s: %d words or cues lie where nobody speaks and were left out", name, lost)
    return tuple(
        replace(
            line,
            text=" ".join(text for _, text, _ in sorted(said.get(line.id, ()), key=lambda item: item[0])),
            words=tuple(
                word for _, _, words in sorted(said.get(line.id, ()), key=lambda item: item[0]) for word in words
            ),
        )
        for line in empty
    )


def _turn_of(word: Word, turns: Sequence[Turn]) -> Turn | None:
    """The turn that shares most time with the word, its speaker's before all others, else the nearest within 0.5 s."""
    own = [turn for turn in turns if turn.speaker == word.speaker and turn.segment.overlap(word.segment) > 0]
    best = max(own or turns, key=lambda turn: turn.segment.overlap(word.segment), default=None)
    if best is None or best.segment.overlap(word.segment) > 0:
        return best
    nearest = min(turns, key=lambda turn: gap(turn.segment, word.segment))
    return nearest if gap(nearest.segment, word.segment) <= REACH else None
