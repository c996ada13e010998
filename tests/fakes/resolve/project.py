"""Projects: what is saved, and the render queue of the Deliver page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fakes.resolve.quirks import Stubborn

if TYPE_CHECKING:
    from tests.fakes.resolve.media import MediaPool
    from tests.fakes.resolve.program import World
    from tests.fakes.resolve.timeline import Timeline


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
