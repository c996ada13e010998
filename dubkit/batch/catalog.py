"""The catalogue: which titles go into which languages.

TOML for people who edit text (``schema = "dubkit.catalogue/1"``), CSV for people with spreadsheets: one row a dub, with
the columns ``title, film or project, source_language, language, dialogue, subtitles, background, stems, preset, priority``.
Paths are relative to the catalogue. A title is a film with its dubs, or a project file of its own.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import Field, ValidationError, model_validator
from tomlkit.exceptions import TOMLKitError

from dubkit.errors import ProjectError
from dubkit.project.schema import SUFFIX, Project, ProjectFile, Table, Target, explain, load

SCHEMA = "dubkit.catalogue/1"
_NAME = re.compile(r"[\w][\w .()\-]*")
_CSV_COLUMNS = ("title", "film", "project", "source_language", "language", "dialogue", "subtitles", "background", "stems",
                "preset", "priority")  # fmt: skip


class Title(Table):
    """One film of the catalogue."""

    title: str = Field(description="unique name, used in file names")
    film: str | None = Field(None, description="the film, relative to the catalogue")
    project: str | None = Field(None, description="or: a project file that says everything")
    language: str | None = Field(None, description="source language; none: the catalogue's")
    preset: str | None = None
    priority: int = Field(0, description="higher runs first")
    target: dict[str, Target] = {}
    settings: dict[str, dict[str, Any]] = {}

    @model_validator(mode="after")
    def _film_or_project(self) -> Title:
        if not _NAME.fullmatch(self.title):
            raise ValueError(
                f"the title '{self.title}' must be usable as a file name: letters, digits, space . ( ) - _"
            )
        if (self.film is None) == (self.project is None):
            raise ValueError(f"the title '{self.title}' needs either 'film' or 'project'")
        if self.film and not self.target:
            raise ValueError(f"the title '{self.title}' needs at least one [title.target.LANGUAGE]")
        if self.project and (self.target or self.settings or self.language):
            raise ValueError(f"the title '{self.title}' has a project file: target, settings and language belong there")
        return self


class Catalogue(Table):
    """A whole catalogue file."""

    schema_: str = Field(SCHEMA, alias="schema", pattern=re.escape(SCHEMA))
    language: str = Field("en", description="source language of titles that name none")
    preset: str | None = None
    output: str = Field("dubbed/{title}.{language}", description="may use {title} and {language}")
    settings: dict[str, dict[str, Any]] = {}
    title: tuple[Title, ...]

    @model_validator(mode="after")
    def _unique(self) -> Catalogue:
        seen: set[str] = set()
        for title in self.title:
            if title.title.casefold() in seen:
                raise ValueError(f"two titles are called '{title.title}'")
            seen.add(title.title.casefold())
        return self

    def preset_of(self, title: Title) -> str | None:
        return title.preset or self.preset


def load_catalogue(path: Path) -> Catalogue:
    """Reads a catalogue: ``.csv`` as a spreadsheet, all else as TOML. Raises ProjectError naming the key or the row."""
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise ProjectError(f"no catalogue at {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectError(f"cannot read {path} as a UTF-8 text file: {error}") from error
    return parse_csv(text, path.name) if path.suffix.lower() == ".csv" else parse_toml(text, path.name)


def parse_toml(text: str, name: str = "catalogue") -> Catalogue:
    try:
        data = tomlkit.parse(text).unwrap()
    except TOMLKitError as error:
        raise ProjectError(f"{name}: this is not valid TOML: {error}") from error
    return _checked(data, name)


def parse_csv(text: str, name: str = "catalogue") -> Catalogue:
    """One row a dub; rows of the same title are its languages. ``stems`` is written ``ANA=ana.flac; BEN=ben.flac``."""
    rows = csv.DictReader(
        io.StringIO(text), dialect=csv.Sniffer().sniff(text.split("\n")[0], ",;\t") if text.strip() else "excel"
    )
    unknown = set(rows.fieldnames or ()) - set(_CSV_COLUMNS)
    if unknown or not {"title", "language"} <= set(rows.fieldnames or ()):
        raise ProjectError(
            f"{name}: the first row must name columns out of: {', '.join(_CSV_COLUMNS)} (title and language at least); "
            f"found: {', '.join(rows.fieldnames or ['nothing'])}"
        )
    titles: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(rows, 2):
        row = {key: (value or "").strip() for key, value in row.items() if key}
        if not any(row.values()):
            continue
        title = titles.setdefault(row["title"], {"title": row["title"], "target": {}})
        for key, column in (
            ("film", "film"),
            ("project", "project"),
            ("language", "source_language"),
            ("preset", "preset"),
        ):
            if row.get(column) and title.setdefault(key, row[column]) != row[column]:
                raise ProjectError(f"{name}, row {number}: '{row['title']}' has another {column} in an earlier row")
        if row.get("priority"):
            title["priority"] = row["priority"]
        target = {key: row[key] for key in ("dialogue", "subtitles", "background") if row.get(key)}
        if row.get("stems"):
            target["stems"] = {
                k.strip(): v.strip() for k, _, v in (part.partition("=") for part in row["stems"].split(";"))
            }
        if target:
            if row["language"] in title["target"]:
                raise ProjectError(f"{name}, row {number}: '{row['title']}' has two rows for '{row['language']}'")
            title["target"][row["language"]] = target
    return _checked({"schema": SCHEMA, "title": list(titles.values())}, name)


def _checked(data: dict[str, Any], name: str) -> Catalogue:
    try:
        return Catalogue.model_validate(data)
    except ValidationError as error:
        raise ProjectError("\n".join(f"{name}: {explain(problem, Catalogue)}" for problem in error.errors())) from error


def projects(catalogue: Catalogue, path: Path) -> Iterator[tuple[Title, ProjectFile]]:
    """Each title's project. A title without a project file of its own gets one in ``<catalogue>.batch/``, made of what the
    catalogue says; its artefacts lie beside it. A broken project file raises ProjectError at its turn."""
    base = path.resolve().parent
    folder = base / f"{path.stem}.batch"
    for title in catalogue.title:
        if title.project:
            yield title, load((base / title.project).resolve())
        else:
            yield title, ProjectFile(folder / f"{title.title}{SUFFIX}", _project(catalogue, title, base))


def _project(catalogue: Catalogue, title: Title, base: Path) -> Project:
    def absolute(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: absolute(inner) for key, inner in value.items()}
        return str((base / value).resolve()) if isinstance(value, str) else value

    settings = {section: {**catalogue.settings.get(section, {}), **title.settings.get(section, {})}
                for section in {*catalogue.settings, *title.settings}}  # fmt: skip
    targets = {}
    for language, target in title.target.items():
        named = absolute({k: v for k, v in target.model_dump(exclude_defaults=True).items() if k != "output"})
        where = target.output or catalogue.output.format(title=title.title, language=language)
        targets[language] = {**named, "output": str((base / where).resolve())}
    return Project.model_validate(
        {
            "schema": "dubkit.project/1",
            "name": title.title,
            "preset": catalogue.preset_of(title),
            "source": {"film": absolute(title.film), "language": title.language or catalogue.language},
            "target": targets,
            "settings": settings,
        }
    )
