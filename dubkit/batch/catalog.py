"""The catalogue: which titles go into which languages.

TOML for people who edit text (``schema = "dubkit.catalogue/1"``), CSV for people with spreadsheets: one row a dub, with
the columns ``title, film or project, source_language, language, dialogue, subtitles, background, stems, output, preset,
priority``. Paths are relative to the catalogue, or addresses (``s3://…``). A title is a film with its dubs, or a project
file of its own.
"""

from __future__ import annotations

import csv
import io
import re
from functools import lru_cache
from pathlib import Path
from typing import Any
from unicodedata import category

import rtoml
from pydantic import Field, ValidationError, field_validator, model_validator

from dubkit.batch.graph import NUMBER
from dubkit.batch.remote import file_name, is_address
from dubkit.errors import ProjectError
from dubkit.project.schema import Table, Target, explain

SCHEMA = "dubkit.catalogue/1"
_NAME = re.compile(r"[\w][\w .()\-]*")
_LANGUAGE = re.compile(r"[A-Za-z][\w\-]*")
_CSV_COLUMNS = ("title", "film", "project", "source_language", "language", "dialogue", "subtitles", "background", "stems",
                "output", "preset", "priority")  # fmt: skip


class Resources(Table):
    """What a step may take; see docs/batch.md for the values that hold otherwise."""

    cpus: float | None = Field(None, gt=0, description="cores")
    gpu_gib: float | None = Field(None, ge=0, description="GiB of one GPU; 0 runs the step on the CPU")


class Title(Table):
    """One film of the catalogue."""

    title: str = Field(description="unique name, used in file names")
    film: str | None = Field(None, description="the film, relative to the catalogue")
    project: str | None = Field(None, description="or: a project file that says everything")
    language: str | None = Field(None, description="source language; none: the catalogue's")
    preset: str | None = None
    priority: int = Field(0, description="higher runs first")
    target: dict[str, Target] = Field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _film_or_project(self) -> Title:
        if not _NAME.fullmatch("".join(sign for sign in self.title if category(sign)[0] != "M")):  # vowels of Hindi
            raise ValueError(
                f"the title '{self.title}' must be usable as a file name: letters, digits, space . ( ) - _"
            )
        if (self.film is None) == (self.project is None):
            raise ValueError(f"the title '{self.title}' needs either 'film' or 'project'")
        for language in self.target:
            if not _LANGUAGE.fullmatch(language):
                raise ValueError(f"the title '{self.title}' has a language '{language}'; write it like es or pt-BR")
        if self.film and not self.target:
            raise ValueError(f"the title '{self.title}' needs at least one [title.target.LANGUAGE]")
        if self.project and (self.target or self.settings or self.language or self.preset):
            raise ValueError(
                f"the title '{self.title}' has a project file: target, settings, language and preset belong there"
            )
        return self


class Catalogue(Table):
    """A whole catalogue file."""

    schema_: str = Field(SCHEMA, alias="schema", pattern=re.escape(SCHEMA))
    language: str = Field("en", description="source language of titles that name none")
    preset: str | None = None
    output: str = Field("dubbed/{title}.{language}", description="may use {title}, {language} and {film}")
    split_seconds: float = Field(300, ge=10, description="a longer film is worked on in parts of about this length")
    score: bool = Field(True, description="measure the lip sync of every finished dub")
    keep_pieces: bool = Field(False, description="keep the encoded pieces, so that a changed line costs only its shots")
    keep_downloads: bool = Field(False, description="keep what was brought from addresses when a title is done")
    resources: dict[str, Resources] = {}
    settings: dict[str, dict[str, Any]] = {}
    title: tuple[Title, ...]

    @field_validator("output")
    @classmethod
    def _known_names(cls, value: str) -> str:
        try:
            value.format(title="", language="", film="")
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(f"may use {{title}}, {{language}} and {{film}}, not {error}") from error
        return value

    @field_validator("resources")
    @classmethod
    def _known_steps(cls, value: dict[str, Resources]) -> dict[str, Resources]:
        for name in value:
            if name not in NUMBER:
                raise ValueError(f"there is no step '{name}'; the steps are: {', '.join(NUMBER)}")
        return value

    @model_validator(mode="after")
    def _unique(self) -> Catalogue:
        seen: set[str] = set()
        for title in self.title:
            if title.title.casefold() in seen:
                raise ValueError(f"two titles are called '{title.title}'")
            seen.add(title.title.casefold())
        return self

    @model_validator(mode="after")
    def _films_apart(self) -> Catalogue:
        made: dict[str, tuple[str, str]] = {}  # by where the film goes, in lower case: not every disk tells cases apart
        for title in self.title:
            for language in title.target:
                output, this = self.output_of(title, language), (title.title, language)
                other = made.setdefault(output.casefold(), this)
                if other is not this:
                    over, under = (f"'{name}' in '{of}'" for name, of in (this, other))
                    raise ValueError(f"{over} would be written over {under}: both go to {output}; see 'output'")
        return self

    def output_of(self, title: Title, language: str) -> str:
        """Where a dub goes as written: a path relative to the catalogue, or an address."""
        if own := title.target[language].output:
            return own
        return self.output.format(title=title.title, language=language, film=_film_name(title.film or ""))

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
        data = rtoml.loads(text)
    except rtoml.TomlParsingError as error:
        raise ProjectError(f"{name}: this is not valid TOML: {error}") from error
    return _checked(data, name)


def parse_csv(text: str, name: str = "catalogue") -> Catalogue:
    """One row a dub; rows of the same title are its languages. ``stems`` is written ``ANA=ana.flac; BEN=ben.flac``."""
    first = text.split("\n", 1)[0]
    rows = csv.DictReader(io.StringIO(text), delimiter=max(",;\t", key=first.count))
    unknown = set(rows.fieldnames or ()) - set(_CSV_COLUMNS)
    if unknown or not {"title", "language"} <= set(rows.fieldnames or ()):
        raise ProjectError(
            f"{name}: the first row must name columns out of: {', '.join(_CSV_COLUMNS)} (title and language at least); "
            f"found: {', '.join(rows.fieldnames or ['nothing'])}"
        )
    titles: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(rows, 2):
        if any(cell.strip() for cell in row.pop(None, ())):
            raise ProjectError(
                f"{name}, row {number}: more cells than columns; put what has a separator in it into quotes"
            )
        row = {key: (value or "").strip() for key, value in row.items()}
        if not any(row.values()):
            continue
        if not row["title"]:
            raise ProjectError(f"{name}, row {number}: the column 'title' is empty")
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
        target = {key: row[key] for key in ("dialogue", "subtitles", "background", "output") if row.get(key)}
        if row.get("stems"):
            target["stems"] = _stems(row["stems"], f"{name}, row {number}")
        if target or (row["language"] and "project" not in title):
            if row["language"] in title["target"]:
                raise ProjectError(f"{name}, row {number}: '{row['title']}' has two rows for '{row['language']}'")
            title["target"][row["language"]] = target
    return _checked({"schema": SCHEMA, "title": list(titles.values())}, name)


@lru_cache(16)  # a title's film is asked for by each of its languages
def _film_name(written: str) -> str:
    name = file_name(written) if is_address(written) else re.split(r"[/\\]", written)[-1]
    return name.rpartition(".")[0] or name


def _stems(text: str, where: str) -> dict[str, str]:
    stems = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        speaker, _, path = (word.strip() for word in part.partition("="))
        if not (speaker and path):
            raise ProjectError(f"{where}: stems are written ANA=ana.flac; BEN=ben.flac, got '{part}'")
        stems[speaker] = path
    return stems


def _checked(data: dict[str, Any], name: str) -> Catalogue:
    try:
        return Catalogue.model_validate(data)
    except ValidationError as error:
        said = [f"{name}{_entry(data, problem['loc'])}: {explain(problem, Catalogue)}" for problem in error.errors()]
        raise ProjectError("\n".join(said)) from error


def _entry(data: dict[str, Any], location: tuple[Any, ...]) -> str:
    """The name of the title that a problem is in: a place in a long list says nothing to a person."""
    if len(location) < 2 or location[0] != "title":
        return ""
    title = data["title"][location[1]]
    return f", title '{title['title']}'" if isinstance(title, dict) and title.get("title") else ""
