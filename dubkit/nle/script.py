"""The dub laid under the reel: a dialogue track cut to the reel's order, or subtitles moved to its time.

A dub is made either against the *timeline* (a studio records to the edited programme: time 0 is the timeline's first frame) or
against the *media* (a dub of the film that the timeline cuts: time 0 is the media's first frame). Dialogue on the timeline
itself, on a track of its own, is of the first sort.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pysubs2

from dubkit.errors import InputError, SpeechFileError
from dubkit.nle.reel import Piece, Reel
from dubkit.nle.sound import SAMPLE_RATE, read_sound, timeline_sound
from dubkit.nle.timeline import Timeline, TimelineError
from dubkit.speech.cues import decode
from dubkit.timing import sample_at


@dataclass(frozen=True, slots=True)
class Script:
    """Where the new dialogue comes from; exactly one of the first three."""

    dialogue: Path | None = None  # a sound file
    track: str | None = None  # the name of an audio track of the timeline
    subtitles: Path | None = None  # to be spoken
    time: str = "timeline"  # "timeline" | "media": what time 0 of the file is

    def __post_init__(self) -> None:
        if sum(given is not None for given in (self.dialogue, self.track, self.subtitles)) != 1:
            raise InputError("give the dub as exactly one of: a dialogue file, a track of the timeline, subtitles")
        if self.time not in ("timeline", "media"):
            raise InputError(f"a dub is in 'timeline' or 'media' time, got '{self.time}'")
        if self.track is not None and self.time != "timeline":
            raise InputError("a dub on a track of the timeline is always in timeline time")


@dataclass(frozen=True, slots=True)
class Span:
    """``seconds`` of the dub from ``dub`` belong under the reel from ``reel``; both in seconds."""

    dub: Fraction
    reel: Fraction
    seconds: Fraction
    record: int | None = None  # record frame of its start, where the dub is in timeline time


def spans(reel: Reel, time: str) -> list[Span]:
    """How the dub's time maps onto the reel's. Handles get dialogue only from a dub in media time.

    Raises TimelineError for a retimed clip with a dub in media time, which would have to be retimed as well.
    """
    found = []
    for piece in reel.pieces:
        if time == "media":
            if piece.speed != 1:
                raise TimelineError(
                    f"'{piece.uses[0].clip.name}' runs at {float(piece.speed):.0%} speed, so a dub in media time does not fit it; "
                    "give a dub in timeline time"
                )
            found.append(Span(piece.source_start, piece.reel_start / reel.rate, piece.length / reel.rate))
            continue
        for use in piece.uses:
            position = piece.reel_start + use.record.start - piece.at
            seconds = len(use.record) / reel.rate
            found.append(Span(use.record.start / reel.rate, position / reel.rate, seconds, use.record.start))
    return found


def dialogue_for(reel: Reel, script: Script, timeline: Timeline) -> np.ndarray:
    """The dialogue as long as the reel: mono float32 ``(1, N)`` at 48 kHz, silent where nobody is dubbed."""
    out = np.zeros((1, sample_at(reel.length / reel.rate, SAMPLE_RATE)), np.float32)
    for span in spans(reel, script.time):
        if script.track is not None:
            stop = span.record + round(span.seconds * reel.rate)
            data = timeline_sound(timeline, [dub_track(timeline, script.track)], span.record, stop, 1)
        else:
            data = read_sound(script.dialogue, span.dub, span.seconds, 1)
        begin = sample_at(span.reel, SAMPLE_RATE)
        room = out[:, begin : begin + data.shape[1]]
        room[:] = data[:, : room.shape[1]]
    return out


def subtitles_for(reel: Reel, script: Script) -> tuple[pysubs2.SSAFile, list[tuple[str, str]]]:
    """The cues in the reel's time, and ``(text, problem)`` for each cue that a cut shortens.

    A cue goes to the stretch that shows most of it. One that is shown nowhere is left out: its clip is not used.
    """
    try:
        text, _ = decode(script.subtitles.read_bytes(), script.subtitles.name)
        given = pysubs2.SSAFile.from_string(text)
    except (OSError, ValueError, SpeechFileError, pysubs2.exceptions.Pysubs2Error) as error:
        raise InputError(f"cannot read the subtitles {script.subtitles}: {error}") from error
    moved, problems = pysubs2.SSAFile(), []
    for cue in given:
        start, end = Fraction(cue.start, 1000), Fraction(cue.end, 1000)
        shown = max(spans(reel, script.time), key=lambda s: _overlap(s, start, end), default=None)
        if shown is None or _overlap(shown, start, end) <= 0:
            continue
        low, high = max(start, shown.dub), min(end, shown.dub + shown.seconds)
        if high - low < end - start:
            problems.append(
                (cue.plaintext, f"a cut leaves {float(high - low):.2f} s of the line's {float(end - start):.2f} s")
            )
        shift = shown.reel - shown.dub
        copy = cue.copy()
        copy.start, copy.end = round((low + shift) * 1000), round((high + shift) * 1000)
        moved.append(copy)
    moved.sort()
    return moved, problems


def dub_track(timeline: Timeline, name: str):
    """The audio track of that name, whatever its case. Raises TimelineError listing what there is."""
    tracks = timeline.of_kind("audio")
    for track in tracks:
        if track.name.casefold() == name.casefold() and not track.ours:
            return track
    there = ", ".join(f"'{track.name}'" for track in tracks) or "none"
    raise TimelineError(
        f"the timeline has no audio track named '{name}' with the new dialogue; its audio tracks: {there}"
    )


def piece_sound(
    piece: Piece, rate: Fraction, channels: int, timeline: Timeline, silent_media: bool, script: Script
) -> np.ndarray:
    """The original sound of a piece: the media's own, or the timeline's where the media is silent (separate sound).

    A dub in timeline time has nothing for the handles, so they are silent here as well: speech heard there would be a line that
    the dub leaves too short, and one clip's last words would run into the next clip's first.
    """
    seconds = piece.length / rate
    if not silent_media:
        out = read_sound(piece.media, piece.source_start, seconds, channels, piece.speed)
        if script.time == "timeline":
            shown = np.zeros(out.shape[1], bool)
            for use in piece.uses:
                first, past = (
                    sample_at((f - piece.at) / rate, SAMPLE_RATE) for f in (use.record.start, use.record.stop)
                )
                shown[first:past] = True
            out[:, ~shown] = 0
        return out
    theirs = [
        t
        for t in timeline.of_kind("audio")
        if t.enabled and not t.ours and t.name.casefold() != (script.track or "").casefold()
    ]
    out = np.zeros((channels, sample_at(seconds, SAMPLE_RATE)), np.float32)
    for use in piece.uses:
        data = timeline_sound(timeline, theirs, use.record.start, use.record.stop, channels)
        begin = sample_at((use.record.start - piece.at) / rate, SAMPLE_RATE)
        room = out[:, begin : begin + data.shape[1]]
        room[:] = data[:, : room.shape[1]]
    return out


def _overlap(span: Span, start: Fraction, end: Fraction) -> Fraction:
    return min(end, span.dub + span.seconds) - max(start, span.dub)
