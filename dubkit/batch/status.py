"""Questions about a ledger that never change it: counts, rows of a table, rows of the report. Fast for any catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from dubkit.batch.graph import STEPS
from dubkit.batch.ledger import SOURCE, Ledger

_STATE = """CASE WHEN sum(t.state = 'failed') THEN 'failed' WHEN min(t.state = 'done') THEN 'done'
    WHEN sum(t.state = 'running') THEN 'running' ELSE 'waiting' END"""
_FAILED, _RUNNING = (f"SELECT unit FROM task WHERE state = '{state}'" for state in ("failed", "running"))
STATES = ("done", "running", "waiting", "failed")


@dataclass(frozen=True, slots=True)
class UnitStatus:
    """Where a title's source side (language "") or one of its dubs stands."""

    title: str
    language: str
    priority: int
    state: str  # one of STATES
    step: str  # the one that runs, failed or comes next; "" when done
    attempts: int  # most of any of its tasks
    wall: float  # seconds, sum of its tasks
    cpu: float  # seconds of processor time
    error: str
    facts: dict[str, Any]  # what the work found out: seconds, lines, loudness …


def counts(ledger: Ledger) -> dict[str, int]:
    """State → number of dubs (source sides are not counted). A dub is done when its last step is: all others come before."""
    whole, done, failed, running = ledger.db.execute(
        "SELECT (SELECT count(*) FROM unit WHERE language != ''), "
        "(SELECT count(*) FROM task WHERE state = 'done' AND part = 0 AND step = ?), "
        f"(SELECT count(*) FROM unit WHERE language != '' AND id IN ({_FAILED})), "
        f"(SELECT count(*) FROM unit WHERE language != '' AND id IN ({_RUNNING}) AND id NOT IN ({_FAILED}))",
        (len(STEPS) - 1,),
    ).fetchone()
    return {"done": done, "running": running, "waiting": whole - done - failed - running, "failed": failed}


def units(ledger: Ledger, only: str = "") -> Iterator[UnitStatus]:
    """Units in the order of the catalogue. ``only``: those with a task that runs or has failed ("active"), or those of the
    first titles with something to do ("left 20")."""
    where = f"WHERE t.unit IN ({_FAILED} UNION {_RUNNING})" if only == "active" else ""
    if only.startswith("left"):
        where = (
            "WHERE u.source IN (SELECT DISTINCT o.source FROM unit o WHERE EXISTS (SELECT 1 FROM task w "
            f"WHERE w.unit = o.id AND w.state != 'done') ORDER BY o.source LIMIT {int(only.split()[1])})"
        )
    rows = ledger.db.execute(
        f"SELECT u.title, u.language, u.priority, {_STATE}, "
        "coalesce(min(CASE WHEN t.state = 'failed' THEN t.step END), min(CASE WHEN t.state = 'running' THEN t.step END), "
        "min(CASE WHEN t.state != 'done' THEN t.step END)), max(t.attempts), sum(t.wall), sum(t.cpu), max(t.error), u.facts "
        f"FROM task t JOIN unit u ON u.id = t.unit {where} GROUP BY t.unit ORDER BY u.source, u.id"
    )
    for title, language, priority, state, step, attempts, wall, cpu, error, facts in rows:
        name = "" if state == "done" else STEPS[step].name
        yield UnitStatus(title, language, priority, state, name, attempts, wall, cpu, error, json.loads(facts))


def titles_left(ledger: Ledger) -> int:
    """How many titles have something to do."""
    return ledger.db.execute(
        "SELECT count(*) FROM (SELECT DISTINCT u.source FROM unit u WHERE EXISTS "
        "(SELECT 1 FROM task t WHERE t.unit = u.id AND t.state != 'done'))"
    ).fetchone()[0]


def titles(ledger: Ledger, left: int = 0) -> Iterator[tuple[UnitStatus, list[UnitStatus]]]:
    """Every title's source side and its dubs. ``left``: only so many of those that have something to do."""
    for _, group in groupby(units(ledger, f"left {left}" if left else ""), key=lambda unit: unit.title):
        source, *dubs = group
        yield source, dubs


def source_error(ledger: Ledger, title: str) -> str:
    """Why a title's source side failed; "" where it did not."""
    row = ledger.db.execute(
        "SELECT max(error) FROM task t JOIN unit u ON u.id = t.unit WHERE u.title = ? AND u.language = ? "
        "AND t.state = 'failed'", (title, SOURCE),
    ).fetchone()  # fmt: skip
    return row[0] or ""


def history(ledger: Ledger) -> dict[str, float]:
    """Step → processor seconds for a second of film, as measured by this batch so far."""
    rows = ledger.db.execute("SELECT step, cpu, film FROM history WHERE film > 0")
    return {STEPS[number].name: cpu / film for number, cpu, film in rows}
