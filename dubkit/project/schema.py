"""The project file ``*.dub.toml``: what is dubbed, into which languages, by which cast, with which decisions.

``load`` reads and checks a file; ``ProjectFile.edit`` changes it without losing a person's comments or order (tomlkit).
Paths in the file are relative to the file, so a project folder can be moved. A file says what it is by its first line,
``schema = "dubkit.project/1"``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from tomlkit.exceptions import TOMLKitError

from dubkit.errors import ProjectError, StorageError
from dubkit.files import atomic_write
from dubkit.settings import Settings
from dubkit.types import Lock, Segment

SCHEMA = "dubkit.project/1"
SUFFIX = ".dub.toml"
FILM_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".mxf", ".webm")


class Table(BaseModel):
    """A TOML table: unknown keys are errors, instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Table):
    """The film as it is."""

    film: str = Field(description="the film, relative to this file")
    language: str = Field("en", description="language spoken in the film, ISO 639-1; auto: the transcriber detects it")


class Target(Table):
    """One dub. The dialogue comes as one track, as a stem per speaker, as a file a line, as subtitles to be spoken, or mixed."""

    dialogue: str | None = Field(None, description="one track with the whole dialogue, as long as the film")
    stems: dict[str, str] = Field(
        default_factory=dict, description="a dialogue track for each speaker or character, as long as the film"
    )
    lines: dict[str, str] = Field(default_factory=dict, description="a sound file for single lines, by line id")
    subtitles: str | None = Field(None, description="translated subtitles or translator's sheet, spoken by TTS")
    background: str | None = Field(None, description="music and effects (M&E) without dialogue")
    output: str | None = Field(None, description="path of the finished film, overrides [output]")

    @model_validator(mode="after")
    def _has_a_source(self) -> Target:
        if not (self.dialogue or self.stems or self.lines or self.subtitles):
            raise ValueError("needs at least one of: dialogue, stems, lines, subtitles")
        return self

    def files(self) -> dict[str, str]:
        """Every file this target reads: name → path as written."""
        named = {}
        for name, path in (("dialogue", self.dialogue), ("subtitles", self.subtitles), ("background", self.background)):
            if path:
                named[name] = path
        for kind, files in (("stems", self.stems), ("lines", self.lines)):
            for name, path in files.items():
                if path:
                    named[f"{kind}.{name}"] = path
        return named


class CastMember(Table):
    """A character: the voices (speakers) and faces that are theirs, and the voice that speaks the dub."""

    name: str
    speakers: tuple[str, ...] = Field((), description="names of diarized speakers")
    faces: tuple[str, ...] = Field((), description="face tracks, as the cast sheet calls them")
    voice: str | dict[str, str] | None = Field(None, description="TTS voice 'engine/voice', or one for each language")

    def voice_for(self, language: str) -> str | None:
        return self.voice.get(language) if isinstance(self.voice, dict) else self.voice


class LockEntry(Table):
    """A person's decision; no re-run overrules it: *which line* (or voice, or face) and *who it is* (see ``types.Lock``)."""

    turn: str | None = Field(None, description="id of the turn")
    start: float | None = Field(None, description="or: seconds where the decision begins ...")
    end: float | None = Field(None, description="... and ends")
    speaker: str | None = Field(None, description="the diarized voice, alone or to narrow a time span")
    face: str | tuple[int, float, float] | None = Field(
        None, description="the face that speaks: a track's name, or [frame, x, y] of a point on it"
    )
    character: str | None = Field(None, description="or: the character that speaks, or whose voice or face it is")
    off_screen: bool = Field(False, description="or: nobody in the picture speaks")
    note: str = ""

    @model_validator(mode="after")
    def _says_something(self) -> LockEntry:
        if (self.start is None) != (self.end is None):
            raise ValueError("a time span needs both 'start' and 'end'")
        self.to_lock()
        return self

    def to_lock(self) -> Lock:
        """The decision as the cast room takes it. Raises ValueError where it is incomplete or contradicts itself."""
        point = self.face if isinstance(self.face, tuple) else None
        return Lock(
            turn_id=self.turn,
            segment=None if self.start is None else Segment(self.start, self.end),
            speaker=self.speaker,
            track_id=self.face if isinstance(self.face, str) else None,
            face=point,
            character=self.character,
            off_screen=self.off_screen,
        )


class Output(Table):
    """Where the finished films go."""

    folder: str = Field(".", description="relative to this file")
    name: str = Field("{name}.{language}", description="may use {name} and {language}")

    @field_validator("name")
    @classmethod
    def _known_names(cls, value: str) -> str:
        try:
            value.format(name="", language="")
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            raise ValueError(f"may use {{name}} and {{language}}, not {error}") from error
        return value


class Project(Table):
    """A whole project file."""

    schema_: str = Field(SCHEMA, alias="schema")
    name: str | None = None
    preset: str | None = Field(None, description="a name in presets/ or a path to a TOML file")
    source: Source
    target: dict[str, Target] = Field(description="one table for each language: [target.es]")
    cast: tuple[CastMember, ...] = ()
    lock: tuple[LockEntry, ...] = ()
    output: Output = Output()
    settings: dict[str, dict[str, Any]] = Field({}, description="overrides, [settings.lips] and so on")

    @field_validator("schema_")
    @classmethod
    def _known_schema(cls, value: str) -> str:
        if value != SCHEMA:
            raise ValueError(f"this dubkit reads '{SCHEMA}'")
        return value

    @field_validator("target")
    @classmethod
    def _some_target(cls, value: dict[str, Target]) -> dict[str, Target]:
        if not value:
            raise ValueError("needs at least one language, like [target.es]")
        return value


@dataclass(frozen=True)
class ProjectFile:
    """A checked project and where it lies."""

    path: Path
    project: Project

    @property
    def name(self) -> str:
        return self.project.name or self.path.name.removesuffix(SUFFIX).removesuffix(".toml")

    @property
    def folder(self) -> Path:
        """The store of this project's artefacts, beside the file."""
        return self.path.with_name(self.path.name.removesuffix(SUFFIX).removesuffix(".toml") + ".dubkit")

    @property
    def film(self) -> Path:
        return self.resolve(self.project.source.film)

    def resolve(self, written: str) -> Path:
        """A path of the file as an absolute path."""
        return (self.path.parent / os.path.expanduser(written)).resolve()  # a name like "~mix.wav" stays what it is

    def output_path(self, language: str, suffix: str) -> Path:
        """The finished film of one language; ``suffix`` like ".mp4" where the project names none."""
        written = self.project.target[language].output
        if written:
            path = self.resolve(written)
            return path if path.suffix.lower() in FILM_SUFFIXES else path.with_name(path.name + suffix)
        name = self.project.output.name.format(name=self.name, language=language)
        return self.resolve(self.project.output.folder) / (name + suffix)

    def locks(self) -> tuple[Lock, ...]:
        """Every human decision of the file: its locks, and what its cast says."""
        cast = self.project.cast
        voices = [Lock(speaker=speaker, character=member.name) for member in cast for speaker in member.speakers]
        faces = [Lock(track_id=face, character=member.name) for member in cast for face in member.faces]
        return (*voices, *faces, *(entry.to_lock() for entry in self.project.lock))

    def check_files(self, languages: Sequence[str] | None = None) -> None:
        """Raises ProjectError naming every key whose file is missing, of these languages (none given: of all)."""
        wanted = {"source.film": self.project.source.film}
        for language, target in self.project.target.items():
            if languages is not None and language not in languages:
                continue
            wanted |= {f"target.{language}.{key}": path for key, path in target.files().items()}
        missing = [f"{key} = {path!r}" for key, path in wanted.items() if not self.resolve(path).is_file()]
        if missing:
            raise ProjectError(
                f"{self.path.name}: file not found (looked in {self.path.parent}): " + "; ".join(missing)
            )

    def edit(self, change: Callable[[tomlkit.TOMLDocument], None]) -> ProjectFile:
        """Applies ``change`` to the document, checks the outcome, writes it atomically with its comments kept."""
        document = tomlkit.parse(self.path.read_text("utf-8-sig"))
        change(document)
        project = parse(tomlkit.dumps(document), self.path.name)
        atomic_write(self.path, tomlkit.dumps(document).encode())
        return ProjectFile(self.path, project)


def load(path: Path) -> ProjectFile:
    """Reads a project file. Raises ProjectError."""
    path = Path(path)
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise ProjectError(f"no project file at {path}; make one with: dubkit new FILM --to LANGUAGE ...") from error
    except IsADirectoryError as error:
        raise ProjectError(f"{path} is a folder; give the project file (*{SUFFIX}) in it") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectError(f"cannot read {path} as a UTF-8 text file: {error}") from error
    return ProjectFile(path.resolve(), parse(text, path.name))


def parse(text: str, name: str = "project") -> Project:
    """Checks the text of a project file. Raises ProjectError naming the key, what was found and what is allowed."""
    try:
        data = tomlkit.parse(text).unwrap()
    except TOMLKitError as error:
        raise ProjectError(f"{name}: this is not valid TOML: {error}") from error
    try:
        return Project.model_validate(data)
    except ValidationError as error:
        raise ProjectError("\n".join(f"{name}: {explain(problem, Project)}" for problem in error.errors())) from error


def explain(problem: dict[str, Any], root: type[BaseModel]) -> str:
    """One readable sentence for a pydantic error: the key, what was found, what is allowed."""
    key = ".".join(str(part) for part in problem["loc"])
    kind, found = problem["type"], problem["input"]
    if kind == "extra_forbidden":
        allowed = _allowed_keys(problem["loc"][:-1], root)
        close = get_close_matches(str(problem["loc"][-1]), allowed, n=1)
        return f"unknown key '{key}'" + (
            f"; did you mean '{close[0]}'?" if close else f"; allowed here: {', '.join(allowed)}"
        )
    if kind == "missing":
        return f"'{key}' is missing"
    shown = "" if isinstance(found, (dict, list)) else f" (found {found!r})"
    return f"'{key}': {problem['msg'].removeprefix('Value error, ')}{shown}"


def _allowed_keys(location: tuple[Any, ...], model: type[BaseModel]) -> list[str]:
    """The keys of the table at ``location``, found by walking the annotations."""
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            inner = _tables_in(model.model_fields[part].annotation)
            model = inner[0] if inner else model
    return [field.alias or name for name, field in model.model_fields.items()]


def _tables_in(annotation: Any) -> list[type[Table]]:
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return [annotation]
    return [table for argument in get_args(annotation) for table in _tables_in(argument)]


def json_schema() -> str:
    """JSON Schema of the project file, for editors."""
    schema = Project.model_json_schema(by_alias=True)
    overrides = Settings.model_json_schema()
    schema["$defs"] |= overrides.pop("$defs")
    schema["properties"]["settings"] |= {"properties": overrides["properties"], "additionalProperties": False}
    schema["properties"]["schema"] |= {"const": SCHEMA}
    schema["$id"], schema["title"] = SCHEMA, "dubkit project file"
    return json.dumps(schema, indent=2)


def create(path: Path, document: tomlkit.TOMLDocument) -> ProjectFile:
    """Writes a new project file. Raises StorageError where one exists."""
    project = parse(tomlkit.dumps(document), path.name)
    if path.exists():
        raise StorageError(f"{path} exists already; choose another name or delete it")
    atomic_write(path, tomlkit.dumps(document).encode())
    return ProjectFile(path.resolve(), project)
