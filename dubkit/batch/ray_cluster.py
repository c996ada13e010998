"""The distributed engine: Ray tasks on this machine or on a cluster.

Without an address Ray is started for this run alone and stays on the loopback interface. With one, the workers are
other machines: they need dubkit installed and the batch's folder under the same path (docs/batch.md). Ray's resources are
logical; what a task asks for is checked against the cluster before, since Ray lets a task that fits nowhere wait for ever.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

from dubkit.batch.base import Job, Listener, Result, Work, carry_out
from dubkit.batch.graph import STEPS, Need
from dubkit.batch.ledger import Task
from dubkit.batch.slots import Grant, OnSlots, Slots, gpu_memory
from dubkit.errors import EngineUnavailable
from dubkit.project.events import Event

_ASK = 10.0  # seconds between looks at the size of the cluster
_ANSWER = 10.0  # seconds that a cluster has to take a connection
_STARTS = 3  # a start has 15 s, fixed in Ray (its issue 65983), which a busy machine misses once and not again


class RayCluster(OnSlots):
    """Up to ``workers`` jobs at once (none given: as many as the cores of the cluster allow)."""

    def __init__(self, workers: int | None, address: str | None, work: Work, listener: Listener):
        self._listener, self._workers = listener, workers
        self._ray, self._own = _connected(address)
        ray = self._ray
        self._work = ray.put(work)
        self._mail = ray.remote(_Mailbox).options(num_cpus=0).remote()
        self._job = ray.remote(_do)
        self._running: dict[Any, tuple[Job, Grant, float]] = {}
        self._gpu_gib = _smallest_gpu(ray) if ray.cluster_resources().get("GPU") else 0.0
        self._slots, self._asked = self._size(), time.monotonic()

    def start(self, job: Job, need: Need) -> None:
        grant = self._slots.place(need)
        self._slots.hold(grant)
        share = round(grant.gpu_gib / self._gpu_gib, 4) if grant.gpu_gib else 0
        name = f"{job.task.title} {job.task.language} {job.task.step}"
        task = self._job.options(num_cpus=grant.cpus, num_gpus=share, max_retries=0, name=name)
        self._running[task.remote(self._work, job, self._mail)] = (job, grant, time.monotonic())

    def poll(self, timeout: float) -> Iterator[Result]:
        self._look_again()
        if not self._running:
            time.sleep(timeout)
            return
        ended, _ = self._ray.wait(list(self._running), num_returns=1, timeout=timeout)
        for task, event in self._ray.get(self._mail.empty.remote()):
            self._listener(task, event)
        for reference in ended:
            job, grant, started = self._running.pop(reference)
            self._slots.free(grant)
            try:
                yield self._ray.get(reference)
            except self._ray.exceptions.RayError as error:  # a worker or a node that is gone, or out of memory
                reason = str(error).strip().split("\n")[0]
                yield Result(job.task, time.monotonic() - started, error=f"its worker was lost: {reason}", passing=True)

    def stop(self) -> list[Task]:
        stopped = [job.task for job, _, _ in self._running.values()]
        for reference in self._running:
            self._ray.cancel(reference, force=True)
        self._running.clear()
        if self._own:
            self._ray.shutdown()
        return stopped

    def _size(self) -> Slots:
        """The cluster as it is now; a card counts with the memory of the smallest one."""
        ray = self._ray
        cpus = ray.cluster_resources().get("CPU", 1.0)
        largest = max((node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]), default=1.0)
        widest = max(step.need.cpus for step in STEPS)
        cards = {str(i): self._gpu_gib for i in range(int(ray.cluster_resources().get("GPU", 0)))}
        slots = Slots(self._workers or max(1, int(cpus / widest)), cpus, cards)
        slots.share = min(slots.share, max(1.0, largest))  # a task runs on one node
        return slots

    def _look_again(self) -> None:
        """A cluster grows and shrinks while a batch runs."""
        if time.monotonic() - self._asked > _ASK:
            self._asked = time.monotonic()
            size = self._size()
            for _, grant, _ in self._running.values():
                size.hold(grant)
            self._slots = size


class _Mailbox:
    """Events on their way from the workers to the run."""

    def __init__(self) -> None:
        self._letters: list[tuple[Task, Event]] = []

    def post(self, task: Task, event: Event) -> None:
        self._letters.append((task, event))

    def empty(self) -> list[tuple[Task, Event]]:
        letters, self._letters = self._letters, []
        return letters


def _do(work: Work, job: Job, mail: Any) -> Result:
    return carry_out(job, work, lambda event: mail.post.remote(job.task, event) and None)


def _connected(address: str | None) -> tuple[Any, bool]:
    """The package, connected, and whether this run has connected it. Raises EngineUnavailable."""
    if address:
        _knock(address)
    early = "ray" in sys.modules
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address is None:
        # Ray replaces 127.0.0.1 by the machine's own address unless it finds this when it is imported.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    import ray

    if ray.is_initialized():
        return ray, False
    if address is None and early and ray._private.ray_constants.ENABLE_RAY_CLUSTER:
        raise EngineUnavailable(
            "ray", "it was imported before it was told to stay on this machine", "call ray.init before run_catalogue"
        )
    alone = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"} if address is None else {}
    for attempt in range(_STARTS):
        try:
            ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **alone)
            break
        except Exception as error:  # of no common class: Ray raises a bare one when a start takes too long
            ray.shutdown()
            if attempt + 1 < _STARTS and address is None:
                continue
            raise EngineUnavailable(
                "ray", f"no cluster answers at {address}: {error}" if address else f"it could not be started: {error}",
                "start the cluster and set RAY_AUTH_MODE=token where it has a token (docs/batch.md), or take --engine local",
            ) from error  # fmt: skip
    return ray, True


def _knock(address: str) -> None:
    """Raises EngineUnavailable where nothing listens at ``host:port``; Ray would ask for minutes and then end the process."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not port.isdecimal():  # "auto", which Ray looks up on this machine
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER).close()
    except (OSError, OverflowError) as error:
        raise EngineUnavailable(
            "ray",
            f"no cluster answers at {address}: {error}",
            "start the cluster (docs/batch.md), or take --engine local",
        ) from error


def _smallest_gpu(ray: Any) -> float:
    """GiB of the smallest card of the cluster, asked of every node that has one."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

    ask = ray.remote(gpu_memory)
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("GPU")]
    said = [
        ask.options(num_cpus=0, num_gpus=0.001, scheduling_strategy=On(node, soft=False)).remote() for node in nodes
    ]
    found = [gib for cards in ray.get(said) for gib in cards.values()]
    if not found:
        raise EngineUnavailable(
            "ray",
            "the cluster says it has GPUs, but nvidia-smi on its nodes names none",
            "install the driver's nvidia-smi",
        )
    return min(found)
