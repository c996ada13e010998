"""Timelines, tracks and items."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import opentimelineio as otio

from tests.fakes.resolve.quirks import AUDIO_SUBTYPES, EXPORT_FCP_7_XML, EXPORT_OTIO, MARKER_COLORS, Stubborn

if TYPE_CHECKING:
    from tests.fakes.resolve.media import MediaPoolItem
    from tests.fakes.resolve.program import World


class Item:
    def __init__(
        self,
        world: World,
        name: str,
        kind: str,
        start: int,
        duration: int,
        mpi: MediaPoolItem | None,
        source: int,
        **more: Any,
    ):
        self._id = world.new_id()
        self.world, self.name, self.kind, self.start, self.duration = world, name, kind, start, duration
        self.mpi, self.source = mpi, source
        self.speed: float | None = more.get("speed", 1.0)
        self.generator = more.get("generator", False)
        self.link: int | None = more.get("link")
        self.dead = False
        self.selected = False

    def GetStart(self) -> int | None:
        return None if self.dead else self.start

    def GetDuration(self) -> int | None:
        return None if self.dead else self.duration

    def GetUniqueId(self) -> str | None:
        return None if self.dead else self._id

    def GetMediaPoolItem(self) -> MediaPoolItem | None:
        return None if self.dead else self.mpi

    def GetTrackTypeAndIndex(self) -> list[Any]:
        for track in self.world.timeline.tracks:
            if self in track.items:
                return [track.kind, self.world.timeline.of_kind(track.kind).index(track) + 1]
        return []

    def dump(self) -> dict[str, Any]:
        media = self.mpi.path if self.mpi else None
        return {"id": self._id, "name": self.name, "start": self.start, "duration": self.duration, "source": self.source,
                "media": media, "speed": self.speed, "link": self.link, "dead": self.dead}  # fmt: skip


@dataclass
class Track:
    kind: str
    name: str
    sub: str = ""
    enabled: bool = True
    locked: bool = False
    items: list[Item] = field(default_factory=list)


class Timeline:
    def __init__(self, world: World, name: str, rate: Fraction, start: int):
        self.world, self.name, self.rate, self.start = world, name, rate, start
        self._id = world.new_id()
        self.tracks: list[Track] = []
        self.markers: dict[int, dict[str, Any]] = {}
        self.marks: dict[str, dict[str, int]] = {}

    def of_kind(self, kind: str) -> list[Track]:
        if kind not in ("video", "audio", "subtitle"):
            raise Stubborn(f"track type {kind!r}")
        return [track for track in self.tracks if track.kind == kind]

    def _track(self, kind: str, index: int) -> Track | None:
        tracks = self.of_kind(kind)
        if not isinstance(index, int):
            raise Stubborn(f"track index {index!r}")
        return tracks[index - 1] if 1 <= index <= len(tracks) else None

    def GetName(self) -> str:
        return self.name

    def GetUniqueId(self) -> str:
        return self._id

    def GetStartFrame(self) -> int:
        return self.start

    def GetTrackCount(self, trackType: str) -> int:
        return len(self.of_kind(trackType))

    def GetTrackName(self, trackType: str, trackIndex: int) -> str | None:
        track = self._track(trackType, trackIndex)
        return track.name if track else None

    def SetTrackName(self, trackType: str, trackIndex: int, name: str) -> bool:
        track = self._track(trackType, trackIndex)
        if track is None or self.world.quirks.refuses_names:
            return False
        track.name = name
        return True

    def AddTrack(self, trackType: str, subTrackType: str = "mono") -> bool:
        if self.world.blocked() or self.world.quirks.refuses_tracks:
            return False
        if trackType == "audio" and subTrackType not in AUDIO_SUBTYPES:
            raise Stubborn(f"audio track type {subTrackType!r}")
        number = len(self.of_kind(trackType)) + 1
        sub = subTrackType if trackType == "audio" else ""
        self.tracks.append(
            Track(trackType, f"{trackType.capitalize()} {number}", sub, locked=self.world.quirks.locks_new_tracks)
        )
        return True

    def DeleteTrack(self, trackType: str, trackIndex: int) -> bool:
        track = self._track(trackType, trackIndex)
        if track is None or self.world.blocked():
            return False
        if any(not item.mpi or "/jobs/" not in item.mpi.path for item in track.items):
            raise Stubborn(f"deleted track '{track.name}' with the editor's own clips")
        self.tracks.remove(track)
        return True

    def GetIsTrackEnabled(self, trackType: str, trackIndex: int) -> bool:
        track = self._track(trackType, trackIndex)
        return bool(track and track.enabled)

    def SetTrackEnable(self, trackType: str, trackIndex: int, enabled: bool) -> bool:
        track = self._track(trackType, trackIndex)
        if track is None or not isinstance(enabled, bool):
            raise Stubborn("SetTrackEnable of no track, or without a boolean")
        track.enabled = enabled
        return True

    def GetItemListInTrack(self, trackType: str, index: int) -> list[Item]:
        track = self._track(trackType, index)
        return sorted(track.items, key=lambda item: item.start) if track else []

    def GetSelectedClips(self) -> list[Item]:
        if not self.world.quirks.selected_clips:
            self.world.absent("GetSelectedClips")
        return [item for track in self.tracks for item in track.items if item.selected]

    def SetClipsLinked(self, timelineItems: list[Item], linked: bool) -> bool:
        if not timelineItems or any(item.dead for item in timelineItems):
            return False
        group = next(self.world.links) if linked else None
        for item in timelineItems:
            item.link = group
        return True

    def AddMarker(self, frameId: int, color: str, name: str, note: str, duration: int, customData: str) -> bool:
        if color not in MARKER_COLORS or not isinstance(frameId, int) or not isinstance(duration, int):
            raise Stubborn(f"AddMarker({frameId!r}, {color!r}, ..., {duration!r})")
        if frameId < 0 or frameId > 10_000_000 or frameId in self.markers or self.world.quirks.refuses_markers:
            return False
        self.markers[frameId] = {
            "color": color,
            "duration": duration,
            "note": note,
            "name": name,
            "customData": customData,
        }
        return True

    def GetMarkers(self) -> dict[float, dict[str, Any]]:
        return {float(frame): dict(marker) for frame, marker in self.markers.items()}

    def GetMarkerByCustomData(self, customData: str) -> dict[str, Any]:
        return next((dict(m) for m in self.markers.values() if m["customData"] == customData), {})

    def DeleteMarkerByCustomData(self, customData: str) -> bool:
        for frame, marker in list(self.markers.items()):
            if marker["customData"] == customData:
                del self.markers[frame]
                return True
        return False

    def GetMarkInOut(self) -> dict[str, dict[str, int]]:
        if not self.world.quirks.marks:
            self.world.absent("GetMarkInOut")
        return {kind: dict(marks) for kind, marks in self.marks.items()}

    def SetMarkInOut(self, markIn: int, markOut: int, type: str = "all") -> bool:
        for kind in ("video", "audio") if type == "all" else (type,):
            self.marks[kind] = {"in": markIn, "out": markOut}
        return True

    def ClearMarkInOut(self, type: str = "all") -> bool:
        self.marks.clear() if type == "all" else self.marks.pop(type, None)
        return True

    def Export(self, fileName: str, exportType: Any) -> bool:
        if self.world.blocked() or not Path(fileName).is_absolute() or not Path(fileName).parent.is_dir():
            return False
        if exportType == EXPORT_OTIO and self.world.quirks.export_otio:
            otio.adapters.write_to_file(self.document(), fileName, adapter_name="otio_json")
        elif exportType == EXPORT_FCP_7_XML and self.world.quirks.export_xml:
            document = self.document()
            for clip in document.find_clips():
                clip.effects.clear()  # no speeds in Resolve's FCP7 XML
                if isinstance(clip.media_reference, otio.schema.GeneratorReference):  # the adapter writes no titles
                    parent = clip.parent()
                    parent[parent.index(clip)] = otio.schema.Gap(duration=clip.duration())
            otio.adapters.write_to_file(document, fileName, adapter_name="fcp_xml")
        else:
            return False
        return True

    def document(self) -> otio.schema.Timeline:
        """The timeline as Resolve writes OTIO: media-timecode-absolute source ranges and bare paths."""
        rate = float(self.rate)
        time = lambda value: otio.opentime.RationalTime(value, rate)  # noqa: E731
        document = otio.schema.Timeline(self.name, global_start_time=time(self.start))
        for kind in ("video", "audio"):
            for track in self.of_kind(kind):
                written = otio.schema.Track(track.name, kind=kind.capitalize())
                written.enabled = track.enabled
                position = self.start
                for item in self.GetItemListInTrack(kind, self.of_kind(kind).index(track) + 1):
                    if item.start > position:
                        written.append(otio.schema.Gap(duration=time(item.start - position)))
                    written.append(self._written(item))
                    position = item.start + item.duration
                document.tracks.append(written)
        document.tracks.markers.extend(
            otio.schema.Marker(m["name"], otio.opentime.TimeRange(time(frame), time(m["duration"])))
            for frame, m in self.markers.items()
        )
        return document

    def _written(self, item: Item) -> otio.core.Item:
        time, span = otio.opentime.RationalTime, otio.opentime.TimeRange
        own = float(item.mpi.rate) if item.mpi else float(self.rate)
        first = (item.mpi.start if item.mpi else 0) + item.source
        length = float(item.duration * Fraction(item.mpi.rate, self.rate)) if item.mpi else item.duration
        if item.mpi and item.mpi.path:
            available = span(time(item.mpi.start, own), time(item.mpi.frames, own))
            reference = otio.schema.ExternalReference(item.mpi.path, available)
        elif item.generator:
            reference = otio.schema.GeneratorReference(item.name, "solid")
        elif self.world.quirks.nested_export == "stack":
            inside = otio.schema.Clip(
                "inside", otio.schema.MissingReference(), span(time(first, own), time(length, own))
            )
            return otio.schema.Stack(
                item.name, [otio.schema.Track("V", [inside])], span(time(first, own), time(length, own))
            )
        else:
            reference = otio.schema.MissingReference(item.name)
        clip = otio.schema.Clip(item.name, reference, span(time(first, own), time(length, own)))
        if item.speed is None:
            clip.effects.append(otio.schema.TimeEffect("speed ramp", "TimeEffect"))
        elif item.speed != 1.0:
            clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=item.speed))
        return clip

    def dump(self) -> dict[str, Any]:
        tracks = [
            {"kind": t.kind, "name": t.name, "sub": t.sub, "enabled": t.enabled, "locked": t.locked,
             "items": [item.dump() for item in sorted(t.items, key=lambda i: i.start)]}
            for t in self.tracks
        ]  # fmt: skip
        return {
            "name": self.name,
            "id": self._id,
            "start": self.start,
            "tracks": tracks,
            "markers": self.markers,
            "marks": self.marks,
        }
