"""Where a project's artefacts lie, and the records that say why they are what they are.

``film.dubkit/<stage>/`` for source-side stages, ``film.dubkit/<language>/<stage>/`` for those of one dub. Every file is
written atomically and ``record.json`` last, so a folder with a record is whole. One run at a time holds the lock.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from dubkit.digest import file_digest
from dubkit.errors import StorageError
from dubkit.files import atomic_write, storage_error
from dubkit.types import StageRecord

_RECORD = TypeAdapter(StageRecord)


class Store:
    """The artefact folder of one project."""

    def __init__(self, folder: Path):
        self.folder = folder

    def stage_folder(self, stage: str, language: str | None = None) -> Path:
        return self.folder / language / stage if language else self.folder / stage

    def record(self, stage: str, language: str | None = None) -> StageRecord | None:
        """The stage's record, or None where it never finished (or the record cannot be read)."""
        path = self.stage_folder(stage, language) / "record.json"
        try:
            return _RECORD.validate_json(path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def begin(self, stage: str, language: str | None = None) -> Path:
        """The stage's folder, without a record: whatever happens next, it does not count as done until ``finish``."""
        folder = self.stage_folder(stage, language)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "record.json").unlink(missing_ok=True)
            for leftover in folder.rglob(".*.part*"):  # of a run that was killed
                leftover.unlink()
        except OSError as error:
            raise storage_error(folder, error) from error
        return folder

    def finish(self, record: StageRecord, language: str | None = None) -> None:
        atomic_write(
            self.stage_folder(record.stage, language) / "record.json", _RECORD.dump_json(record, indent=1) + b"\n"
        )

    def outputs_intact(self, record: StageRecord, language: str | None, base: Path) -> str | None:
        """None where every output is there with its recorded digest, else what is wrong."""
        for name, digest in record.outputs.items():
            path = output_file(self.stage_folder(record.stage, language), base, name)
            if not path.is_file():
                return f"its output {path.name} is missing"
            if file_digest(path) != digest:
                return f"its output {path.name} was changed by someone"
        return None

    @contextmanager
    def lock(self, language: str | None = None, wait: float = 0.0, only: str = "") -> Iterator[None]:
        """Holds the source side, or one language, against a second run; waits up to ``wait`` seconds for it.

        ``only``: holds just that stage (or part of one), so that a scheduler may work on others of the same side.
        Raises StorageError naming the process that has it.
        """
        folder = self.folder / language if language else self.folder
        name = f"lock.{only}" if only else "lock"
        holder = folder / f"{name}.pid"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / name)
            lock.acquire(timeout=wait)
        except Timeout as error:
            who = holder.read_text() if holder.exists() else "unknown"
            raise StorageError(
                f"another dubkit run (process {who}) works on {folder}; wait for it or stop it"
            ) from error
        except OSError as error:
            raise storage_error(folder / name, error) from error
        try:
            with contextlib.suppress(OSError):  # on a full disk the work itself will say so, by name
                holder.write_text(str(os.getpid()))
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()


def output_name(stage_folder: Path, base: Path, path: Path) -> str:
    """How a record calls an output: relative to the stage's folder, or ``//`` + relative to the project's folder."""
    path = path.resolve()
    if path.is_relative_to(stage_folder.resolve()):
        return path.relative_to(stage_folder.resolve()).as_posix()
    return "//" + Path(os.path.relpath(path, base)).as_posix()


def output_file(stage_folder: Path, base: Path, name: str) -> Path:
    """The file behind ``output_name``."""
    return base / name[2:] if name.startswith("//") else stage_folder / name
