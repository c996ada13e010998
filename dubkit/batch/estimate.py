"""What a run will take: time from the history of the ledger (or the rates of the task graph), disk from finished dubs.

Films whose length is not known yet are probed, a limited number of them; the others are taken to be as long as the mean.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dubkit.batch.graph import STEPS
from dubkit.batch.ledger import SOURCE, Ledger
from dubkit.batch.status import history
from dubkit.errors import DubkitError

PROBED = 200  # films that are opened to learn how long they are
ASSUMED = 3600.0  # seconds, where not one length is known
SOURCE_BYTES, SCRATCH_BYTES, FILM_BYTES = (
    0.25e6,
    1.5e6,
    1.0e6,
)  # a second of film: a rough guess at 1080p, until the batch has its own figures


@dataclass(frozen=True, slots=True)
class StepEstimate:
    """A step over the whole catalogue."""

    step: str
    left: int  # titles or dubs that still need it
    done: int
    film: float  # seconds of film that are left
    cpu: float  # seconds of processor time that they will take
    measured: bool  # by this batch; otherwise by the rates that come with dubkit


@dataclass(frozen=True, slots=True)
class Estimate:
    """A whole run."""

    steps: tuple[StepEstimate, ...]
    disk: float  # bytes that the work that is left will need at its end
    assumed: int  # titles whose length is a guess

    @property
    def cpu(self) -> float:
        return sum(step.cpu for step in self.steps)


def estimate(ledger: Ledger, film_of: Callable[[str], Path | None]) -> Estimate:
    """Time and disk of what is left. ``film_of(title)`` is the film to probe, or None."""
    lengths, assumed = _lengths(ledger, film_of)
    rates, rows = history(ledger), []
    there = [seconds for seconds in lengths.values() if seconds]
    usual = sum(there) / len(there) if there else ASSUMED
    left: dict[int, list[float]] = {number: [0, 0.0] for number in range(len(STEPS))}
    films = {source: lengths.get(title, usual) for source, title in ledger.db.execute(
        "SELECT id, title FROM unit WHERE language = ''")}  # fmt: skip
    for step, source, count in ledger.db.execute(
        "SELECT t.step, u.source, count(*) FROM task t JOIN unit u ON u.id = t.unit "
        "WHERE t.part = 0 AND t.state NOT IN ('done') GROUP BY t.step, u.source"
    ):
        left[step][0] += count
        left[step][1] += count * films[source]
    done = dict(ledger.db.execute("SELECT step, count(*) FROM task WHERE part = 0 AND state = 'done' GROUP BY step"))
    for number, step in enumerate(STEPS):
        count, film = left[number]
        rate = rates.get(step.name, step.seconds)
        rows.append(StepEstimate(step.name, int(count), done.get(number, 0), film, film * rate, step.name in rates))
    scratch, made = _disk(ledger)
    disk = left[0][1] * SOURCE_BYTES + left[[s.name for s in STEPS].index("render")][1] * (scratch + made)
    return Estimate(tuple(rows), disk if there else 0.0, assumed)  # a guess alone must not stop a run


def _lengths(ledger: Ledger, film_of: Callable[[str], Path | None]) -> tuple[dict[str, float], int]:
    """Title → seconds, for those that are known or could be probed; and how many could not."""
    known: dict[str, float] = {}
    unknown = []
    for title, facts in ledger.db.execute("SELECT title, facts FROM unit WHERE language = ?", (SOURCE,)):
        seconds = json.loads(facts).get("seconds")
        if seconds:
            known[title] = seconds
        else:
            unknown.append(title)
    probed = 0
    for title in unknown:
        film = film_of(title)
        if film and probed < PROBED:
            probed += 1
            known[title] = _seconds(film) or 0.0  # a film that cannot be opened takes nothing but a failure
    return known, sum(title not in known for title in unknown)


def _seconds(film: Path) -> float | None:
    from dubkit.media.packets import open_media

    try:
        with open_media(film) as container:
            return container.duration / 1e6 if container.duration else None
    except DubkitError:
        return None  # its own task will say what is wrong with it


def _disk(ledger: Ledger) -> tuple[float, float]:
    """Bytes of artefacts and of the finished film for a second of film, from finished dubs where there are any."""
    row = ledger.db.execute(
        "SELECT sum(json_extract(d.facts, '$.scratch')), sum(json_extract(d.facts, '$.bytes')), "
        "sum(json_extract(s.facts, '$.seconds')) FROM unit d JOIN unit s ON s.id = d.source "
        "WHERE d.language != '' AND json_extract(d.facts, '$.bytes') IS NOT NULL"
    ).fetchone()
    return (row[0] / row[2], row[1] / row[2]) if row[2] else (SCRATCH_BYTES, FILM_BYTES)
