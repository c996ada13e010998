"""The media pool: bins, clips, and how clips get onto the timeline."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fakes.resolve.quirks import Stubborn
from tests.fakes.resolve.timeline import Item

if TYPE_CHECKING:
    from tests.fakes.resolve.program import World


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
        if quirks.modal_at == number:
            self.world.modal = True
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
        if kind == "audio" and quirks.audio_ignores_end:
            past = mpi.frames
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
        if self.world.blocked():
            return False
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
        if self.world.blocked():
            return False
        for folder in folders:
            if folder.clips or folder.folders:
                raise Stubborn(f"deleted the bin '{folder.name}' with what is in it")
            self.root.folders.remove(folder)
            if self.current is folder:
                self.current = self.root
        return True
