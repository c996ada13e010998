"""A strict DaVinci Resolve in memory, with a switch for each way in which the real one is known to misbehave.

It knows only what dubkit calls and raises on anything else: a wrong argument is a TypeError here, where Resolve would return None.
Semantics follow third-party measurements on 19.1 to 21.1 (see docs/resolve.md); nothing here was compared with Resolve by us.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import opentimelineio as otio

MARKER_COLORS = {
    "Blue", "Cyan", "Green", "Yellow", "Red", "Pink", "Purple", "Fuchsia", "Rose", "Lavender", "Sky", "Mint", "Lemon", "Sand", "Cocoa", "Cream",
}  # fmt: skip
AUDIO_SUBTYPES = {"mono", "stereo", "5.1", "7.1"}
PAGES = {"media", "cut", "edit", "fusion", "color", "fairlight", "deliver"}


@dataclass
class Quirks:
    """What this Resolve does wrong. All off: the best of all worlds."""

    studio: bool = False
    version: str = "21.0.4.5"
    selected_clips: bool = True  # GetSelectedClips, 21.0.4
    marks: bool = True  # Get/SetMarkInOut, 19.1
    export_otio: bool = True
    overlap: str = "drop"  # or "push": later clips are moved behind and shortened
    append_returns: str = "items"  # "none", "list of none", "dead"
    fails_at: int | None = None  # the n-th append (0-based) places nothing
    dead_at: int | None = None  # the n-th append places an item whose methods answer None, and which a save loses
    lost_on_save: int = 0  # so many of the last appended items vanish when the project is saved
    shorter_at: int | None = None  # the n-th append comes out one frame short
    inclusive_end: bool = False  # endFrame counts as inclusive
    refuses_tracks: bool = False
    refuses_names: bool = False
    refuses_markers: bool = False
    refuses_import: tuple[str, ...] = ()  # file names
    imports_only_dicts: bool = False
    locks_new_tracks: bool = False
    first_delete_fails: bool = False
    other_timeline_at: int | None = None  # the editor opens another timeline before the n-th append
    status_words: str = "Complete"
    render_fails: bool = False
    codecs: tuple[str, ...] = ("DNxHRHQ", "H264")
    render_polls: int = 2  # IsRenderingInProgress answers True so often


class Stubborn(AssertionError):
    """The program under test did what Resolve would punish silently."""


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


class MediaPoolItem:
    def __init__(self, world: World, name: str, path: str, frames: int, rate: Fraction, channels: int, start: int = 0):
        self.world, self.name, self.path, self.frames, self.rate, self.channels, self.start = (
            world,
            name,
            path,
            frames,
            rate,
            channels,
            start,
        )

    def GetClipProperty(self, propertyName: str | None = None) -> Any:
        usage = sum(
            item.mpi is self for timeline in self.world.timelines for track in timeline.tracks for item in track.items
        )
        shown = {
            "File Path": self.path,
            "Clip Name": self.name,
            "FPS": float(self.rate),
            "Frames": str(self.frames),
            "Usage": str(usage),
        }
        return shown if propertyName is None else shown.get(propertyName, "")


class Folder:
    def __init__(self, name: str):
        self.name, self.clips, self.folders = name, [], []

    def GetName(self) -> str:
        return self.name

    def GetClipList(self) -> list[MediaPoolItem]:
        return list(self.clips)

    def GetSubFolderList(self) -> list[Folder]:
        return list(self.folders)

    def dump(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "clips": [clip.path or clip.name for clip in self.clips],
            "folders": [f.dump() for f in self.folders],
        }


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
            raise AttributeError("GetSelectedClips")
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
            raise AttributeError("GetMarkInOut")
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
        if exportType != Resolve.EXPORT_OTIO or not self.world.quirks.export_otio:
            return False
        otio.adapters.write_to_file(self.document(), fileName, adapter_name="otio_json")
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

    def _written(self, item: Item) -> otio.schema.Clip:
        time, span = otio.opentime.RationalTime, otio.opentime.TimeRange
        own = float(item.mpi.rate) if item.mpi else float(self.rate)
        first = (item.mpi.start if item.mpi else 0) + item.source
        length = float(item.duration * Fraction(item.mpi.rate, self.rate)) if item.mpi else item.duration
        if item.mpi and item.mpi.path:
            available = span(time(item.mpi.start, own), time(item.mpi.frames, own))
            reference = otio.schema.ExternalReference(item.mpi.path, available)
        elif item.generator:
            reference = otio.schema.GeneratorReference(item.name, "solid")
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


class MediaPool:
    def __init__(self, world: World):
        self.world = world
        self.root = Folder("Master")
        self.current = self.root
        self.appends = 0

    def GetRootFolder(self) -> Folder:
        return self.root

    def GetCurrentFolder(self) -> Folder:
        return self.current

    def SetCurrentFolder(self, folder: Folder) -> bool:
        if not isinstance(folder, Folder):
            raise Stubborn(f"SetCurrentFolder({folder!r})")
        self.current = folder
        return True

    def AddSubFolder(self, folder: Folder, name: str) -> Folder | None:
        if self.world.blocked() or any(f.name == name for f in folder.folders):
            return None
        new = Folder(name)
        folder.folders.append(new)
        return new

    def ImportMedia(self, items: list[Any]) -> list[MediaPoolItem]:
        found = []
        for given in items:
            if self.world.quirks.imports_only_dicts and not isinstance(given, dict):
                continue
            path = given["FilePath"] if isinstance(given, dict) else given
            if (
                not Path(path).is_absolute()
                or not Path(path).is_file()
                or Path(path).name in self.world.quirks.refuses_import
            ):
                continue
            if any(clip.path == path for clip in self.current.clips) or self.world.blocked():
                continue  # a duplicate: nothing comes back
            found.append(self.world.media(path))
            self.current.clips.append(found[-1])
        return found

    def AppendToTimeline(self, clipInfo: list[dict[str, Any]]) -> list[Item | None] | None:
        if not isinstance(clipInfo, list) or len(clipInfo) != 1:
            raise Stubborn("a batch may lose clips: one call a clip")
        number, quirks, [info] = self.appends, self.world.quirks, clipInfo
        self.appends += 1
        if quirks.other_timeline_at == number:
            self.world.current = self.world.timelines[-1]
        unknown = set(info) - {"mediaPoolItem", "startFrame", "endFrame", "mediaType", "trackIndex", "recordFrame"}
        if unknown or len(info) < 6:
            raise Stubborn(f"clipInfo must name all six, got {sorted(info)}")
        if any(not float(info[key]).is_integer() for key in ("startFrame", "endFrame", "recordFrame")):
            return None
        if self.world.blocked() or quirks.append_returns == "none":
            return None
        if quirks.append_returns == "list of none":
            return [None]
        timeline, mpi = self.world.current, info["mediaPoolItem"]
        kind = {1: "video", 2: "audio"}[info["mediaType"]]
        track = timeline._track(kind, int(info["trackIndex"]))
        if not isinstance(mpi, MediaPoolItem) or track is None or track.locked or quirks.fails_at == number:
            return []
        first, past, at = (
            int(info["startFrame"]),
            int(info["endFrame"]) + quirks.inclusive_end,
            int(info["recordFrame"]),
        )
        if (
            at < timeline.start
            or not 0 <= first < past <= mpi.frames + quirks.inclusive_end
            or (kind == "audio" and not mpi.channels)
        ):
            return []
        length = int((past - first) / mpi.rate * timeline.rate) - (quirks.shorter_at == number)
        for other in sorted(track.items, key=lambda item: item.start):
            if at < other.start + other.duration and other.start < at + length:
                if quirks.overlap == "drop":
                    return []
                moved = other.start + other.duration - at
                at, length = at + moved, length - moved
        item = Item(self.world, mpi.name, kind, at, length, mpi, first)
        item.dead = quirks.dead_at == number
        track.items.append(item)
        self.world.appended.append(item)
        return [item]

    def DeleteClips(self, clips: list[MediaPoolItem]) -> bool:
        if self.world.page != "edit":
            raise Stubborn("DeleteClips needs the Edit page")
        if self.world.quirks.first_delete_fails and not self.world.delete_failed:
            self.world.delete_failed = True
            return False
        for clip in clips:
            if "/jobs/" not in clip.path:
                raise Stubborn(f"deleted the editor's clip {clip.path}")
            for folder in (self.root, *self.root.folders):
                if clip in folder.clips:
                    folder.clips.remove(clip)
        return True

    def DeleteFolders(self, folders: list[Folder]) -> bool:
        for folder in folders:
            if folder.clips or folder.folders:
                raise Stubborn(f"deleted the bin '{folder.name}' with what is in it")
            self.root.folders.remove(folder)
            if self.current is folder:
                self.current = self.root
        return True


class Project:
    def __init__(self, world: World, name: str):
        self.world, self.name, self._id = world, name, world.new_id()
        self.format, self.mode, self.settings = {"format": "mp4", "codec": "H264"}, 0, {"preset": "Custom"}
        self.presets: dict[str, Any] = {
            "H.264 Master": ({"format": "mp4", "codec": "H264"}, {"preset": "H.264 Master"})
        }
        self.jobs: dict[str, dict[str, Any]] = {}
        self.polls = 0

    def GetName(self) -> str:
        return self.name

    def GetUniqueId(self) -> str:
        return self._id

    def GetMediaPool(self) -> MediaPool:
        return self.world.pool

    def GetCurrentTimeline(self) -> Timeline | None:
        return self.world.current

    def SaveAsNewRenderPreset(self, presetName: str) -> bool:
        if presetName in self.presets:
            return False
        self.presets[presetName] = (dict(self.format), dict(self.settings))
        return True

    def LoadRenderPreset(self, presetName: str) -> bool:
        if presetName not in self.presets:
            return False
        self.format, self.settings = (dict(part) for part in self.presets[presetName])
        return True

    def DeleteRenderPreset(self, presetName: str) -> bool:
        return self.presets.pop(presetName, None) is not None

    def GetCurrentRenderFormatAndCodec(self) -> dict[str, str]:
        return dict(self.format)

    def SetCurrentRenderFormatAndCodec(self, format: str, codec: str) -> bool:
        if codec not in self.world.quirks.codecs:
            return False
        self.format = {"format": format, "codec": codec}
        return True

    def GetCurrentRenderMode(self) -> int:
        return self.mode

    def SetCurrentRenderMode(self, renderMode: int) -> bool:
        self.mode = int(renderMode)
        return True

    def SetRenderSettings(self, settings: dict[str, Any]) -> bool:
        if "ReplaceExistingFilesInPlace" in settings:
            return False
        self.settings |= settings
        if "MarkIn" in settings:  # the Deliver page shows them as the timeline's In and Out
            timeline = self.world.current
            timeline.SetMarkInOut(int(settings["MarkIn"]) - timeline.start, int(settings["MarkOut"]) - timeline.start)
        return True

    def AddRenderJob(self) -> str:
        if self.world.page != "deliver":
            return ""
        job = self.world.new_id()
        self.jobs[job] = dict(self.settings) | {"mode": self.mode}
        return job

    def DeleteRenderJob(self, jobId: str) -> bool:
        return self.jobs.pop(jobId, None) is not None

    def StartRendering(self, jobIds: list[str], isInteractiveMode: bool = False) -> bool:
        [job] = [self.jobs[jobId] for jobId in jobIds]
        if job["mode"] != 1 or job["SelectAllFrames"]:
            raise Stubborn("a reference is one clip of one range")
        self.polls = self.world.quirks.render_polls
        if not self.world.quirks.render_fails:
            path = Path(job["TargetDir"]) / f"{job['CustomName']}.mov"
            self.world.renderer(self.world.current, int(job["MarkIn"]), int(job["MarkOut"]) + 1, path)
        return True

    def IsRenderingInProgress(self) -> bool:
        self.polls -= 1
        return self.polls >= 0

    def GetRenderJobStatus(self, jobId: str) -> dict[str, Any]:
        if self.world.quirks.render_fails:
            return {"JobStatus": "Fehlgeschlagen", "CompletionPercentage": 40, "Error": "disk full"}
        return {"JobStatus": self.world.quirks.status_words, "CompletionPercentage": 100}


class ProjectManager:
    def __init__(self, world: World):
        self.world = world

    def GetCurrentProject(self) -> Project | None:
        return self.world.project

    def SaveProject(self) -> bool:
        if self.world.project.name == "Untitled Project":
            raise Stubborn("SaveProject on an untitled project hangs when headless")
        if self.world.blocked():
            return False
        doomed = [item for item in self.world.appended if item.dead]
        if self.world.quirks.lost_on_save:
            doomed += self.world.appended[-self.world.quirks.lost_on_save :]
        for timeline in self.world.timelines:
            for track in timeline.tracks:
                track.items = [item for item in track.items if item not in doomed]
        self.world.saves += 1
        return True


class Resolve:
    EXPORT_OTIO = 12.0
    EXPORT_FCP_7_XML = None
    EXPORT_DRT = 2.0

    def __init__(self, world: World):
        self.world = world

    def GetProjectManager(self) -> ProjectManager:
        return self.world.manager

    def GetProductName(self) -> str:
        return "DaVinci Resolve Studio" if self.world.quirks.studio else "DaVinci Resolve"

    def GetVersionString(self) -> str:
        return self.world.quirks.version

    def GetCurrentPage(self) -> str | None:
        return self.world.page

    def OpenPage(self, pageName: str) -> bool:
        if pageName not in PAGES:
            raise Stubborn(f"page {pageName!r}")
        self.world.page = pageName
        return True

    def CreateSubtitlesFromAudio(self) -> bool:
        """Stands for any Studio-only function: on Free it opens a dialogue that blocks everything."""
        if not self.world.quirks.studio:
            self.world.modal = True
            return False
        return True


class World:
    """A running Resolve with one project. ``renderer(timeline, first, past, path)`` makes the films of render jobs."""

    def __init__(self, rate: Fraction, start: int, quirks: Quirks | None = None, project: str = "Film"):
        self.quirks = quirks or Quirks()
        self._ids, self.links = itertools.count(1), itertools.count(1)
        self.page: str | None = "edit"
        self.modal = self.delete_failed = False
        self.saves = 0
        self.appended: list[Item] = []
        self.timelines: list[Timeline] = []
        self.project = Project(self, project)
        self.timeline = self.current = Timeline(self, "Edit", rate, start)
        self.timelines += [self.timeline, Timeline(self, "Another", rate, start)]
        self.pool, self.manager, self.resolve = MediaPool(self), ProjectManager(self), Resolve(self)
        self.renderer: Callable[[Timeline, int, int, Path], None] | None = None
        self._probed: dict[str, tuple[int, Fraction, int]] = {}

    def new_id(self) -> str:
        return f"00000000-0000-4000-8000-{next(self._ids):012x}"

    def blocked(self) -> bool:
        """A dialogue is open: unrelated calls answer False."""
        return self.modal

    def media(self, path: str, start: int = 0) -> MediaPoolItem:
        if path not in self._probed:
            with av.open(path) as container:
                channels = container.streams.audio[0].channels if container.streams.audio else 0
                if container.streams.video:
                    stream = container.streams.video[0]
                    self._probed[path] = (stream.frames, Fraction(stream.average_rate), channels)
                else:  # sound takes the project's rate
                    rate = self.timeline.rate
                    self._probed[path] = (int(Fraction(container.duration, av.time_base) * rate), rate, channels)
        frames, rate, channels = self._probed[path]
        return MediaPoolItem(self, Path(path).name, path, frames, rate, channels, start)

    def track(self, kind: str, name: str = "") -> Track:
        """Adds a track of the editor's."""
        number = len(self.timeline.of_kind(kind)) + 1
        track = Track(kind, name or f"{kind.capitalize()} {number}", "stereo" if kind == "audio" else "")
        self.timeline.tracks.append(track)
        return track

    def put(
        self,
        track: Track,
        at: int,
        duration: int,
        mpi: MediaPoolItem | None,
        source: int = 0,
        name: str = "clip",
        **more: Any,
    ) -> Item:
        """Puts a clip of the editor's at record frame ``at``, counted from the timeline's start."""
        item = Item(self, name, track.kind, self.timeline.start + at, duration, mpi, source, **more)
        track.items.append(item)
        return item

    def dump(self) -> dict[str, Any]:
        """Everything an editor can see."""
        return {
            "page": self.page, "current": self.current.name, "bin": self.pool.current.name, "bins": self.pool.root.dump(),
            "timelines": [timeline.dump() for timeline in self.timelines],
            "render": [self.project.format, self.project.mode, self.project.settings, self.project.presets, self.project.jobs],
        }  # fmt: skip
