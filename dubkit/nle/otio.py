"""Between OpenTimelineIO's objects and the neutral timeline. Imported only by the plug-ins that need OpenTimelineIO.

What an OTIO document says that the neutral model cannot is never lost on the way back: ``add_dub`` puts dubkit's tracks into
a copy of the document itself. Conventions follow what Resolve writes and accepts: the duration of a retimed clip's source
range is its length on the timeline, source ranges count from the media's own timecode, and paths are bare unless
the document uses ``file://``.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from dubkit.nle.paths import media_path
from dubkit.nle.timeline import PLAIN, Clip, Marker, MediaFacts, Timeline, TimelineError, Track
from dubkit.nle.uses import GENERATOR
from dubkit.timing import Timecode, exact_rate, nominal
from dubkit.types import FrameRange

NOTE = "dubkit"  # our key in OTIO metadata


def seconds(time: otio.opentime.RationalTime) -> Fraction:
    """Exact seconds. OTIO keeps floats; a value within 0.0001 of a whole frame is that frame."""
    value = (
        round(time.value)
        if abs(time.value - round(time.value)) < 1e-4
        else Fraction(time.value).limit_denominator(100_000)
    )
    return Fraction(value) / exact_rate(time.rate)


def rational(frames: Fraction | int, rate: Fraction) -> otio.opentime.RationalTime:
    """A time of OTIO from frames at an exact rate."""
    whole = Fraction(frames)
    return otio.opentime.RationalTime(int(whole) if whole.denominator == 1 else float(whole), float(rate))


def single_timeline(document: object, name: str) -> otio.schema.Timeline:
    """The one timeline of a document. Raises TimelineError."""
    if isinstance(document, otio.schema.Timeline):
        return document
    if isinstance(document, otio.schema.SerializableCollection):
        inside = list(document.find_children(descended_from_type=otio.schema.Timeline))
        if len(inside) == 1:
            return inside[0]
        raise TimelineError(f"{name} holds {len(inside)} timelines; export the one to dub by itself")
    raise TimelineError(f"{name} holds a {type(document).__name__}, not a timeline")


# ------------------------------------------------------------------------------------------------------------ reading


def from_otio(document: otio.schema.Timeline, folder: Path, rate: Fraction | None = None) -> Timeline:
    """The neutral timeline. ``folder`` is where relative media paths start. Raises TimelineError."""
    rate = rate or _rate(document)
    start = 0
    if document.global_start_time is not None:
        start = round(seconds(document.global_start_time) * rate)
    tracks = [
        _track(track, rate, folder)
        for track in document.tracks
        if isinstance(track, otio.schema.Track)
        and track.kind in (otio.schema.TrackKind.Video, otio.schema.TrackKind.Audio)
    ]
    tracks.sort(key=lambda track: track.kind != "video")
    note = document.metadata.get(NOTE, {})
    markers = [_marker(m, seconds(m.marked_range.start_time), 0, rate) for m in document.tracks.markers]
    return Timeline(
        document.name or "timeline",
        rate,
        tuple(tracks),
        start,
        bool(note["drop"]) if "drop" in note else _looks_drop(start, rate),
        tuple(markers),
        {key: str(note[key]) for key in ("key", "language") if key in note},
    )


def _rate(document: otio.schema.Timeline) -> Fraction:
    if document.global_start_time is not None:
        return exact_rate(document.global_start_time.rate)
    for tracks in (document.video_tracks(), document.audio_tracks()):
        rates = Counter(
            exact_rate(item.trimmed_range().duration.rate)
            for track in tracks
            for item in track
            if isinstance(item, otio.core.Item)
        )
        if rates:
            return rates.most_common(1)[0][0]
    raise TimelineError(f"the timeline '{document.name}' is empty and does not say its frame rate")


def _looks_drop(start: int, rate: Fraction) -> bool:
    """OTIO does not say which counting names its frames: a start on a whole hour tells."""
    if nominal(rate) % 30 or rate.denominator == 1 or start == 0:
        return False
    on_the_hour = lambda drop: str(Timecode(start, rate, drop))[3:] in ("00:00:00", "00:00;00")  # noqa: E731
    return on_the_hour(True) and not on_the_hour(False)


def _track(track: otio.schema.Track, rate: Fraction, folder: Path) -> Track:
    kind = "video" if track.kind == otio.schema.TrackKind.Video else "audio"
    clips, position = [], Fraction(0)
    for item in track:
        if isinstance(item, otio.schema.Transition):
            continue  # lies over the cut; takes no time of its own
        length = seconds(item.trimmed_range().duration)
        record = FrameRange(round(position * rate), round((position + length) * rate))
        position += length
        if not isinstance(item, otio.schema.Gap) and len(record):
            clips.append(_clip(item, record, rate, folder))
    ours = bool(track.metadata.get(NOTE, {}).get("added"))
    return Track(kind, track.name or "", tuple(clips), track.enabled, ours)


def _clip(item: otio.core.Item, record: FrameRange, rate: Fraction, folder: Path) -> Clip:
    begin = seconds(item.trimmed_range().start_time)
    speed, effects = PLAIN, []
    for effect in item.effects:
        if isinstance(effect, otio.schema.LinearTimeWarp):  # FreezeFrame is one, at 0
            speed = None if speed is None else speed * Fraction(effect.time_scalar).limit_denominator(100_000)
        elif isinstance(effect, otio.schema.TimeEffect):
            speed = None
        else:
            effects.append(effect.effect_name or effect.name or effect.schema_name())
    media, without, origin, facts = None, "", Fraction(0), None
    if isinstance(item, otio.schema.Clip):
        media, without, origin, facts = _media(item.media_reference, folder)
    else:
        without = "nested timeline"
    markers = []
    for marker in item.markers:
        inside = seconds(marker.marked_range.start_time)
        markers.append(_marker(marker, inside - begin if inside >= begin else inside, record.start, rate))
    return Clip(
        item.name or "",
        record,
        media,
        begin - origin,
        speed,
        item.enabled,
        without,
        tuple(effects),
        tuple(markers),
        origin,
        facts,
    )


def _media(reference, folder: Path) -> tuple[Path | None, str, Fraction, MediaFacts | None]:
    origin, facts = Fraction(0), None
    if reference is not None and reference.available_range is not None:
        available = reference.available_range
        origin = seconds(available.start_time)
        own = exact_rate(available.duration.rate)
        facts = MediaFacts(own, round(seconds(available.duration) * own))
    if isinstance(reference, otio.schema.ExternalReference) and reference.target_url:
        return media_path(reference.target_url, folder), "", origin, facts
    if isinstance(reference, otio.schema.GeneratorReference):
        return None, GENERATOR, origin, facts
    if isinstance(reference, otio.schema.ImageSequenceReference):
        return None, "picture sequence", origin, facts
    return None, "nested timeline or missing media", origin, facts


def _marker(marker: otio.schema.Marker, offset: Fraction, base: int, rate: Fraction) -> Marker:
    start = base + round(offset * rate)
    length = max(1, round(seconds(marker.marked_range.duration) * rate))
    note = str(marker.metadata.get(NOTE, {}).get("note", "") or getattr(marker, "comment", "") or "")
    ours = bool(marker.metadata.get(NOTE, {}).get("added"))
    return Marker(FrameRange(start, start + length), marker.name, note, marker.color or "RED", ours)


# ------------------------------------------------------------------------------------------------------------ writing


def add_dub(document: otio.schema.Timeline, timeline: Timeline) -> otio.schema.Timeline:
    """A copy of the document with the added tracks and markers of ``timeline``; earlier ones of dubkit are replaced."""
    copy = document.deepcopy()
    urls = [
        r.target_url
        for c in copy.find_clips()
        for r in (c.media_reference,)
        if hasattr(r, "target_url") and r.target_url
    ]
    as_url = bool(urls) and all(url.startswith("file://") for url in urls)
    for track in [t for t in copy.tracks if t.metadata.get(NOTE, {}).get("added")]:
        copy.tracks.remove(track)
    for marker in [m for m in copy.tracks.markers if m.metadata.get(NOTE, {}).get("added")]:
        copy.tracks.markers.remove(marker)
    for track in timeline.tracks:
        if track.added:
            written = _written_track(track, timeline, as_url)
            if track.kind == "video":
                last = max((i for i, t in enumerate(copy.tracks) if t.kind == otio.schema.TrackKind.Video), default=-1)
                copy.tracks.insert(last + 1, written)
            else:
                copy.tracks.append(written)
    copy.tracks.markers.extend(_written_marker(m, m.record.start, timeline.rate) for m in timeline.markers if m.added)
    copy.metadata[NOTE] = dict(timeline.metadata) | {"drop": timeline.drop}
    return copy


def to_otio(timeline: Timeline, *, as_url: bool = False) -> otio.schema.Timeline:
    """A new OTIO document with everything the neutral model says."""
    document = otio.schema.Timeline(timeline.name, global_start_time=rational(timeline.start, timeline.rate))
    for track in timeline.tracks:
        document.tracks.append(_written_track(track, timeline, as_url))
    document.tracks.markers.extend(_written_marker(m, m.record.start, timeline.rate) for m in timeline.markers)
    document.metadata[NOTE] = dict(timeline.metadata) | {"drop": timeline.drop}
    return document


def _written_track(track: Track, timeline: Timeline, as_url: bool) -> otio.schema.Track:
    kind = otio.schema.TrackKind.Video if track.kind == "video" else otio.schema.TrackKind.Audio
    written = otio.schema.Track(track.name, kind=kind)
    written.enabled = track.enabled
    if track.added:
        written.metadata[NOTE] = {"added": True}
    position = 0
    for clip in track.clips:
        if clip.record.start > position:
            written.append(otio.schema.Gap(duration=rational(clip.record.start - position, timeline.rate)))
        written.append(_written_clip(clip, timeline, as_url))
        position = clip.record.stop
    return written


def _written_clip(clip: Clip, timeline: Timeline, as_url: bool) -> otio.schema.Clip:
    rate = timeline.rate
    if clip.without_media == GENERATOR:
        reference = otio.schema.GeneratorReference(name=clip.name, generator_kind="unknown")
    elif clip.media is None:
        reference = otio.schema.MissingReference(name=clip.without_media)
    else:
        url = clip.media.as_uri() if as_url else clip.media.as_posix()
        available = None
        if clip.facts is not None:
            own = clip.facts.rate
            available = otio.opentime.TimeRange(rational(clip.media_start * own, own), rational(clip.facts.frames, own))
        reference = otio.schema.ExternalReference(url, available)
    begin = clip.media_start + clip.source_start
    source = otio.opentime.TimeRange(rational(begin * rate, rate), rational(len(clip.record), rate))
    written = otio.schema.Clip(clip.name, reference, source)
    written.enabled = clip.enabled
    if clip.speed is None:
        written.effects.append(otio.schema.TimeEffect(name="speed that is not constant"))
    elif clip.speed == 0:
        written.effects.append(otio.schema.FreezeFrame())
    elif clip.speed != 1:
        written.effects.append(otio.schema.LinearTimeWarp(time_scalar=float(clip.speed)))
    for marker in clip.markers:
        written.markers.append(_written_marker(marker, begin * rate + marker.record.start - clip.record.start, rate))
    return written


def _written_marker(marker: Marker, start: Fraction | int, rate: Fraction) -> otio.schema.Marker:
    written = otio.schema.Marker(
        marker.name, otio.opentime.TimeRange(rational(start, rate), rational(len(marker.record), rate)), marker.color
    )
    written.comment = marker.note
    if marker.added:
        written.metadata[NOTE] = {"added": True}
    return written
