"""Whose line is it: a track's own speech activity laid over the turns of the source.

The dub speaks roughly when the actor spoke. Each stretch of speech goes to the turn with which it shares most time; a
stretch that covers several turns is cut between them where it is quietest; one that meets no turn goes to the nearest,
if that is near, and else to nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dubkit.types import Segment, Turn

REACH = 0.8  # seconds: a line may start that much before, or end that much after, its turn
SEARCH = 0.4  # seconds around the border of two turns in which the quietest moment is looked for
PAUSE = 0.12  # seconds: pauses this long part two stretches before they are attributed


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the track and the turn it belongs to; ``turn`` None where no turn is near."""

    segment: Segment
    turn: Turn | None
    doubtful: bool = False  # two people speak here in the source, one had to be chosen


def attribute(speech: Sequence[Segment], turns: Sequence[Turn], levels: np.ndarray) -> list[Piece]:
    """Pieces in order of time; together they are exactly ``speech``. ``levels``: dBFS per 10 ms of the track."""
    pieces: list[Piece] = []
    ordered = sorted(turns, key=lambda turn: turn.segment)
    for segment in speech:
        claims = [t for t in ordered if _claims(t.segment, segment)]
        if not claims:
            near = min(ordered, key=lambda t: _distance(t.segment, segment), default=None)
            near = near if near and _distance(near.segment, segment) <= REACH else None
            pieces.append(Piece(segment, near))
            continue
        inside = [t for t in claims if any(_contains(o.segment, t.segment) for o in claims if o is not t)]
        claims = [t for t in claims if t not in inside] or claims[:1]
        start = segment.start
        for this, following in zip(claims, claims[1:], strict=False):
            cut = _quietest(levels, this.segment.end, following.segment.start, Segment(start, segment.end))
            pieces.append(Piece(Segment(start, cut), this, _doubtful(Segment(start, cut), this, turns)))
            start = cut
        rest = Segment(start, segment.end)
        pieces.append(Piece(rest, claims[-1], _doubtful(rest, claims[-1], turns)))
    return [piece for piece in pieces if piece.segment.duration > 0]


def _claims(turn: Segment, speech: Segment) -> bool:
    """Whether they share enough: 0.3 s, or nearly half of the shorter one."""
    shared = turn.overlap(speech)
    return shared > 0 and shared >= min(0.3, 0.4 * min(turn.duration, speech.duration))


def _contains(outer: Segment, inner: Segment) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end and outer != inner


def _distance(turn: Segment, speech: Segment) -> float:
    return max(0.0, turn.start - speech.end, speech.start - turn.end)


def _quietest(levels: np.ndarray, end: float, start: float, within: Segment) -> float:
    """The quietest 50 ms around the border from one turn's end to the next one's start; the middle where all is equal."""
    first = round(max(within.start, min(end, start) - SEARCH) * 100)
    last = round(min(within.end, max(end, start) + SEARCH) * 100)
    if last - first < 5:
        return min(max((end + start) / 2, within.start), within.end)
    smooth = np.convolve(levels[first:last], np.full(5, 0.2), "same")
    smooth = smooth + 1e-3 * np.abs(np.arange(len(smooth)) - ((end + start) * 50 - first))
    return (first + int(np.argmin(smooth))) / 100


def _doubtful(piece: Segment, turn: Turn, turns: Sequence[Turn]) -> bool:
    return any(t.speaker != turn.speaker and t.segment.overlap(piece) > 0.5 * piece.duration for t in turns)
