"""The local engine: worker processes of this machine, each doing one job after another.

A worker that dies takes only its own job with it. After some jobs a worker is replaced, which gives back what packages
keep in memory. Workers started by a run that is gone end at their next progress report.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

from dubkit.batch.base import Job, Listener, Result, Work, carry_out
from dubkit.batch.graph import Need
from dubkit.batch.ledger import Task
from dubkit.batch.slots import Grant, OnSlots, Slots, gpu_memory
from dubkit.errors import Cancelled, SettingsError
from dubkit.memory import give_back_freed
from dubkit.project.events import Event

JOBS_PER_WORKER = 25


@dataclass(slots=True, eq=False)
class _Worker:
    process: multiprocessing.Process
    pipe: Connection
    gpu: str | None
    jobs: int = 0
    job: Job | None = None
    grant: Grant | None = None
    started: float = 0.0


class LocalPool(OnSlots):
    """Up to ``workers`` jobs at once (none given: half as many as there are cores). ``work`` must be importable."""

    def __init__(self, workers: int | None, address: str | None, work: Work, listener: Listener):
        if address:
            raise SettingsError(f"the local engine has no address (got {address}); use --engine ray")
        cores = os.cpu_count() or 1
        self._slots = Slots(workers or max(1, cores // 2), cores, gpu_memory())
        self._work, self._listener = work, listener
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []

    @property
    def pids(self) -> list[int]:
        """The worker processes."""
        return [worker.process.pid for worker in self._workers]

    def start(self, job: Job, need: Need) -> None:
        grant = self._slots.place(need)
        idle = [worker for worker in self._workers if worker.job is None]
        worker = next((worker for worker in idle if worker.gpu == grant.gpu), None)
        if worker is None:
            if idle and len(self._workers) >= self._slots.workers:
                self._retire(idle[0])  # it is bound to another card
            worker = self._hire(grant.gpu)
        worker.job, worker.grant, worker.started = job, grant, time.monotonic()
        self._slots.hold(grant)
        with suppress(OSError):  # it has just died; poll finds that out
            worker.pipe.send(job)

    def poll(self, timeout: float) -> Iterator[Result]:
        busy = {worker.pipe: worker for worker in self._workers if worker.job}
        if not busy:
            time.sleep(timeout)
            return
        for pipe in wait(list(busy), timeout):
            worker = busy[pipe]
            try:
                message = pipe.recv()
            except (EOFError, OSError):
                worker.process.join()
                seconds = time.monotonic() - worker.started
                error = f"its process died (exit code {worker.process.exitcode})"
                result = Result(worker.job.task, seconds, error=error, passing=True)
                self._free(worker)
                self._retire(worker)
                yield result
                continue
            if isinstance(message, Event):
                self._listener(worker.job.task, message)
            else:
                self._free(worker)
                if worker.jobs >= JOBS_PER_WORKER:
                    self._retire(worker)
                yield message

    def stop(self) -> list[Task]:
        stopped = [worker.job.task for worker in self._workers if worker.job]
        for worker in list(self._workers):
            if worker.job:
                worker.process.terminate()
            self._retire(worker)
        return stopped

    def _hire(self, gpu: str | None) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(self._work, theirs), daemon=False)
        with _environment(gpu, int(self._slots.share), bool(self._slots.gpus)):
            process.start()
        theirs.close()
        worker = _Worker(process, ours, gpu)
        self._workers.append(worker)
        return worker

    def _free(self, worker: _Worker) -> None:
        self._slots.free(worker.grant)
        worker.jobs += 1
        worker.job = worker.grant = None

    def _retire(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.pipe.close()  # which an idle worker takes for its end
        worker.process.join(5)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


@contextmanager
def _environment(gpu: str | None, threads: int, has_gpus: bool) -> Iterator[None]:
    """What a worker inherits: how many threads its packages may use, and which card it sees."""
    change = {"OMP_NUM_THREADS": str(threads)}
    if has_gpus:
        change["CUDA_VISIBLE_DEVICES"] = gpu or ""
        change["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as nvidia-smi numbers them; CUDA itself begins with the fastest
    before = {key: os.environ.get(key) for key in change}
    os.environ.update(change)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value


def _serve(work: Work, pipe: Connection) -> None:
    """A worker's life: jobs until the pool closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which then ends its workers
    give_back_freed()
    guard = threading.Lock()

    def send(message: Event | Result) -> None:
        with guard:
            pipe.send(message)

    def say(event: Event) -> None:
        try:
            send(event)
        except OSError as error:
            raise Cancelled("the run that this worker belonged to is gone") from error

    while True:
        try:
            job = pipe.recv()
            send(carry_out(job, work, say))
        except (EOFError, OSError):
            return
