"""A Kdenlive project into the neutral timeline."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as ET

from dubkit.nle.timeline import PLAIN, Clip, Marker, Timeline, Track
from dubkit.nle.uses import GENERATOR
from dubkit.types import FrameRange

from .document import CLIPS, INTERNAL, Project, is_ours, prop

FILMS = {"avformat", "avformat-novalidate"}
DRAWN = {"color", "colour", "kdenlivetitle", "qtext", "noise", "count", "blipflash"}  # titles, colours, test pictures
PICTURES = {"qimage", "pixbuf"}
COLORS = {"0": "PURPLE", "1": "BLUE", "2": "GREEN", "3": "GREEN", "4": "YELLOW", "5": "ORANGE", "6": "ORANGE", "7": "RED", "8": "RED"}  # Kdenlive's first guide categories  # fmt: skip


def read_project(root: ET.Element, path: Path) -> Timeline:
    """The active sequence. Raises TimelineError. It begins at zero: Kdenlive keeps no other start."""
    project = Project(root, path.name)
    tracks = [_track(project, reference, track, path.parent) for reference, track in project.tracks()]
    audio = [track for track in reversed(tracks) if track.kind == "audio"]  # A1 lies next to the picture
    video = [track for track in tracks if track.kind == "video"]
    name = prop(project.sequence, "kdenlive:clipname") or path.stem
    return Timeline(name, project.rate, (*video, *audio), markers=tuple(_guides(project)))


def _track(project: Project, reference: ET.Element, track: ET.Element, folder: Path) -> Track:
    kind = "audio" if project.is_audio(reference, track) else "video"
    playlists = project.playlists(track)
    hidden = [reference.get("hide", ""), *(hides for _, hides in playlists)]
    enabled = "both" not in hidden and (kind == "audio" or "video" not in hidden)
    clips = [clip for playlist, _ in playlists for clip in _clips(project, playlist, kind, folder)]
    return Track(kind, prop(track, "kdenlive:track_name"), _one_after_another(clips, project.rate), enabled)


def _clips(project: Project, playlist: ET.Element, kind: str, folder: Path) -> list[Clip]:
    position, found = 0, []
    for item in playlist:
        if item.tag == "blank":
            position += project.frames(item.get("length"))
        elif item.tag == "entry":
            producer = project.ids.get(item.get("producer"))
            first = project.frames(item.get("in"))
            past = project.frames(item.get("out") or (producer.get("out") if producer is not None else None)) + 1
            record = FrameRange(position, position + past - first)
            position = record.stop
            found.append(_clip(project, item, producer, record, first, kind, folder))
    return found


def _clip(
    project: Project, entry: ET.Element, producer: ET.Element | None, record: FrameRange, first: int, kind: str, folder: Path
) -> Clip:  # fmt: skip
    if producer is None or producer.tag not in CLIPS:
        return Clip("sequence", record, None, without_media="nested sequence")
    number = prop(entry, "kdenlive:id") or prop(producer, "kdenlive:id")
    card = _bin_clip(project, number)
    path = _file(project, producer, card, folder)
    name = prop(producer, "kdenlive:clipname") or (prop(card, "kdenlive:clipname") if card is not None else "")
    muted = prop(producer, "set.test_image" if kind == "video" else "set.test_audio") == "1"
    service, speed, without = prop(producer, "mlt_service"), PLAIN, ""
    if service == "timewarp":
        written = prop(producer, "warp_speed") or prop(producer, "resource").partition(":")[0]
        speed = Fraction(written).limit_denominator(100_000)
    elif service in DRAWN:
        path, without = None, GENERATOR
    elif service in PICTURES:
        path, without = None, "still picture"
    elif service not in FILMS:
        path, without = (
            None,
            "nested sequence"
            if service in ("xml", "xml-nogl", "tractor", "consumer")
            else f"clip of the kind '{service}'",
        )
    if any(prop(link, "mlt_service") == "timeremap" for link in producer.findall("link")):
        speed = None
    effects = [
        prop(f, "kdenlive_id") or prop(f, "mlt_service")
        for f in entry.findall("filter")
        if prop(f, "internal_added") != INTERNAL
    ]
    start = first / project.rate * (speed or PLAIN)
    return Clip(
        name or (path.stem if path else service), record, path, start, speed, not muted, without, tuple(effects)
    )


def _bin_clip(project: Project, number: str) -> ET.Element | None:
    """The clip of the bin behind one of the timeline."""
    if project.bin is None or not number:
        return None
    found = (project.ids.get(entry.get("producer")) for entry in project.bin.findall("entry"))
    return next((clip for clip in found if clip is not None and prop(clip, "kdenlive:id") == number), None)


def _file(project: Project, producer: ET.Element, card: ET.Element | None, folder: Path) -> Path:
    """The original, also where Kdenlive shows a proxy of it. Relative paths start at ``root``, or beside the project once that is gone."""
    proxied = card is not None and prop(card, "kdenlive:proxy") not in ("", "-") and prop(card, "kdenlive:originalurl")
    text = proxied or prop(producer, "warp_resource") or prop(producer, "resource")
    if prop(producer, "mlt_service") == "timewarp" and not proxied and not prop(producer, "warp_resource"):
        text = text.partition(":")[2]
    path = Path(text)
    if path.is_absolute():
        return path
    root = Path(project.root.get("root") or folder)
    return root / path if (root / path).exists() or not (folder / path).exists() else folder / path


def _one_after_another(clips: list[Clip], rate: Fraction) -> tuple[Clip, ...]:
    """Clips of both playlists in order. Where two are mixed, the cut is set in the middle of the mix."""
    done: list[Clip] = []
    for clip in sorted(clips, key=lambda clip: clip.record):
        if done and clip.record.start < done[-1].record.stop:
            cut = (clip.record.start + min(done[-1].record.stop, clip.record.stop)) // 2
            done[-1] = replace(done[-1], record=FrameRange(done[-1].record.start, cut))
            skipped = (cut - clip.record.start) / rate * (clip.speed or PLAIN)
            clip = replace(clip, record=FrameRange(cut, clip.record.stop), source_start=clip.source_start + skipped)
        done.append(clip)
    return tuple(clip for clip in done if len(clip.record))


def _guides(project: Project) -> list[Marker]:
    found = []
    for guide in project.stored("guides"):
        at, text = int(guide.get("pos", 0)), str(guide.get("comment", ""))
        length = max(1, int(guide.get("duration", 0) or 0))
        color = COLORS.get(str(guide.get("type", "0")), "PURPLE")
        found.append(Marker(FrameRange(at, at + length), text, color=color, added=is_ours(text)))
    return found
