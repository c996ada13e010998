"""Which cue of a translation belongs to which line of the film: by line id, by time, by speaker, and by text.

A cue takes the lines that it shares most time with. Names that the cues carry (the film's characters) are first matched
to the diarized speakers over the whole film, and then decide where two people speak at once; so do words that survive
translation (names, numbers) and, in a sheet, the source text itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from dubkit.speech.cues import Cue
from dubkit.types import Line, Segment

ENOUGH = 0.3  # share of the shorter of cue and line that both must cover
NEAR = 0.6  # seconds that a cue may miss its line by, where it meets no other
_OWN_SPEAKER = 0.35  # what a fitting name is worth, in shares of time
_TEXT = 0.25  # what the same source text, or the same names and numbers, is worth
_CLAUSE = 0.08  # by how much, in shares of the text, the end of a sentence may be further away than that of a clause
_REACH = 0.25  # share of the text that a cut may lie away from where the actor pauses
_DASH = re.compile(r"(?:^|\n)\s*[-–—]\s*")
_UNSPOKEN = re.compile(r"^\s*(?:[\[(][^\])]*[\])]|[♪♫#][^♪♫#]*[♪♫#]?|\s)*$")


@dataclass(frozen=True, slots=True)
class Part:
    """What one speaker says in a cue; a cue with two dashes has two parts."""

    cue: Cue
    text: str
    index: int = 0
    count: int = 1
    place: Segment | None = None  # where it is said, once that is known better than by the cue

    @property
    def segment(self) -> Segment:
        """The part's own share of the cue, by the length of the texts before it being unknown: equal shares."""
        if self.place:
            return self.place
        step = self.cue.segment.duration / self.count
        start = self.cue.segment.start + step * self.index
        return Segment(start, start + step)


def parts(cue: Cue) -> tuple[Part, ...]:
    """The cue cut at its dashes: "- Hola.\\n- Adiós." are two people. Sound descriptions and songs have no part."""
    if cue.text and _UNSPOKEN.match(cue.text):
        return ()
    pieces = [piece.strip() for piece in _DASH.split(cue.text) if piece.strip()] or [cue.text]
    if len(pieces) == 1 or not cue.text.lstrip().startswith(("-", "–", "—")):
        return (Part(cue, " ".join(_DASH.sub("\n", cue.text).split())),)
    return tuple(Part(cue, " ".join(piece.split()), i, len(pieces)) for i, piece in enumerate(pieces))


def speakers_of(found: Sequence[Part], lines: Sequence[Line]) -> dict[str, str]:
    """Name in the cues → diarized speaker who speaks most of the time under that name."""
    shared: dict[str, dict[str, float]] = {}
    for part in found:
        if part.cue.speaker and part.count == 1:
            for line in lines:
                if seconds := part.segment.overlap(line.segment):
                    votes = shared.setdefault(part.cue.speaker, {})
                    votes[line.speaker] = votes.get(line.speaker, 0.0) + seconds
    return {name: max(votes, key=votes.get) for name, votes in shared.items()}


def choose(
    part: Part, lines: Sequence[Line], speakers: Mapping[str, str], by_id: Mapping[str, Line]
) -> tuple[Line, ...]:
    """The lines whose place the part takes, in order of time: usually one, several where a cue spans pauses, or none."""
    cue = part.cue
    if cue.line_id in by_id and by_id[cue.line_id].segment.overlap(_wide(cue.segment, NEAR)) > 0:
        return (by_id[cue.line_id],)
    scored = [(_score(part, line, speakers), line) for line in lines if _covers(part.segment, line.segment)]
    if not scored:
        near = [line for line in lines if gap(part.segment, line.segment) <= NEAR]
        fitting = [line for line in near if line.speaker == speakers.get(cue.speaker or "")] or near
        best = min(fitting, key=lambda line: gap(part.segment, line.segment), default=None)
        return (best,) if best else ()
    best = max(scored, key=lambda pair: pair[0])[1]
    return tuple(line for _, line in scored if line.speaker == best.speaker)


def shared_out(text: str, lines: Sequence[Line]) -> list[str] | None:
    """A text over several turns of one actor cut where the actor pauses: one piece a line, or None.

    A cut lies after a sentence or a clause, as near as possible to the share of the source's letters (of the time, where
    a line has no text) that comes before the pause. None where a pause has no such place near it: then it is said at once.
    """
    sizes = [len(line.text) for line in lines] if all(line.text for line in lines) else []
    sizes = sizes or [line.segment.duration for line in lines]
    ends = [(m.end(), 0.0) for m in re.finditer(r"[.!?…]+[\"'»”)]*\s+", text)]
    ends += [(m.end(), _CLAUSE) for m in re.finditer(r"[,;:–—]\s+", text)]
    cuts = [0]
    for number in range(1, len(lines)):
        wanted = sum(sizes[:number]) / sum(sizes)
        near = [(abs(at / len(text) - wanted) + price, at) for at, price in ends if cuts[-1] < at < len(text)]
        cost, at = min(near, default=(1.0, 0))
        if cost > _REACH:
            return None
        cuts.append(at)
    return [text[a:b].strip() for a, b in zip(cuts, [*cuts[1:], len(text)], strict=True)]


def _score(part: Part, line: Line, speakers: Mapping[str, str]) -> float:
    shorter = max(1e-6, min(part.segment.duration, line.segment.duration))
    score = part.segment.overlap(line.segment) / shorter
    if part.cue.speaker and speakers.get(part.cue.speaker) == line.speaker:
        score += _OWN_SPEAKER
    return score + _TEXT * _alike(part, line.text)


def _alike(part: Part, text: str) -> float:
    if part.cue.source and text:
        return SequenceMatcher(None, part.cue.source.lower(), text.lower()).ratio()
    kept = _kept_words(text)
    return len(kept & _kept_words(part.text)) / len(kept) if kept else 0.0


def _kept_words(text: str) -> set[str]:
    """Numbers, and capitalised words that do not begin a sentence: what translation leaves alone."""
    words = re.findall(r"(?<![.!?¿¡]\s)(?<!^)\b[^\W\d_][\w'-]+|\d+", text)
    return {word.lower() for word in words if word[0].isupper() or word[0].isdigit()}


def _covers(cue: Segment, line: Segment) -> bool:
    shared = cue.overlap(line)
    return shared > 0 and shared >= ENOUGH * min(cue.duration, line.duration)


def _wide(segment: Segment, by: float) -> Segment:
    return Segment(max(0.0, segment.start - by), segment.end + by)


def gap(a: Segment, b: Segment) -> float:
    """Seconds between two stretches; 0 where they meet."""
    return max(0.0, a.start - b.end, b.start - a.end)
