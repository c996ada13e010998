"""What the worker needs to know beforehand: the restricted menu script cannot ask. Kept in the mailbox's ``settings.json``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from dubkit.digest import value_digest
from dubkit.errors import InputError, SettingsError
from dubkit.files import atomic_write
from dubkit.nle.script import Script
from dubkit.nle.timeline import Timeline
from dubkit.project.layers import is_preset_file

_LARGEST_CHOICE = 4096  # bytes


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Defaults for every request."""

    language: str = "es"  # of the dub
    source_language: str = "en"
    dub_track: str = "Dub"  # the audio track of the timeline with the new dialogue: "<name> <language>", else "<name>"
    dialogue: str | None = None  # used where the timeline has no such track: a sound file against the timeline ...
    subtitles: str | None = None  # ... or subtitles to be spoken
    time: str = "timeline"  # what time 0 of those two is: "timeline" | "media"
    preset: str | None = None
    handles: int = 12  # frames

    def digest(self) -> str:
        return value_digest(asdict(self))

    def script(self, timeline: Timeline, language: str) -> Script:
        """Where the new dialogue is. Raises InputError naming the ways to give it."""
        names = {t.name.casefold(): t.name for t in timeline.of_kind("audio") if not t.ours}
        for wanted in (f"{self.dub_track} {language}", self.dub_track):
            if wanted.casefold() in names:
                return Script(track=names[wanted.casefold()])
        if self.dialogue:
            return Script(dialogue=Path(self.dialogue), time=self.time)
        if self.subtitles:
            return Script(subtitles=Path(self.subtitles), time=self.time)
        raise InputError(
            f"there is no new dialogue: put it on an audio track named '{self.dub_track} {language}', "
            "or start the worker with --dialogue or --subtitles"
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """What the window of the Studio script asks for this once."""

    language: str
    preset: str | None


def load(folder: Path) -> WorkerSettings:
    """The mailbox's settings; defaults where there are none. Raises SettingsError."""
    path = folder / "settings.json"
    if not path.is_file():
        return WorkerSettings()
    try:
        data = json.loads(path.read_text("utf-8"))
        return changed(WorkerSettings(), data)
    except (ValueError, TypeError, OSError) as error:
        raise SettingsError(f"{path} cannot be read: {error}; delete it and run: dubkit resolve install") from error


def save(folder: Path, settings: WorkerSettings) -> None:
    atomic_write(folder / "settings.json", json.dumps(asdict(settings), indent=1).encode())


def changed(settings: WorkerSettings, values: dict[str, object]) -> WorkerSettings:
    """With some values replaced; paths are made absolute, since the worker may be started elsewhere. Raises SettingsError for an unknown one."""
    known = {field.name for field in fields(WorkerSettings)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise SettingsError(f"there is no worker setting '{unknown[0]}'; there are: {', '.join(sorted(known))}")
    preset = values.get("preset")
    if isinstance(preset, str) and is_preset_file(preset):
        values = values | {"preset": Path(preset)}
    texts = {
        key: str(value.expanduser().resolve()) if isinstance(value, Path) else value for key, value in values.items()
    }
    return replace(settings, **texts)


def read_choice(path: Path, settings: WorkerSettings) -> Choice:
    """The window's choice, or the worker's defaults where there is none. Raises SettingsError for one that makes no sense."""
    if not path.is_file() or path.is_symlink():
        return Choice(settings.language, settings.preset)
    if path.stat().st_size > _LARGEST_CHOICE:
        raise SettingsError("the choice made in Resolve's window is too large to be one")
    try:
        data = json.loads(path.read_text("utf-8"))
        language, preset = data.get("language") or settings.language, data.get("preset") or settings.preset
    except (ValueError, AttributeError, OSError) as error:
        raise SettingsError(f"the choice made in Resolve's window cannot be read: {error}") from error
    if not isinstance(language, str) or not (preset is None or isinstance(preset, str)):
        raise SettingsError("the choice made in Resolve's window must be a language and a preset")
    return Choice(language, preset)
