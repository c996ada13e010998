"""Runs a catalogue: plans, hands tasks to an engine, retries what can pass, and never stops at one title."""

from __future__ import annotations

import gc
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from dubkit.batch import status
from dubkit.batch.base import ENGINES, BatchEngine, Job, Listener, Result, Work
from dubkit.batch.catalog import Catalogue, Title, load_catalogue
from dubkit.batch.estimate import Estimate, estimate
from dubkit.batch.graph import NUMBER, STEPS, Need, needs
from dubkit.batch.ledger import SOURCE, Ledger, Task, batch_folder, open_ledger
from dubkit.batch.remote import is_address
from dubkit.batch.titles import Prepared, beside, prepare, units
from dubkit.batch.work import do_job, needs_space
from dubkit.engines import create
from dubkit.errors import DubkitError
from dubkit.project import layers
from dubkit.project.events import Event

ATTEMPTS = 3
BACK_OFF = (5.0, 30.0)  # seconds before the second and third attempt
TICK = 5.0  # seconds between renewals of the leases


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run of a catalogue came to: every source side (language "") and every dub."""

    units: tuple[status.UnitStatus, ...]

    @property
    def failed(self) -> tuple[status.UnitStatus, ...]:
        return tuple(unit for unit in self.units if unit.state == "failed")

    @property
    def succeeded(self) -> bool:
        return all(unit.state == "done" for unit in self.units)


@contextmanager
def planned(path: Path) -> Iterator[tuple[Catalogue, Ledger]]:
    """A catalogue, and the ledger that now holds what it wants. Raises ProjectError before anything is made."""
    with _uncollected():
        catalogue = load_catalogue(path)
    with closing(open_ledger(path)) as ledger:
        with _uncollected():
            ledger.plan(units(catalogue, path))
        yield catalogue, ledger


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collection: it would look through a million fresh objects again and again, and find none to free."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def plan_catalogue(path: Path) -> Estimate:
    """Plans and says what a run would take; runs nothing. Raises ProjectError or StorageError."""
    with _uncollected(), planned(path := Path(path)) as (catalogue, ledger):
        return expected(catalogue, path, ledger)


def expected(catalogue: Catalogue, path: Path, ledger: Ledger) -> Estimate:
    """Time and disk of what is left of a planned catalogue."""
    base = path.resolve().parent
    films = {t.title: beside(base, t.film) for t in catalogue.title if t.film and not is_address(t.film)}
    return estimate(ledger, films.get)


def run_catalogue(
    path: Path,
    workers: int | None = None,
    listener: Listener = lambda task, event: None,
    *,
    engine: str = "local",
    address: str | None = None,
    work: Work = do_job,
    check_disk: bool = True,
) -> Summary:
    """Brings every dub of a catalogue up to date. A title that fails is a row of the summary, never the end of the run.

    ``workers``: tasks at once (none: what the engine takes for sensible). ``engine``: local, or ray with the ``address`` of a
    cluster (none: one of this machine, started for this run). ``work(job, listener)`` does one task in a worker.

    Raises ProjectError (a catalogue that cannot be read), StorageError (not enough disk) or EngineUnavailable.
    """
    with planned(path := Path(path)) as (catalogue, ledger), _alive(path, ledger):
        if check_disk:
            needs_space(batch_folder(path), expected(catalogue, path, ledger).disk)
        _Run(path, catalogue, ledger, listener).work_on(
            create("batch engine", ENGINES, engine, workers=workers, address=address, work=work, listener=listener)
        )
        return Summary(tuple(status.units(ledger)))


@contextmanager
def _alive(path: Path, ledger: Ledger):
    """Holds a lock that only a living run holds, so that others can take over the tasks of a dead one at once."""
    mark = batch_folder(path) / "runs" / ledger.owner
    mark.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(mark):
        yield
    mark.unlink(missing_ok=True)


class _Run:
    """One run over a planned catalogue."""

    def __init__(self, path: Path, catalogue: Catalogue, ledger: Ledger, listener: Listener):
        self.path, self.catalogue, self.ledger, self.listener = path, catalogue, ledger, listener
        self._titles: dict[str, Title] = {title.title: title for title in catalogue.title}
        self._prepared: dict[str, Prepared] = {}
        self._sources = Counter(title.film for title in catalogue.title if title.film and is_address(title.film))
        self._ticked = 0.0

    def work_on(self, engine: BatchEngine) -> None:
        """Until nothing can run any more, here or in another run over the same catalogue."""
        said = {name: {"cpus": r.cpus, "gpu_gib": r.gpu_gib} for name, r in self.catalogue.resources.items()}
        wanted = needs(said, engine.gpus)
        try:
            while True:
                self._tick()
                while task := self.ledger.take(
                    [name for name, need in wanted.items() if self._may_start(engine, need)]
                ):
                    self._start(task, engine, wanted[task.step])
                results = list(engine.poll(0.5))
                for result in results:
                    self._settle(result)
                if not results and not self.ledger.open():
                    return
        finally:
            for task in engine.stop():
                self.ledger.give_back(task)

    @staticmethod
    def _may_start(engine: BatchEngine, need: Need) -> bool:
        return engine.refuses(need) is not None or engine.fits(need)  # what is refused is taken, and fails by name

    def _start(self, task: Task, engine: BatchEngine, need: Need) -> None:
        try:
            job = self._job(task)
            refused = engine.refuses(need) or self._wants_gpu(task, need)
        except DubkitError as error:
            self._settle(Result(task, error=str(error)))
            return
        if refused:
            hint = f"set resources.{task.step}.gpu_gib = 0 and the device to auto, or give it one"
            self._settle(Result(task, error=f"the step {task.step} cannot run here: {refused}; {hint}"))
        else:
            engine.start(job, need)

    def _job(self, task: Task) -> Job:
        if task.title not in self._titles:
            raise DubkitError("another run over this catalogue planned it from another version of the file")
        title, prepared = self._titles[task.title], self._prepared.get(task.title)
        if prepared is None:
            prepared = self._prepared[task.title] = prepare(self.catalogue, title, self.path)
        side = [SOURCE, task.language] if task.language else [SOURCE]
        downloads = tuple(pair for language in side for pair in prepared.downloads.get(language, ()))
        chosen = {key: getattr(self.catalogue, key) for key in ("keep_pieces", "split_seconds", "score")}
        return Job(task, str(prepared.file.path), downloads, prepared.uploads.get(task.language), **chosen)

    def _wants_gpu(self, task: Task, need: Need) -> str | None:
        """A title may insist on a GPU; where it would get none, that is said now and not after a wait."""
        section, _, key = STEPS[NUMBER[task.step]].device.partition(".")
        if section and not need.gpu_gib:
            settings, _ = layers.merged(self._prepared[task.title].file)
            wanted = getattr(getattr(settings, section), key)
            if wanted.startswith("cuda"):
                return f"{section}.{key} is '{wanted}' and it gets no GPU"
        return None

    def _settle(self, result: Result) -> None:
        task = result.task
        if result.error is None:
            if self.ledger.finish(task, result.wall, result.cpu, result.facts) and self.ledger.finished(task.title):
                self._clean(task.title)
            return
        again = result.passing and task.attempts < ATTEMPTS
        self.ledger.fail(task, result.error, result.wall, result.cpu, BACK_OFF[task.attempts - 1] if again else None)
        text = f"{result.error} (attempt {task.attempts}{', will be tried again' if again else ''})"
        self.listener(task, Event("retry" if again else "failed", task.step, task.language or None, text=text))

    def _clean(self, title: str) -> None:
        """A finished title gives back what was brought for it, unless another title is made from the same address."""
        prepared = self._prepared.pop(title, None)
        film = self._titles[title].film
        if prepared is None or self.catalogue.keep_downloads:
            return
        self._sources[film] -= 1
        for language, pairs in prepared.downloads.items():
            for address, path in pairs:
                if language or address != film or self._sources[film] <= 0:
                    shutil.rmtree(Path(path).parent, ignore_errors=True)

    def _tick(self) -> None:
        if time.monotonic() - self._ticked < TICK and self._ticked:
            return
        self._ticked = time.monotonic()
        self.ledger.renew()
        for owner in self.ledger.owners():
            if _dead(batch_folder(self.path) / "runs" / owner):
                self.ledger.release(owner)


def _dead(mark: Path) -> bool:
    """Whether the run behind a mark has ended without giving back its tasks."""
    try:
        with FileLock(mark, timeout=0):
            pass
    except Timeout:
        return False
    with suppress(OSError):  # not while it is open: Windows would not let it go
        mark.unlink(missing_ok=True)
    return True
