"""Which frames of which track get new lips.

A track belongs to the speakers whose turns the cast room gave it. Its frames get new lips

* where the dub of such a speaker sounds while the track is on screen: a line may be longer than the turn it replaces;
* where the actor speaks in the source (``close_in_silence``): the dub is silent there, so the lips close.

Stretches that nearly touch become one job; a job never leaves its track, so never crosses a cut. Where there is room, the
fades lie outside the speech; at a cut nothing is faded, since nothing can pop there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np

from dubkit.digest import value_digest
from dubkit.lips.windows import Voice, voice_segment
from dubkit.settings import LipsSettings
from dubkit.timing import frames_covering
from dubkit.types import Assignment, DubLine, FaceTrack, FrameRange, LipJob, Segment, Shot, Turn

CODE = "7"
"""Raised when the same inputs give other pixels, so that finished jobs become stale."""

MAX_FRAMES = 500
"""Longest job: bounds memory and what a killed run loses. Longer speech is split into pieces that overlap by a fade."""

_MERGE_SECONDS = 0.4  # a mouth does not go back to the source for less


@dataclass(frozen=True, slots=True)
class _Stretch:
    frames: FrameRange
    speaker: str
    turn_ids: tuple[str, ...]


def plan_jobs(
    assignments: Sequence[Assignment],
    dub_lines: Sequence[DubLine],
    turns: Sequence[Turn],
    shots: Sequence[Shot],
    tracks: Mapping[str, FaceTrack],
    rate: Fraction,
    settings: LipsSettings,
    *,
    voice: Callable[[str, Segment], str] = lambda speaker, segment: "",
    constants: Mapping[str, str] = {},
) -> tuple[LipJob, ...]:
    """Jobs in the order of their first frame.

    ``voice(speaker, segment)`` gives a digest of what that speaker says there (see ``speech_digest``), so that a changed
    line makes only its own jobs stale; ``constants`` are the digests of what all jobs share: the film, the weights.
    """
    speakers = {turn.id: turn.speaker for turn in turns}
    shot_of = {shot.index: shot for shot in shots}
    wanted: dict[str, list[_Stretch]] = defaultdict(list)
    for track_id, speaker in sorted(_owners(assignments, speakers)):
        if track_id in tracks:
            track = tracks[track_id]
            limits = track.range & shot_of[track.shot].frames if track.shot in shot_of else track.range
            found = _speech(track, speaker, assignments, dub_lines, speakers, rate)
            found += _actor_speaks(track_id, speaker, assignments, speakers) if settings.close_in_silence else []
            inside = (replace(stretch, frames=stretch.frames & limits) for stretch in found)
            wanted[track_id] += [stretch for stretch in inside if len(stretch.frames)]
    jobs = []
    for track_id, stretches in wanted.items():
        merged = _merged(stretches, max(2 * settings.crossfade + 1, round(_MERGE_SECONDS * rate)))
        for job in _faded(merged, tracks[track_id], shot_of.get(tracks[track_id].shot), settings.crossfade):
            jobs += _split(job, settings.crossfade)
    track_digests = {job.track_id: track_digest(tracks[job.track_id]) for job in jobs}
    shared = {"code": CODE, "settings": settings.model_dump(exclude={"device", "batch_size"}), **constants}
    jobs = [replace(job, id=_job_id(job, track_digests[job.track_id], rate, voice, shared)) for job in jobs]
    return tuple(sorted(jobs, key=lambda job: (job.frames.start, job.track_id)))


def speech_digest(voice: Voice) -> Callable[[str, Segment], str]:
    """The ``voice`` argument of ``plan_jobs`` from the same function that ``run_jobs`` takes."""
    return lambda speaker, segment: value_digest(np.ascontiguousarray(voice(speaker, segment), "<f4").tobytes())


def track_digest(track: FaceTrack) -> str:
    """Names everything of a track that moves pixels."""
    parts = [track.frames.astype("<i8"), track.boxes.astype("<f4"), track.observed.astype("u1")]
    parts += [] if track.landmarks is None else [track.landmarks.astype("<f4")]
    return value_digest([part.tobytes() for part in parts])


def _job_id(job: LipJob, track: str, rate: Fraction, voice, shared: Mapping[str, object]) -> str:
    sound = voice(job.speaker, voice_segment(job.frames, rate))
    own = {
        "track": track,
        "frames": (job.frames.start, job.frames.stop),
        "fade": job.fade,
        "rate": rate,
        "voice": sound,
    }
    return value_digest({**own, "shared": dict(shared)})


def _owners(assignments: Sequence[Assignment], speakers: Mapping[str, str]) -> set[tuple[str, str]]:
    """(track, speaker) pairs that the cast room put together at least once."""
    return {(a.track_id, speakers[a.turn_id]) for a in assignments if a.track_id and a.turn_id in speakers}


def _speech(track, speaker, assignments, dub_lines, speakers, rate) -> list[_Stretch]:
    """Where the dub of the track's owner sounds. A turn that was given to nobody or to another face in this shot is
    left out: a person or the evidence said that it is not spoken here."""
    elsewhere = {a.turn_id for a in assignments if a.shot == track.shot and a.track_id != track.id}
    elsewhere -= {a.turn_id for a in assignments if a.track_id == track.id}
    return [
        _Stretch(FrameRange(*frames_covering(line.segment.start, line.segment.end, rate)), speaker, (line.turn_id,))
        for line in dub_lines
        if speakers.get(line.turn_id) == speaker and line.turn_id not in elsewhere
    ]


def _actor_speaks(track_id: str, speaker: str, assignments, speakers: Mapping[str, str]) -> list[_Stretch]:
    mine = (a for a in assignments if a.track_id == track_id and speakers.get(a.turn_id) == speaker)
    return [_Stretch(a.frames, speaker, (a.turn_id,)) for a in mine]


def _merged(stretches: list[_Stretch], gap: int) -> list[_Stretch]:
    """One speaker's stretches joined where fewer than ``gap`` frames lie between; another speaker on the same track (one
    person under two names) takes over where the first ends."""
    joined: list[_Stretch] = []
    for stretch in sorted(stretches, key=lambda s: (s.frames.start, s.frames.stop)):
        last = joined[-1] if joined else None
        if last and last.speaker == stretch.speaker and stretch.frames.start - last.frames.stop < gap:
            stop = max(last.frames.stop, stretch.frames.stop)
            ids = tuple(dict.fromkeys(last.turn_ids + stretch.turn_ids))
            joined[-1] = _Stretch(FrameRange(last.frames.start, stop), last.speaker, ids)
            continue
        start = max(stretch.frames.start, last.frames.stop) if last else stretch.frames.start
        if start < stretch.frames.stop:
            joined.append(replace(stretch, frames=FrameRange(start, stretch.frames.stop)))
    return joined


def _faded(stretches: list[_Stretch], track: FaceTrack, shot: Shot | None, crossfade: int) -> list[LipJob]:
    """Jobs with their fades: outside the speech where the track has room, none at a cut, inside it otherwise."""
    limits = track.range & shot.frames if shot else track.range
    jobs: list[LipJob] = []
    for i, stretch in enumerate(stretches):
        after = stretches[i + 1].frames.start if i + 1 < len(stretches) else limits.stop
        before = jobs[-1].frames.stop if jobs else limits.start
        start = max(stretch.frames.start - crossfade, before)
        stop = min(stretch.frames.stop + crossfade, max(after, stretch.frames.stop))
        at_cut = (shot is not None and start == shot.frames.start, shot is not None and stop == shot.frames.stop)
        touching = bool(jobs) and start == jobs[-1].frames.stop
        handed_over = i + 1 < len(stretches) and stop == after
        fade_in = 0 if at_cut[0] or touching else crossfade
        fade_out = 0 if at_cut[1] or handed_over else crossfade
        jobs.append(LipJob("", track.id, track.shot, FrameRange(start, stop), stretch.speaker, stretch.turn_ids,
                           (fade_in, fade_out)))  # fmt: skip
    return jobs


def _split(job: LipJob, crossfade: int) -> list[LipJob]:
    """Pieces of at most ``MAX_FRAMES``; each fades in over the last frames of the one before, which stays in full."""
    pieces = -(-len(job.frames) // (MAX_FRAMES - crossfade))
    edges = [job.frames.start + len(job.frames) * i // pieces for i in range(pieces + 1)]
    found = []
    for i, (start, stop) in enumerate(pairwise(edges)):
        fade = (crossfade if i else job.fade[0], job.fade[1] if stop == job.frames.stop else 0)
        found.append(replace(job, frames=FrameRange(start - crossfade if i else start, stop), fade=fade))
    return found
