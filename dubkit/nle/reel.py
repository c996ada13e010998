"""The frames a timeline uses, with handles, laid end to end as one film to dub: the reel.

A reel runs at the timeline's rate, so what comes back fits the timeline frame for frame, whatever the rate or the
constant speed of the media. A *piece* is one stretch of the reel; it lies on one diagonal of (media time, record frame),
so every reel frame belongs to exactly one record frame, and a dub recorded against the timeline can be laid under it.
Two uses become one piece where they continue each other, or where their handles meet (a razor cut).
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby
from pathlib import Path

from dubkit.nle.uses import Refusal, Use
from dubkit.types import FrameRange


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What the reel must know about a media file that the timeline uses."""

    duration: Fraction  # seconds of picture
    rate: Fraction  # frames a second; the nominal one for VFR
    look: tuple[object, ...]  # size, shape and range of pixels: pieces of one reel must look alike
    channels: int  # of its first sound stream; 0 = silent
    variable: bool = False  # frame rate (VFR)
    pixels: str = "yuv420p"  # FFmpeg's name of the pixel format


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one media file in the reel: head handle, one use or several, tail handle."""

    media: Path
    speed: Fraction  # media seconds a second
    source_start: Fraction  # seconds in the media of the first frame, handle included
    at: int  # record frame of the first frame; handles may reach below 0 and under other clips
    length: int  # frames at the timeline's rate
    uses: tuple[Use, ...]
    reel_start: int = 0  # frame of the reel
    name: str = ""  # letters: editors take files whose names end in numbers for picture sequences

    @property
    def record(self) -> FrameRange:
        return FrameRange(self.at, self.at + self.length)

    @property
    def reel(self) -> FrameRange:
        return FrameRange(self.reel_start, self.reel_start + self.length)


@dataclass(frozen=True, slots=True)
class Reel:
    """Pieces that look alike, end to end."""

    rate: Fraction
    pieces: tuple[Piece, ...]

    @property
    def length(self) -> int:
        """Frames."""
        return sum(piece.length for piece in self.pieces)

    def piece_at(self, frame: int) -> Piece:
        return next(piece for piece in self.pieces if frame in piece.reel)

    def record_at(self, frame: int) -> int | None:
        """The record frame that shows reel frame ``frame``; None for a handle."""
        piece = self.piece_at(frame)
        record = piece.at + frame - piece.reel_start
        return record if any(record in use.record for use in piece.uses) else None


def plan(
    uses: Sequence[Use], rate: Fraction, handles: int, inspect: Callable[[Path], MediaInfo]
) -> tuple[list[Reel], list[Refusal]]:
    """Reels for these uses, and the uses whose media does not have the frames that the timeline shows.

    ``handles``: frames kept before and after each use for trimming, as far as the media has them. ``inspect`` is
    asked once for each media file.
    """
    facts = {path: inspect(path) for path in dict.fromkeys(use.clip.media for use in uses)}
    pieces, refusals = [], []
    for use in uses:
        piece = _with_handles(use, rate, handles, facts[use.clip.media])
        if piece is None:
            held = float(facts[use.clip.media].duration)
            reason = f"the timeline shows frames that {use.clip.media.name} does not have (it lasts {held:.3f} s)"
            refusals.append(Refusal(use.clip.name, use.track, use.record, reason))
        else:
            pieces.append(piece)
    joined = _joined(pieces, rate)
    alike = lambda piece: repr(facts[piece.media].look)  # noqa: E731
    named = [replace(piece, name=letters(i)) for i, piece in enumerate(joined)]
    reels = [_laid_out(rate, list(group)) for _, group in groupby(sorted(named, key=alike), key=alike)]
    return reels, refusals


def _with_handles(use: Use, rate: Fraction, handles: int, info: MediaInfo) -> Piece | None:
    clip, speed = use.clip, use.clip.speed
    start = clip.source_start + (use.record.start - clip.record.start) / rate * speed
    end = start + len(use.record) / rate * speed
    slack = Fraction(1, 2) / min(rate, info.rate)  # mixed rates round to half a frame
    if start < -slack or end > info.duration + slack:
        return None
    start = max(start, Fraction(0))
    frame = speed / rate  # media seconds a record frame
    head = min(handles, math.floor(start / frame))
    tail = min(handles, max(0, math.floor((info.duration - end) / frame)))
    return Piece(
        media=clip.media,
        speed=speed,
        source_start=start - head * frame,
        at=use.record.start - head,
        length=head + len(use.record) + tail,
        uses=(use,),
    )


def _joined(pieces: Sequence[Piece], rate: Fraction) -> list[Piece]:
    """Merges pieces on one diagonal that touch or overlap. Keeps the order of time."""
    joined: list[Piece] = []
    for piece in sorted(pieces, key=lambda p: p.uses[0].record):
        for i, earlier in enumerate(joined):
            same = (earlier.media, earlier.speed) == (piece.media, piece.speed)
            diagonal = piece.source_start - earlier.source_start == (piece.at - earlier.at) / rate * piece.speed
            if same and diagonal and piece.at <= earlier.record.stop:
                stop = max(earlier.record.stop, piece.record.stop)
                joined[i] = replace(earlier, length=stop - earlier.at, uses=earlier.uses + piece.uses)
                break
        else:
            joined.append(piece)
    return joined


def _laid_out(rate: Fraction, pieces: list[Piece]) -> Reel:
    laid, position = [], 0
    for piece in sorted(pieces, key=lambda p: p.uses[0].record):
        laid.append(replace(piece, reel_start=position))
        position += piece.length
    return Reel(rate, tuple(laid))


def letters(number: int) -> str:
    """0 → 'aa', 1 → 'ab', 26 → 'ba' ...: short, in order, without digits."""
    text = ""
    while number or len(text) < 2:
        number, digit = divmod(number, 26)
        text = string.ascii_lowercase[digit] + text
    return text
