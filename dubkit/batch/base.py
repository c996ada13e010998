"""What runs the tasks of a batch.

To add an engine: a class with the methods of ``BatchEngine``, in a file of its own, and a line in ``ENGINES``. It is made
with ``(workers, address, work, listener)`` and calls ``carry_out(job, work, send)`` in the process that does the job. It
never retries: the ledger does. Only paths and ranges travel to a worker, never frames.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from dubkit.batch.graph import Need
from dubkit.batch.ledger import Task
from dubkit.engines import Engine
from dubkit.errors import DubkitError, ProcessError, StorageError
from dubkit.project.events import Event

ENGINES = {
    "local": Engine("dubkit.batch.local:LocalPool", about="processes of this machine"),
    "ray": Engine("dubkit.batch.ray_cluster:RayCluster", "pip install 'dubkit[ray]'", "a Ray cluster"),
}
_HOPELESS = {errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG}  # a folder that does not get better by itself


@dataclass(frozen=True, slots=True)
class Job:
    """A task with all that a worker must know. Small and made of plain values, so that it can travel."""

    task: Task
    project: str  # path of the project file
    downloads: tuple[tuple[str, str], ...] = ()  # address, local path
    upload: str | None = None  # address of the finished film
    keep_pieces: bool = False
    split_seconds: float = 300.0  # a longer film is split into parts of about this length
    score: bool = True  # measure the lip sync of the finished film


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a task. ``passing``: an error that may pass (lost worker, memory, file system), so worth a retry."""

    task: Task
    wall: float = 0.0  # seconds
    cpu: float = 0.0  # seconds of processor time, programs that it started included
    error: str | None = None
    passing: bool = False
    facts: dict[str, Any] = field(default_factory=dict)  # what the ledger keeps about the title or the dub


Work = Callable[[Job, Callable[[Event], None]], dict[str, Any]]
Listener = Callable[[Task, Event], None]


class BatchEngine(Protocol):
    """Runs jobs somewhere. All methods are called from one thread."""

    gpus: bool  # whether there is a GPU

    def refuses(self, need: Need) -> str | None:
        """Why such a job could never start here, or None."""

    def fits(self, need: Need) -> bool:
        """Whether such a job could start now."""

    def start(self, job: Job, need: Need) -> None:
        """Starts a job that fits."""

    def poll(self, timeout: float) -> Iterator[Result]:
        """Waits up to ``timeout`` seconds, hands events to the listener and yields the jobs that ended."""

    def stop(self) -> list[Task]:
        """Ends all jobs at once and returns their tasks; what they had finished on disk stays."""


def carry_out(job: Job, work: Work, send: Callable[[Event], None]) -> Result:
    """Does a job in this process. Never raises, but for what is meant to end the process."""
    began, used = time.monotonic(), processor_time()
    last = [0.0, False]

    def listener(event: Event) -> None:
        last[1] = last[1] or event.kind == "start"
        now = time.monotonic()
        if event.kind != "progress" or now - last[0] > 0.5:
            last[0] = now
            send(event)

    def result(error: str | None = None, passing: bool = False, facts: dict[str, Any] | None = None) -> Result:
        facts = {} if facts is None else {**facts, "ran": last[1]}
        return Result(job.task, time.monotonic() - began, processor_time() - used, error, passing, facts)

    try:
        return result(facts=work(job, listener))
    except DubkitError as error:
        return result(str(error), passes(error))
    except Exception as error:
        return result(f"{type(error).__name__}: {error}", passes(error))


def passes(error: BaseException) -> bool:
    """Whether trying again can help: memory, a full disk, a network file system or a killed program can; a bad file cannot."""
    if isinstance(error, ProcessError):
        return error.returncode is None or error.returncode < 0 or error.returncode == 137
    if isinstance(error, StorageError):
        return not (isinstance(error.__cause__, OSError) and error.__cause__.errno in _HOPELESS)
    if isinstance(error, DubkitError):
        return False
    return isinstance(error, (MemoryError, OSError)) or type(error).__name__ == "OutOfMemoryError"  # torch's, of a GPU


def processor_time() -> float:
    """Seconds of processor time of this process and of the programs it has waited for (not counted on Windows)."""
    return sum(os.times()[:4])
