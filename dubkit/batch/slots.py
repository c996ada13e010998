"""Who may start: cores and GPU memory of an engine, and what of them is in use.

GPU memory cannot be enforced from outside; a step declares what it needs (docs/batch.md), and never more is given away
than a card has. A step goes to the card with the least room that still fits, so that large ones find room too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from dubkit.batch.graph import Need
from dubkit.errors import ProcessError


@dataclass(frozen=True, slots=True)
class Grant:
    """What a running job holds."""

    cpus: float
    gpu: str | None = None  # the card's name for CUDA_VISIBLE_DEVICES
    gpu_gib: float = 0.0


class Slots:
    """``cpus`` cores and ``gpus`` (card → GiB), shared by at most ``workers`` jobs."""

    def __init__(self, workers: int, cpus: float, gpus: Mapping[str, float] | None = None):
        self.workers, self.cpus, self.gpus = workers, cpus, gpus or {}
        self.share = max(1.0, cpus / workers)  # no job holds more cores, so that ``workers`` jobs can run
        self._held: list[Grant] = []

    @property
    def running(self) -> int:
        return len(self._held)

    def refuses(self, need: Need) -> str | None:
        """Why this need can never be met, or None."""
        if need.gpu_gib and not self.gpus:
            return f"it asks for {need.gpu_gib:g} GiB of a GPU and there is none"
        if need.gpu_gib > max(self.gpus.values(), default=0.0):
            return f"it asks for {need.gpu_gib:g} GiB of a GPU and the largest has {max(self.gpus.values()):.0f} GiB"
        return None

    def place(self, need: Need) -> Grant | None:
        """What such a job would hold, or None while there is no room for it."""
        cpus = min(need.cpus, self.share)
        if len(self._held) >= self.workers or sum(g.cpus for g in self._held) + cpus > max(self.cpus, cpus):
            return None
        if not need.gpu_gib:
            return Grant(cpus)
        room = {i: total - sum(g.gpu_gib for g in self._held if g.gpu == i) for i, total in self.gpus.items()}
        fitting = [i for i, free in room.items() if free >= need.gpu_gib]
        return Grant(cpus, min(fitting, key=room.get), need.gpu_gib) if fitting else None

    def hold(self, grant: Grant) -> None:
        self._held.append(grant)

    def free(self, grant: Grant) -> None:
        self._held.remove(grant)


class OnSlots:
    """The half of a batch engine that says what may start, for engines that count their room in ``_slots``."""

    _slots: Slots

    @property
    def gpus(self) -> bool:
        return bool(self._slots.gpus)

    def refuses(self, need: Need) -> str | None:
        return self._slots.refuses(need)

    def fits(self, need: Need) -> bool:
        return self._slots.place(need) is not None


def gpu_memory() -> dict[str, float]:
    """GiB of each NVIDIA card of this machine that this process may use; none where there is no driver."""
    from dubkit.process import run

    try:
        said = run(["nvidia-smi", "--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits"], timeout=30)
    except ProcessError:
        return {}
    rows = [[cell.strip() for cell in line.split(",")] for line in said.decode().split("\n") if line.count(",") == 2]
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    wanted = None if allowed is None else {name.strip() for name in allowed.split(",")}
    own = (row for row in rows if row[2].isdigit())  # cards that share the machine's memory say [N/A]
    return {i: float(mib) / 1024 for i, uuid, mib in own if wanted is None or wanted & {i, uuid}}
