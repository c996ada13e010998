"""Runs a catalogue: plans, hands tasks to an engine, retries what can pass, and never stops at one title."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tomlkit

from dubkit.batch.catalog import Catalogue, Title, load_catalogue, projects
from dubkit.batch.ledger import SOURCE, Ledger, Task
from dubkit.batch.local import LocalPool, Result
from dubkit.digest import value_digest
from dubkit.errors import StorageError
from dubkit.files import atomic_write
from dubkit.project import layers, schema
from dubkit.project.events import Event
from dubkit.project.pipeline import Outcome, Pipeline

ATTEMPTS = 3
BACK_OFF = (5.0, 30.0)  # seconds before the second and third attempt
MIN_FREE = 2 << 30  # bytes of disk that a run does not touch
Listener = Callable[[Task, Event], None]
Work = Callable[[dict[str, str], Task, Callable[[Event], None]], None]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run of a catalogue came to."""

    tasks: tuple[Task, ...]

    @property
    def failed(self) -> tuple[Task, ...]:
        return tuple(task for task in self.tasks if task.state == "failed")

    @property
    def succeeded(self) -> bool:
        return all(task.state == "done" for task in self.tasks)


def batch_folder(catalogue: Path) -> Path:
    """Where a batch keeps its ledger, generated projects and report: beside the catalogue."""
    return catalogue.resolve().parent / f"{catalogue.stem}.batch"


def plan(path: Path, ledger: Ledger) -> Catalogue:
    """Puts a catalogue's tasks into the ledger and writes the projects of its titles. Raises ProjectError."""
    catalogue = load_catalogue(path)
    tasks = []
    for title, file in _projects(catalogue, path, ledger):
        said = file.project.model_dump(mode="json", by_alias=True)
        targets = said.pop("target")
        tasks.append(Task(title.title, SOURCE, title.priority, digest=value_digest(said)))
        tasks += [
            Task(title.title, lang, title.priority, digest=value_digest([said, t])) for lang, t in targets.items()
        ]
    ledger.plan(tasks)
    return catalogue


def _projects(catalogue: Catalogue, path: Path, ledger: Ledger):
    for title, file in projects(catalogue, path):
        if not title.project:
            said = file.project.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            text = tomlkit.dumps({"schema": schema.SCHEMA, **_without_none(said)}).encode()
            if not file.path.exists() or file.path.read_bytes() != text:
                atomic_write(file.path, text)
        yield title, file


def _without_none(value):
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return [_without_none(v) for v in value] if isinstance(value, (list, tuple)) else value


def run_catalogue(
    path: Path,
    workers: int = 1,
    listener: Listener = lambda task, event: None,
    work: Work | None = None,
) -> Summary:
    """Brings every dub of a catalogue up to date. A title that fails is a row of the summary, never the end of the run.

    ``work(projects by title, task, listener)`` does one task in a process of its own; the default runs the pipeline.

    Raises ProjectError (a catalogue that cannot be read) or StorageError (no disk to work on).
    """
    path = Path(path)
    ledger = Ledger(batch_folder(path) / "ledger.sqlite", f"{socket.gethostname()}:{os.getpid()}")
    try:
        catalogue = plan(path, ledger)
        _check_disk(batch_folder(path))
        where = {title.title: str(file.path) for title, file in projects(catalogue, path)}
        pool = LocalPool(workers, partial(work or do_task, where), listener)
        try:
            _loop(ledger, pool)
        finally:
            for task in pool.stop():
                ledger.give_back(task)
        return Summary(tuple(ledger.tasks()))
    finally:
        ledger.close()


def _loop(ledger: Ledger, pool: LocalPool) -> None:
    running = 0
    while True:
        while pool.free and (task := ledger.take()):
            pool.start(task)
            running += 1
        if not running and ledger.next_wait() is None:
            return
        if not running and ledger.counts().get("waiting", 0) and not _possible(ledger):
            return
        for result in pool.poll(0.5):
            running -= 1
            _settle(ledger, result)
        ledger.renew()


def _possible(ledger: Ledger) -> bool:
    """Whether some waiting task will become ready without anything else running."""
    tasks = ledger.tasks()
    ready = {t.title for t in tasks if t.language == SOURCE and t.state in ("done", "waiting", "running")}
    return any(t.state == "waiting" and t.title in ready for t in tasks)


def _settle(ledger: Ledger, result: Result) -> None:
    if result.error is None:
        ledger.finish(result.task, result.seconds)
    else:
        again = result.passing and result.task.attempts < ATTEMPTS
        ledger.fail(result.task, result.error, result.seconds, BACK_OFF[result.task.attempts - 1] if again else None)


def do_task(where: dict[str, str], task: Task, listener: Callable[[Event], None]) -> None:
    """One task through the pipeline; runs in a process of its own."""
    file = schema.load(Path(where[task.title]))
    settings, _ = layers.merged(file)
    pipeline = Pipeline(file, settings, listener)
    if task.language == SOURCE:
        pipeline.run(until="match", wait=600)
    else:
        pipeline.run([task.language], wait=600)


def _check_disk(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < MIN_FREE:
        raise StorageError(
            f"only {free / 2**30:.1f} GiB are free at {folder}; a batch needs at least {MIN_FREE >> 30} GiB to start"
        )


def outcomes(path: Path) -> Iterator[tuple[Title, str, Outcome]]:
    """Title, language and where the finished film and its report are (or will be), for every dub of a catalogue."""
    path = Path(path)
    for title, file in projects(load_catalogue(path), path):
        pipeline = Pipeline(file, layers.merged(file)[0])
        for language in file.project.target:
            yield title, language, pipeline.outcome(language)
