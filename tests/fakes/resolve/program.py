"""The program itself, and the world that a test sets up."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from tests.fakes.resolve.media import MediaPool, MediaPoolItem
from tests.fakes.resolve.project import Project, ProjectManager
from tests.fakes.resolve.quirks import EXPORT_DRT, EXPORT_FCP_7_XML, EXPORT_OTIO, PAGES, Quirks, Stubborn
from tests.fakes.resolve.timeline import Item, Timeline, Track


class Resolve:
    EXPORT_OTIO, EXPORT_FCP_7_XML, EXPORT_DRT = EXPORT_OTIO, EXPORT_FCP_7_XML, EXPORT_DRT

    def __init__(self, world: World):
        self.world = world

    def GetProjectManager(self) -> ProjectManager:
        return self.world.manager

    def GetProductName(self) -> str:
        return "DaVinci Resolve Studio" if self.world.quirks.studio else "DaVinci Resolve"

    def GetVersionString(self) -> str:
        return self.world.quirks.version

    def GetCurrentPage(self) -> str | None:
        return None if self.world.quirks.no_page else self.world.page

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

    def absent(self, name: str) -> None:
        """What happens to a call of something that this version does not have."""
        if self.quirks.absent == "reads None":
            raise TypeError(f"'NoneType' object is not callable: {name}")
        raise AttributeError(name)

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
