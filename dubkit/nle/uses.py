"""Which frames of which media the timeline shows, and which clips cannot be dubbed and why.

At every record frame the topmost enabled clip that has a picture is what the audience sees. Titles and generators lie over
it without hiding it. A clip that cannot be read (a nested timeline, media that is missing, a changing speed) still
hides what is under it, and is refused by name; the rest of the timeline is dubbed all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dubkit.nle.timeline import Clip, Timeline, TimelineError
from dubkit.types import FrameRange

GENERATOR = "generator"  # what a reader writes in ``Clip.without_media`` for titles, solids, adjustment layers


@dataclass(frozen=True, slots=True)
class Scope:
    """A part of the timeline chosen by the editor: a range, and the video track where only one is meant (1 = lowest)."""

    record: FrameRange
    track: int | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """A visible stretch of a clip."""

    clip: Clip
    track: int  # video track, 1 = lowest
    record: FrameRange


@dataclass(frozen=True, slots=True)
class Refusal:
    """A visible stretch that dubkit leaves alone, and why, in a sentence for the editor."""

    name: str
    track: int
    record: FrameRange
    reason: str


def visible(timeline: Timeline, scope: Sequence[Scope] = ()) -> tuple[list[Use], list[Refusal]]:
    """What the timeline shows within ``scope`` (all of it where empty), in order of time. Raises TimelineError if nothing."""
    uses: list[Use] = []
    refusals: list[Refusal] = []
    covered: list[FrameRange] = []
    tracks = list(enumerate(timeline.without_ours().of_kind("video"), start=1))
    for index, track in reversed(tracks):
        if not track.enabled:
            continue
        hidden = list(covered)
        for clip in track.clips:
            if not clip.enabled or clip.without_media == GENERATOR:
                continue
            for part in without(clip.record, hidden):
                for chosen in _chosen(part, index, scope):
                    reason = refusal(clip)
                    if reason:
                        refusals.append(Refusal(clip.name, index, chosen, reason))
                    else:
                        uses.append(Use(clip, index, chosen))
            covered.append(clip.record)
    if not uses and not refusals:
        where = "the chosen part of the timeline" if scope else f"the timeline '{timeline.name}'"
        raise TimelineError(f"{where} shows no video clip with media; nothing can be dubbed")
    return sorted(uses, key=lambda use: use.record), sorted(refusals, key=lambda r: r.record)


def refusal(clip: Clip) -> str:
    """Why this clip cannot be dubbed; empty where it can."""
    if clip.media is None:
        kind = clip.without_media or "no media file"
        return f"{kind}: render it to a file and put that in its place"
    if clip.speed is None:
        return "its speed changes: render it to a file and put that in its place"
    if clip.speed == 0:
        return "a freeze frame: there is no movement to follow"
    if clip.speed < 0:
        return "it plays backwards: there is no speech to follow"
    return ""


def without(whole: FrameRange, holes: Sequence[FrameRange]) -> list[FrameRange]:
    """What remains of ``whole`` once ``holes`` are taken out, in order."""
    parts, position = [], whole.start
    for hole in sorted(holes):
        if hole.stop <= position or hole.start >= whole.stop:
            continue
        if hole.start > position:
            parts.append(FrameRange(position, hole.start))
        position = max(position, hole.stop)
    if position < whole.stop:
        parts.append(FrameRange(position, whole.stop))
    return parts


def _chosen(part: FrameRange, track: int, scope: Sequence[Scope]) -> list[FrameRange]:
    if not scope:
        return [part]
    wanted = [part & chosen.record for chosen in scope if chosen.track in (None, track)]
    inside = without(part, [hole for hole in wanted if len(hole)])
    return without(part, inside)
