"""What the dub adds to a timeline: a video and an audio track on top, and markers where a person should look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from dubkit.nle.dubber import LineNote
from dubkit.nle.reel import Reel
from dubkit.nle.timeline import OURS, Clip, Marker, MediaFacts, Timeline, Track
from dubkit.nle.uses import Refusal
from dubkit.timing import frame_at
from dubkit.types import FrameRange


@dataclass(frozen=True, slots=True)
class Placement:
    """A stretch of a dubbed file and where it goes."""

    path: Path
    first: int  # frame of the file
    record: FrameRange
    name: str
    facts: MediaFacts


def placements(reels: Iterable[Reel], files: Mapping[str, Path], facts: Mapping[str, MediaFacts]) -> list[Placement]:
    """One for each use, in order of time. ``files`` and ``facts`` are by piece name."""
    found = [
        Placement(files[piece.name], use.record.start - piece.at, use.record, use.clip.name, facts[piece.name])
        for reel in reels
        for piece in reel.pieces
        for use in piece.uses
    ]
    return sorted(found, key=lambda placement: placement.record)


def markers_for(reel: Reel, notes: Iterable[LineNote]) -> list[Marker]:
    """Notes of a reel as markers of the timeline, cut to what the timeline shows; notes within handles are left out."""
    found = []
    for note in notes:
        frames = range(
            frame_at(note.start, reel.rate), max(frame_at(note.start, reel.rate) + 1, frame_at(note.end, reel.rate))
        )
        record = [reel.record_at(frame) for frame in frames if frame < reel.length]
        shown = sorted(frame for frame in record if frame is not None)
        if shown:
            found.append(
                Marker(FrameRange(shown[0], shown[-1] + 1), f"{OURS}: look here", note.text, "RED", added=True)
            )
    return found


def refusal_markers(refusals: Iterable[Refusal]) -> list[Marker]:
    return [
        Marker(refused.record, f"{OURS}: not dubbed", f"{refused.name}: {refused.reason}", "YELLOW", added=True)
        for refused in refusals
    ]


def with_dub(
    timeline: Timeline, placed: Sequence[Placement], markers: Sequence[Marker], language: str, key: str
) -> Timeline:
    """The timeline with the dub on new tracks above everything; what dubkit added earlier is replaced.

    The originals are the same objects, untouched.
    """
    before = timeline.without_ours()
    name = f"{OURS} {language} {key[:8]}"
    clips = tuple(
        Clip(f"{OURS} {language}: {p.name}", p.record, p.path, Fraction(p.first) / p.facts.rate, facts=p.facts)
        for p in placed
    )
    tracks = list(before.tracks)
    if clips:
        video = len(before.of_kind("video"))
        tracks.insert(video, Track("video", name, clips, added=True))
        heard = tuple(clip for clip in clips if clip.facts.channels)
        if heard:
            tracks.append(Track("audio", name, heard, added=True))
    return replace(
        before,
        tracks=tuple(tracks),
        markers=before.markers + tuple(markers),
        metadata=before.metadata | {"key": key, "language": language},
    )
