"""The worker's replies as plain tables: what to place, or what to render first. Frames are relative to the timeline's start."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from dubkit.nle.dub import DubResult
from dubkit.nle.reel import letters
from dubkit.nle.timeline import OURS, Timeline
from dubkit.nle.uses import GENERATOR
from dubkit.types import FrameRange

from .mailbox import Request

SCHEMA = "dubkit.plan/1"
COLORS = {  # OpenTimelineIO's names → Resolve's marker colours
    "RED": "Red", "ORANGE": "Sand", "YELLOW": "Yellow", "GREEN": "Green", "CYAN": "Cyan", "BLUE": "Blue",
    "PURPLE": "Purple", "MAGENTA": "Fuchsia", "PINK": "Pink",
}  # fmt: skip
SUBTYPES = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
REFERENCE_CODECS = ("DNxHRHQ", "ProRes422HQ", "H264")  # codec ids; their descriptions change between versions
REFERENCE_PRESETS = ("ProRes 422 HQ", "H.264 Master")


def place(request: Request, original: Timeline, result: DubResult, language: str) -> dict[str, object]:
    """What the script places. ``original`` is the timeline as Resolve exported it."""
    name = f"{OURS} {language} {result.key[:8]}"
    channels = max((placed.facts.channels for placed in result.placed), default=0)
    tracks: list[dict[str, object]] = [{"id": 1, "kind": "video", "name": name}]
    if channels:
        tracks.append({"id": 2, "kind": "audio", "name": name, "sub": SUBTYPES[channels]})
    clips = []
    for group, placed in enumerate(result.placed, start=1):
        for track in tracks:
            if track["kind"] == "video" or placed.facts.channels:
                clips.append({
                    "name": placed.name, "path": placed.path.as_posix(), "kind": track["kind"], "track": track["id"], "group": group,
                    "first": placed.first, "past": placed.first + len(placed.record),
                    "at": placed.record.start, "length": len(placed.record),
                })  # fmt: skip
    markers = [
        {
            "at": m.record.start,
            "length": len(m.record),
            "color": COLORS.get(m.color, "Red"),
            "name": m.name,
            "note": m.note,
        }
        for m in result.markers
    ]
    note = f"{len(result.placed)} clips in {language}"
    if result.refusals:
        note += f"; {len(result.refusals)} left alone, see the yellow markers"
    return {
        "schema": SCHEMA, "action": "place", "job": request.job, "key": result.key, "scope": request.scope_text,
        "origin": request.origin, "timeline": request.timeline, "tracks": tracks, "clips": clips, "markers": markers,
        "witness": witness(original, [placed.record for placed in result.placed]), "note": note,
    }  # fmt: skip


def witness(original: Timeline, placed: Iterable[FrameRange]) -> list[dict[str, object]]:
    """The clips under the dub: the script places nothing unless each is still where it was."""
    ranges = list(placed)
    return [
        {"track": index, "at": clip.record.start, "length": len(clip.record)}
        for index, track in enumerate(original.without_ours().of_kind("video"), start=1)
        for clip in track.clips
        if clip.without_media != GENERATOR and any(len(clip.record & part) for part in ranges)
    ]


def render(request: Request, parts: Sequence[FrameRange], folder: Path, dub_track: str) -> dict[str, object]:
    """Asks the script for references of these ranges; see ``reference_path``."""
    renders = [
        {
            "first": part.start, "past": part.stop, "dir": folder.as_posix(), "name": reference_path(request, i, folder).stem,
            "codecs": list(REFERENCE_CODECS), "presets": list(REFERENCE_PRESETS),
        }
        for i, part in enumerate(parts)
    ]  # fmt: skip
    return {
        "schema": SCHEMA, "action": "render", "job": request.job, "renders": renders, "dub_track": dub_track,
        "note": f"{len(parts)} clips are rendered first",
    }  # fmt: skip


def nothing(request: Request, why: str) -> dict[str, object]:
    return {"schema": SCHEMA, "action": "none", "job": request.job, "note": why}


def reference_path(request: Request, number: int, folder: Path) -> Path:
    """A name of its own for every run and range: Resolve appends numbers to names that exist."""
    return folder / f"ref_{request.job}_{letters(number)}.mov"
