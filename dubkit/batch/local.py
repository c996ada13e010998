"""The local engine: one process a task, so that a task that dies takes nothing with it and its memory is given back."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

from dubkit.batch.ledger import Task
from dubkit.errors import DubkitError
from dubkit.project.events import Event


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a task. ``passing``: an error that may pass (lost worker, memory, file system), so worth a retry."""

    task: Task
    seconds: float
    error: str | None = None
    passing: bool = False


class LocalPool:
    """Up to ``workers`` tasks at once. ``work(task, listener)`` runs in a fresh process; it must be importable."""

    def __init__(
        self,
        workers: int,
        work: Callable[[Task, Callable[[Event], None]], None],
        listener: Callable[[Task, Event], None],
    ):
        self.workers, self._work, self._listener = workers, work, listener
        self._context = multiprocessing.get_context("spawn")
        self._running: dict[Connection, tuple[Task, multiprocessing.Process, float]] = {}
        self._said: dict[Connection, tuple[str | None, bool]] = {}

    @property
    def free(self) -> int:
        return self.workers - len(self._running)

    def start(self, task: Task) -> None:
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_child, args=(self._work, task, theirs))
        process.start()
        theirs.close()
        self._running[ours] = (task, process, time.monotonic())

    def poll(self, timeout: float) -> Iterator[Result]:
        """Hands events to the listener and yields the tasks that ended."""
        if not self._running:
            time.sleep(timeout)
            return
        for pipe in wait(list(self._running), timeout):
            task, process, started = self._running[pipe]
            try:
                message = pipe.recv()
            except (EOFError, OSError):
                process.join()
                del self._running[pipe]
                pipe.close()
                error, passing = self._said.pop(pipe, (f"its process died (exit code {process.exitcode})", True))
                yield Result(task, time.monotonic() - started, error, passing)
                continue
            if isinstance(message, Event):
                self._listener(task, message)
            else:
                self._said[pipe] = message

    def stop(self) -> list[Task]:
        """Ends all processes at once and returns their tasks; what they had finished on disk stays."""
        stopped = [task for task, _, _ in self._running.values()]
        for pipe, (_, process, _) in self._running.items():
            process.terminate()
            process.join(5)
            if process.is_alive():
                process.kill()
                process.join()
            pipe.close()
        self._running.clear()
        return stopped


def _child(work: Callable[[Task, Callable[[Event], None]], None], task: Task, pipe: Connection) -> None:
    last = 0.0

    def listener(event: Event) -> None:
        nonlocal last
        now = time.monotonic()
        if event.kind != "progress" or now - last > 0.5:
            last = now
            with suppress(OSError):  # the parent is gone; the work goes on to its next safe point
                pipe.send(event)

    try:
        work(task, listener)
        pipe.send((None, False))
    except DubkitError as error:
        pipe.send((str(error), passes(error)))
    except MemoryError as error:
        pipe.send((f"out of memory: {error}", True))
    except Exception as error:
        pipe.send((f"{type(error).__name__}: {error}", False))


def passes(error: DubkitError) -> bool:
    """Whether trying again can help: a full disk or a killed program can pass, a bad file cannot."""
    from dubkit.errors import ProcessError, StorageError

    return isinstance(error, (ProcessError, StorageError))
