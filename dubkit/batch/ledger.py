"""The batch's memory: what is to do, who does it, what came of it. SQLite in WAL mode beside the catalogue.

A *unit* is a title's source side (language "") or one of its dubs; a *task* is one step of a unit, or one part of a step
of a long film. A task is taken with a lease that its run renews; when the run dies, the task may be taken again. Two runs
over one catalogue therefore share the work and never do a task twice at once.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import time
import uuid
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dubkit.batch.graph import NUMBER, STEPS, downstream
from dubkit.errors import StorageError

LEASE = 60.0  # seconds; renewed every few seconds by the run that holds it
SOURCE = ""  # the "language" of a title's source side, done once for all of its dubs

_TABLES = """
CREATE TABLE unit (id INTEGER PRIMARY KEY, title TEXT NOT NULL, language TEXT NOT NULL, source INTEGER,
    priority INTEGER NOT NULL, digest TEXT NOT NULL, facts TEXT NOT NULL DEFAULT '{}', UNIQUE (title, language));
CREATE INDEX by_source ON unit (source);
CREATE TABLE task (unit INTEGER NOT NULL, step INTEGER NOT NULL, part INTEGER NOT NULL, state TEXT NOT NULL,
    priority INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, not_before REAL NOT NULL DEFAULT 0, owner TEXT,
    lease_until REAL NOT NULL DEFAULT 0, first INTEGER, stop INTEGER, wall REAL NOT NULL DEFAULT 0,
    cpu REAL NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', PRIMARY KEY (unit, step, part)) WITHOUT ROWID;
CREATE INDEX ready ON task (priority DESC, step DESC, unit, part, not_before) WHERE state = 'waiting';
CREATE INDEX leased ON task (owner, lease_until) WHERE state = 'running';
CREATE INDEX broken ON task (unit) WHERE state = 'failed';
CREATE INDEX ended ON task (step, unit) WHERE state = 'done' AND part = 0;
CREATE TABLE history (step INTEGER PRIMARY KEY, film REAL, wall REAL, cpu REAL, count INTEGER);
CREATE TABLE step (id INTEGER PRIMARY KEY, per_language INTEGER, splits INTEGER);
CREATE TABLE edge (step INTEGER, before INTEGER);
"""
# Tasks name their steps by number, so other tables or other steps are another version.
VERSION = zlib.crc32((_TABLES + ",".join(step.name for step in STEPS)).encode()) & 0x7FFFFFFF
_UNBLOCK = """
UPDATE task SET state = 'waiting' WHERE state = 'blocked' AND unit IN (SELECT id FROM unit WHERE source IN ({sources}))
AND NOT EXISTS (SELECT 1 FROM edge e JOIN task d ON d.step = e.before AND d.part = 0
    AND d.unit IN (task.unit, (SELECT source FROM unit WHERE id = task.unit)) WHERE e.step = task.step AND d.state != 'done')
AND NOT (part = 0 AND EXISTS (SELECT 1 FROM task p WHERE p.unit = task.unit AND p.step = task.step AND p.part > 0
    AND p.state != 'done'))
"""
_AGAIN = """
UPDATE task SET state = CASE WHEN step = 0 THEN 'waiting' ELSE 'blocked' END, attempts = 0, not_before = 0, error = '',
    owner = NULL"""
_ADD_PARTS = """
INSERT OR IGNORE INTO task (unit, step, part, state, priority, first, stop)
SELECT u.id, s.id, p.key + 1, 'blocked', u.priority, json_extract(p.value, '$[0]'), json_extract(p.value, '$[1]')
FROM unit u JOIN unit f ON f.id = u.source JOIN step s ON s.splits AND s.per_language = (u.language != ''),
    json_each(f.facts, '$.parts') p
WHERE u.source IN ({sources})
AND EXISTS (SELECT 1 FROM task w WHERE w.unit = u.id AND w.step = s.id AND w.part = 0 AND w.state != 'done')
"""
_LISTED = "SELECT value FROM json_each(?)"


class Unit(NamedTuple):
    """A title's source side (language ""), or one of its dubs, as the catalogue wants it."""

    title: str
    language: str
    priority: int = 0
    digest: str = ""  # of what the catalogue says


@dataclass(frozen=True, slots=True)
class Task:
    """One step of a unit that a run has taken. ``part`` 0 is the step itself, 1, 2 … are parts of its film."""

    title: str
    language: str
    step: str
    part: int = 0
    frames: tuple[int, int] | None = None  # of a part: the frames that it is about
    attempts: int = 1  # this one included


def batch_folder(catalogue: Path) -> Path:
    """Where a batch keeps its ledger, generated projects, artefacts, downloads and report: beside the catalogue."""
    return catalogue.resolve().parent / f"{catalogue.stem}.batch"


def open_ledger(catalogue: Path) -> Ledger:
    """The ledger of a catalogue, for a run of its own."""
    owner = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    return Ledger(batch_folder(catalogue) / "ledger.sqlite", owner)


class Ledger:
    """The tasks of one catalogue. ``owner`` names this run. Raises StorageError where the file cannot be used."""

    def __init__(self, path: Path, owner: str, clock=time.time):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.owner, self._clock = owner, clock
        try:
            self.db = sqlite3.connect(path, timeout=60, isolation_level=None)
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("PRAGMA synchronous=NORMAL")
            self.db.execute("PRAGMA cache_size=-65536")  # KiB: a catalogue of 200,000 dubs is planned in memory
            self.db.execute("PRAGMA temp_store=MEMORY")
            self._prepare(path)
        except sqlite3.DatabaseError as error:
            raise StorageError(f"the batch's ledger {path} cannot be used: {error}") from error

    def _prepare(self, path: Path) -> None:
        if self.db.execute("PRAGMA user_version").fetchone()[0] == VERSION:
            return
        with self.transaction() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version == VERSION:  # another run was faster
                return
            if version or db.execute("SELECT 1 FROM sqlite_master").fetchone():
                raise StorageError(
                    f"{path} is the ledger of another dubkit version; delete it: what is finished will be found again"
                )
            for statement in _TABLES.split(";"):
                db.execute(statement)
            for step in STEPS:
                number = NUMBER[step.name]
                db.execute("INSERT INTO step VALUES (?, ?, ?)", (number, step.per_language, step.splits))
                db.executemany("INSERT INTO edge VALUES (?, ?)", [(number, NUMBER[before]) for before in step.after])
            db.execute(f"PRAGMA user_version = {VERSION}")

    def close(self) -> None:
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield self.db
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    # ------------------------------------------------------------------------------------------------------- planning

    def plan(self, wanted: Iterable[Unit], again: bool = True) -> None:
        """Makes the ledger hold exactly these units, each title's source side before its dubs. One whose digest changed is
        done again, a title's dubs with its source side; ``again``: so are failed ones."""
        with self.transaction() as db:
            known = {row[:2]: row[2:] for row in db.execute("SELECT title, language, id, priority, digest FROM unit")}
            last = next_id = max((row[0] for row in known.values()), default=0)
            sources: dict[str, tuple[int, bool]] = {}  # title → id of its source side, whether that has changed
            new, moved, touched, affected = [], [], [], set()
            for title, language, priority, digest in wanted:
                number, had_priority, had_digest = known.pop((title, language), (None, priority, digest))
                if number is None:
                    number = next_id = next_id + 1
                    new.append((number, title, language, sources[title][0] if language else number, priority, digest))
                if language == SOURCE:
                    sources[title] = (number, digest != had_digest)
                source, stale = sources[title]
                if number > last or stale or digest != had_digest:
                    affected.add(source)
                    if number <= last:
                        touched.append((digest, number))
                if priority != had_priority:
                    moved.append((priority, number))
            gone, changed = [(row[0],) for row in known.values()], [(number,) for _, number in touched]
            db.executemany("DELETE FROM task WHERE unit = ?", gone)
            db.executemany("DELETE FROM unit WHERE id = ?", gone)
            db.executemany("DELETE FROM task WHERE part > 0 AND unit = ?", changed)
            db.executemany(f"{_AGAIN} WHERE unit = ?", changed)
            db.executemany("UPDATE unit SET facts = '{}', digest = ? WHERE id = ?", touched)
            db.executemany("UPDATE unit SET priority = ? WHERE id = ?", moved)
            db.executemany("UPDATE task SET priority = ? WHERE unit = ?", moved)
            if again:
                failed = "SELECT DISTINCT u.source FROM task t JOIN unit u ON u.id = t.unit WHERE t.state = 'failed'"
                affected.update(row[0] for row in db.execute(failed))
                db.execute(f"{_AGAIN} WHERE state = 'failed'")
            db.executemany(
                "INSERT INTO unit (id, title, language, source, priority, digest) VALUES (?, ?, ?, ?, ?, ?)", new
            )
            # A cross join goes through its tables in this order, so that tasks come in the order of their key.
            db.execute("INSERT INTO task (unit, step, part, state, priority) "
                       "SELECT u.id, s.id, 0, CASE WHEN s.id = 0 THEN 'waiting' ELSE 'blocked' END, u.priority FROM unit u "
                       "CROSS JOIN step s ON s.per_language = (u.language != '') WHERE u.id > ?", (last,))  # fmt: skip
            # A new title has its first step waiting, the others blocked, and no parts.
            begun = json.dumps(sorted(source for source in affected if source <= last))
            db.execute(_ADD_PARTS.format(sources=_LISTED), (begun,))
            db.execute(_UNBLOCK.format(sources=_LISTED), (begun,))

    # -------------------------------------------------------------------------------------------------------- working

    def take(self, steps: Collection[str]) -> Task | None:
        """The next of these steps that can run, now leased to this run: by priority, then what is nearest to its end."""
        now, numbers = self._clock(), ",".join(str(NUMBER[step]) for step in steps)
        with self.transaction() as db:
            row = db.execute(
                f"SELECT unit, step, part, attempts, first, stop FROM task WHERE state = 'waiting' AND step IN ({numbers}) "
                "AND not_before <= ? ORDER BY priority DESC, step DESC, unit, part LIMIT 1", (now,),
            ).fetchone()  # fmt: skip
            if row is None:
                return None
            unit, step, part, attempts, first, stop = row
            db.execute("UPDATE task SET state = 'running', owner = ?, lease_until = ?, attempts = attempts + 1 "
                       "WHERE unit = ? AND step = ? AND part = ?", (self.owner, now + LEASE, unit, step, part))  # fmt: skip
            title, language = db.execute("SELECT title, language FROM unit WHERE id = ?", (unit,)).fetchone()
        frames = None if first is None else (first, stop)
        return Task(title, language, STEPS[step].name, part, frames, attempts + 1)

    def renew(self) -> None:
        """Keeps this run's leases, and lets tasks whose lease ran out wait again."""
        now = self._clock()
        self.db.execute(
            "UPDATE task SET lease_until = ? WHERE owner = ? AND state = 'running'", (now + LEASE, self.owner)
        )
        self.db.execute(
            "UPDATE task SET state = 'waiting', owner = NULL WHERE state = 'running' AND lease_until < ?", (now,)
        )

    def owners(self) -> list[str]:
        """The runs that hold tasks, this one left out."""
        rows = self.db.execute("SELECT DISTINCT owner FROM task WHERE state = 'running' AND owner != ?", (self.owner,))
        return [row[0] for row in rows]

    def release(self, owner: str) -> None:
        """The tasks of a run that is dead wait again."""
        self.db.execute(
            "UPDATE task SET state = 'waiting', owner = NULL WHERE state = 'running' AND owner = ?", (owner,)
        )

    def finish(self, task: Task, wall: float, cpu: float, facts: dict[str, Any]) -> bool:
        """The task is done, and what came after it may run. False where the lease was lost: another run has it now."""
        facts, number = dict(facts), NUMBER[task.step]
        ran = facts.pop("ran", True)
        with self.transaction() as db:
            if not self._settle(task, "state = 'done', error = '', wall = ?, cpu = ?", wall, cpu):
                return False
            unit, source = db.execute(
                "SELECT id, source FROM unit WHERE title = ? AND language = ?", (task.title, task.language)
            ).fetchone()
            if facts:
                db.execute("UPDATE unit SET facts = json_patch(facts, ?) WHERE id = ?", (json.dumps(facts), unit))
            seconds = db.execute("SELECT json_extract(facts, '$.seconds') FROM unit WHERE id = ?", (source,)).fetchone()
            if ran and seconds[0]:
                film = seconds[0] if task.part == 0 else 0.0  # a part adds to the time of its step, not to the film
                db.execute("INSERT INTO history VALUES (?, ?, ?, ?, 1) ON CONFLICT (step) DO UPDATE SET film = film + "
                           "excluded.film, wall = wall + excluded.wall, cpu = cpu + excluded.cpu, count = count + 1",
                           (number, film, wall, cpu))  # fmt: skip
            if facts.get("parts"):
                db.execute(_ADD_PARTS.format(sources="?"), (source,))
            db.execute(_UNBLOCK.format(sources="?"), (source,))
        return True

    def fail(self, task: Task, error: str, wall: float, cpu: float, retry_after: float | None) -> None:
        """A failed task waits ``retry_after`` seconds and runs again, or is failed for this run where that is None; what
        comes after it then fails too."""
        with self.transaction() as db:
            if retry_after is not None:
                self._settle(task, "state = 'waiting', error = ?, wall = ?, cpu = ?, not_before = ?", error, wall, cpu,
                             self._clock() + retry_after)  # fmt: skip
                return
            if not self._settle(task, "state = 'failed', error = ?, wall = ?, cpu = ?", error, wall, cpu):
                return
            after = [str(number) for number in downstream(task.step)] + ([str(NUMBER[task.step])] if task.part else [])
            units = "SELECT id FROM unit WHERE title = ?" + (" AND language = ?" if task.language else "")
            keys = (task.title, task.language) if task.language else (task.title,)
            db.execute("UPDATE task SET state = 'failed', error = '' WHERE (state = 'blocked' OR state = 'waiting' AND "
                       f"part = 0) AND step IN ({','.join(after) or 'NULL'}) AND unit IN ({units})", keys)  # fmt: skip

    def give_back(self, task: Task) -> None:
        """A task that was stopped by the user: it waits, and the attempt does not count."""
        self._settle(task, "state = 'waiting', attempts = attempts - 1")

    def _settle(self, task: Task, change: str, *values: Any) -> bool:
        done = self.db.execute(
            f"UPDATE task SET {change}, owner = NULL WHERE unit = (SELECT id FROM unit WHERE title = ? AND language = ?) "
            "AND step = ? AND part = ? AND state = 'running' AND owner = ?",
            (*values, task.title, task.language, NUMBER[task.step], task.part, self.owner),
        )
        return done.rowcount == 1

    # --------------------------------------------------------------------------------------------------------- asking

    def open(self) -> bool:
        """Whether anything runs or can run, here or in another run."""
        return self.db.execute("SELECT EXISTS (SELECT 1 FROM task WHERE state = 'waiting') "
                               "OR EXISTS (SELECT 1 FROM task WHERE state = 'running')").fetchone()[0] == 1  # fmt: skip

    def finished(self, title: str) -> bool:
        """Whether every task of a title is done."""
        return self.db.execute("SELECT NOT EXISTS (SELECT 1 FROM task JOIN unit ON unit.id = task.unit WHERE title = ? "
                               "AND state != 'done')", (title,)).fetchone()[0] == 1  # fmt: skip
