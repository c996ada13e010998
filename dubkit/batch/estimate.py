"""What a run will take: time from the history of the ledger (or the rates of the task graph), disk from finished dubs.

Films whose length is not known yet are probed, a limited number of them; the others are taken to be as long as the mean.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dubkit.batch.graph import NUMBER, STEPS
from dubkit.batch.ledger import Ledger
from dubkit.batch.status import history
from dubkit.errors import DubkitError

PROBED = 200  # films that are opened to learn how long they are
ASSUMED = 3600.0  # seconds, where not one length is known
# Bytes for a second of film: a rough guess at 1080p, until the batch has its own figures.
SOURCE_BYTES, SCRATCH_BYTES, FILM_BYTES = 0.25e6, 1.5e6, 1.0e6


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
    unreadable: tuple[str, ...] = ()  # titles whose film is not there or cannot be opened, of those that were probed

    @property
    def cpu(self) -> float:
        return sum(step.cpu for step in self.steps)


def estimate(ledger: Ledger, film_of: Callable[[str], Path | None]) -> Estimate:
    """Time and disk of what is left. ``film_of(title)`` is the film to probe, or None."""
    lengths, assumed, unreadable = _lengths(ledger, film_of)
    there = [seconds for seconds in lengths.values() if seconds]
    usual = sum(there) / len(there) if there else ASSUMED
    units = dict(ledger.db.execute("SELECT source, count(*) FROM unit GROUP BY source"))  # a source side and its dubs
    done = _count(ledger, "SELECT t.step, u.source, count(*) FROM task t JOIN unit u ON u.id = t.unit "
                          "WHERE t.part = 0 AND t.state = 'done' GROUP BY t.step, u.source")  # fmt: skip

    def whole(counted: dict[int, int]) -> tuple[int, float]:
        return sum(counted.values()), sum(count * lengths.get(source, usual) for source, count in counted.items())

    rates, rows = history(ledger), []
    all_of = whole(dict.fromkeys(units, 1)), whole({source: count - 1 for source, count in units.items()})
    for number, step in enumerate(STEPS):
        (count, film), (ready, behind) = all_of[step.per_language], whole(done[number])
        left = max(0.0, film - behind) if count > ready else 0.0
        rate = rates.get(step.name, step.seconds)
        rows.append(StepEstimate(step.name, count - ready, ready, left, left * rate, step.name in rates))
    scratch, made = _disk(ledger)
    disk = rows[NUMBER["prepare"]].film * SOURCE_BYTES + rows[NUMBER["render"]].film * (scratch + made)
    return Estimate(tuple(rows), disk if there else 0.0, assumed, unreadable)  # a guess alone must not stop a run


def _count(ledger: Ledger, query: str) -> dict[int, dict[int, int]]:
    """Rows of (what, source, count) as what → source → count."""
    found: dict[int, dict[int, int]] = defaultdict(dict)
    for what, source, count in ledger.db.execute(query):
        found[what][source] = count
    return found


def _lengths(ledger: Ledger, film_of: Callable[[str], Path | None]) -> tuple[dict[int, float], int, tuple[str, ...]]:
    """Source side → seconds, for those that are known or were probed; how many were not; what could not be opened."""
    known, probed, assumed, unreadable = {}, 0, 0, []
    for source, title, seconds in ledger.db.execute(
        "SELECT id, title, json_extract(facts, '$.seconds') FROM unit WHERE id = source"
    ):
        film = film_of(title) if not seconds and probed < PROBED else None
        if film:
            probed += 1
            seconds = _seconds(film)
            if seconds is None:
                seconds = 0.0  # it takes nothing but a failure
                unreadable.append(title)
        if seconds is None:
            assumed += 1
        else:
            known[source] = seconds
    return known, assumed, tuple(unreadable)


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
