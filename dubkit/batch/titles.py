"""From a title of the catalogue to its project file, its downloads and where its films go."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import tomlkit

from dubkit.batch.catalog import Catalogue, Title
from dubkit.batch.ledger import SOURCE, Unit, batch_folder
from dubkit.batch.remote import is_address, local_path
from dubkit.digest import value_digest
from dubkit.errors import ProjectError
from dubkit.files import atomic_write
from dubkit.project import layers
from dubkit.project.schema import FILM_SUFFIXES, SCHEMA, SUFFIX, Project, ProjectFile, load

_PATH_SETTINGS = (("speech", "diarization"), ("speech", "transcript"), ("faces", "shots"))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A title, ready to be worked on."""

    file: ProjectFile
    downloads: dict[str, tuple[tuple[str, str], ...]] = field(
        default_factory=dict
    )  # language ("": film) → (address, path)
    uploads: dict[str, str] = field(default_factory=dict)  # language → address


def units(catalogue: Catalogue, path: Path) -> Iterator[Unit]:
    """What the ledger must hold: the source side and the dubs of every title, with digests of what the catalogue says and
    of size and date of the files that it names (addresses are not asked)."""
    base = f"{path.resolve().parent}{os.sep}"
    files = [_preset_stamp(catalogue.preset, base), *_setting_stamps(catalogue.settings, base)]
    shared = value_digest([catalogue.language, catalogue.settings, *files])
    for title in catalogue.title:
        if title.project:
            yield from _units_of_project(title, Path(base))
            continue
        own = [shared, title.language, title.settings, _preset_stamp(title.preset, base), _stamp(title.film, base)]
        source = value_digest([*own, *_setting_stamps(title.settings, base)])
        yield Unit(title.title, SOURCE, title.priority, source)
        for language, target in title.target.items():
            said = f"{source}\n{target.output or catalogue.output}"
            for key, written in target.files().items():
                said += f"\n{key}={_stamp(written, base)}"
            yield Unit(title.title, language, title.priority, blake2b(said.encode(), digest_size=16).hexdigest())


def _units_of_project(title: Title, base: Path) -> Iterator[Unit]:
    path = beside(base, title.project)
    try:
        file = load(path)
    except ProjectError as error:  # its first task fails with the same words, and the batch goes on
        yield Unit(title.title, SOURCE, title.priority, value_digest(str(error)))
        return
    said = file.project.model_dump(mode="json", by_alias=True)
    targets, folder = said.pop("target"), f"{file.path.parent}{os.sep}"
    said["film"] = _stamp(file.project.source.film, folder)
    said["files"] = [_preset_stamp(file.project.preset, folder), *_setting_stamps(file.project.settings, folder)]
    yield Unit(title.title, SOURCE, title.priority, value_digest(said))
    for language, target in targets.items():
        files = [_stamp(written, folder) for written in file.project.target[language].files().values()]
        yield Unit(title.title, language, title.priority, value_digest([said, target, files]))


def beside(base: Path, written: str) -> Path:
    """A path of a catalogue in ``base``: relative to it, or with ~ for the home folder."""
    return base / os.path.expanduser(written)


def _preset_stamp(preset: str | None, base: str) -> str | None:
    return _stamp(preset, base) if preset and layers.is_preset_file(preset) else preset


def _setting_stamps(settings: Mapping[str, Mapping[str, Any]], base: str) -> list[str]:
    """Of the files that replace a stage."""
    paths = (settings.get(section, {}).get(key) for section, key in _PATH_SETTINGS)
    return [_stamp(written, base) for written in paths if isinstance(written, str)]


def _stamp(written: str, base: str) -> str:
    """A file by name, size and date: it is not read, since there may be a hundred thousand. ``base`` ends with a separator."""
    if ":" in written and is_address(written):
        return written
    try:  # by hand what os.path.join does: it would take a third of the time that planning takes
        plain = written[:1].isalnum() and ":" not in written
        found = os.stat(base + written if plain else os.path.join(base, os.path.expanduser(written)))
    except OSError:
        return f"{written} is not there"
    return f"{written} {found.st_size} {found.st_mtime_ns}"


def prepare(catalogue: Catalogue, title: Title, path: Path) -> Prepared:
    """The title's project. One that the catalogue describes is written to the batch's folder, beside its artefacts, where
    it differs from what is there. Raises ProjectError (a project file that cannot be used) or StorageError."""
    base, folder = path.resolve().parent, batch_folder(path)
    if title.project:
        return Prepared(load(beside(base, title.project)))
    downloads: dict[str, list[tuple[str, str]]] = {}
    uploads: dict[str, str] = {}

    def here(written: Any, language: str) -> Any:
        if isinstance(written, dict):
            return {key: here(value, language) for key, value in written.items()}
        if isinstance(written, list):
            return [here(value, language) for value in written]
        if is_address(written):
            local = str(local_path(written, folder / "sources"))
            downloads.setdefault(language, []).append((written, local))
            return local
        return str(beside(base, written).resolve())

    settings = {
        section: {**catalogue.settings.get(section, {}), **title.settings.get(section, {})}
        for section in sorted({*catalogue.settings, *title.settings})
    }
    for section, key in (*_PATH_SETTINGS, ("speech", "known_voices")):
        if settings.get(section, {}).get(key):
            settings[section][key] = here(settings[section][key], SOURCE)
    preset = catalogue.preset_of(title)
    if preset and layers.is_preset_file(preset):
        preset = str(beside(base, preset).resolve())
    film, targets = here(title.film, SOURCE), {}
    for language, target in title.target.items():
        output = catalogue.output_of(title, language)
        if is_address(output):
            uploads[language] = output
            output = f"{folder.name}/films/{title.title}.{language}{_suffix(output)}"
        said = target.model_dump(exclude_defaults=True, exclude={"output"})
        targets[language] = {**here(said, language), "output": str(beside(base, output).resolve())}
    said = {"schema": SCHEMA, "name": title.title, "source": {"film": film, "language": title.language or catalogue.language},
            "target": targets, "settings": settings}  # fmt: skip
    said |= {"preset": preset} if preset else {}
    file = ProjectFile(folder / f"{title.title}{SUFFIX}", Project.model_validate(said))
    text = tomlkit.dumps(said).encode()
    if not file.path.exists() or file.path.read_bytes() != text:
        atomic_write(file.path, text)
    return Prepared(file, {language: tuple(found) for language, found in downloads.items()}, uploads)


def _suffix(written: str) -> str:
    suffix = Path(written.rpartition("/")[2]).suffix.lower()
    return suffix if suffix in FILM_SUFFIXES else ""
