"""The batch's memory: what is to do, who does it, what came of it. SQLite in WAL mode beside the catalogue.

A task is taken with a lease that its holder renews; when a holder dies, the lease runs out and another run may take the
task. Two runs over one catalogue therefore share the work and never do a task twice at once.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LEASE = 60.0  # seconds; renewed every few seconds by the run that holds it

_TABLE = """
CREATE TABLE IF NOT EXISTS task (
    title TEXT NOT NULL, language TEXT NOT NULL, priority INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'waiting', attempts INTEGER NOT NULL DEFAULT 0, not_before REAL NOT NULL DEFAULT 0,
    owner TEXT, lease_until REAL NOT NULL DEFAULT 0, seconds REAL NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '',
    digest TEXT NOT NULL DEFAULT '', PRIMARY KEY (title, language));
CREATE INDEX IF NOT EXISTS by_state ON task (state, language, priority);
"""
SOURCE = ""  # the "language" of a title's source-side work, done once for all of its dubs


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of the batch: a title's source side (language ""), or one of its dubs."""

    title: str
    language: str
    priority: int = 0
    state: str = "waiting"  # waiting | running | done | failed
    attempts: int = 0
    seconds: float = 0.0  # wall time of the last attempt
    error: str = ""
    digest: str = ""  # of what the catalogue said when it was done


class Ledger:
    """The tasks of one catalogue. ``owner`` names this run."""

    def __init__(self, path: Path, owner: str, clock=time.time):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._owner, self._clock = owner, clock
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_TABLE)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def plan(self, wanted: Iterable[Task], retry_failed: bool = True) -> None:
        """Makes the ledger hold exactly these tasks. A done task whose digest changed waits again; so does a failed one."""
        with self._transaction() as db:
            db.execute("CREATE TEMP TABLE wanted (title TEXT, language TEXT, priority INTEGER, digest TEXT)")
            db.executemany(
                "INSERT INTO wanted VALUES (?, ?, ?, ?)", ((t.title, t.language, t.priority, t.digest) for t in wanted)
            )
            db.execute(
                "DELETE FROM task WHERE state != 'running' AND NOT EXISTS "
                "(SELECT 1 FROM wanted w WHERE w.title = task.title AND w.language = task.language)"
            )
            db.execute(
                "INSERT INTO task (title, language, priority, digest) SELECT title, language, priority, digest FROM wanted "
                "WHERE true ON CONFLICT (title, language) DO UPDATE SET priority = excluded.priority, digest = excluded.digest, "
                "state = CASE WHEN task.state = 'done' AND task.digest != excluded.digest THEN 'waiting' ELSE task.state END"
            )
            if retry_failed:
                db.execute("UPDATE task SET state = 'waiting', attempts = 0, not_before = 0 WHERE state = 'failed'")
            db.execute("DROP TABLE wanted")

    def take(self) -> Task | None:
        """The next task that can run, now leased to this run: source sides first, then dubs whose source side is done."""
        now = self._clock()
        with self._transaction() as db:
            row = db.execute(
                "SELECT * FROM task t WHERE (state = 'waiting' OR (state = 'running' AND lease_until < ?)) AND not_before <= ? "
                "AND (language = '' OR EXISTS (SELECT 1 FROM task s WHERE s.title = t.title AND s.language = '' AND s.state = 'done')) "
                "ORDER BY priority DESC, language != '' DESC, rowid LIMIT 1",
                (now, now),
            ).fetchone()
            if row is None:
                return None
            db.execute(
                "UPDATE task SET state = 'running', owner = ?, lease_until = ?, attempts = attempts + 1 WHERE title = ? AND language = ?",
                (self._owner, now + LEASE, row[0], row[1]),
            )
        return Task(row[0], row[1], row[2], "running", row[4] + 1)

    def renew(self) -> None:
        """Keeps this run's leases."""
        self._db.execute(
            "UPDATE task SET lease_until = ? WHERE owner = ? AND state = 'running'",
            (self._clock() + LEASE, self._owner),
        )

    def finish(self, task: Task, seconds: float) -> None:
        self._set(task, "done", seconds, "", 0.0)

    def fail(self, task: Task, error: str, seconds: float, retry_after: float | None) -> None:
        """A failed task waits ``retry_after`` seconds and runs again, or is failed for this run where that is None. The
        dubs of a failed source side fail with it."""
        state = "failed" if retry_after is None else "waiting"
        self._set(task, state, seconds, error, self._clock() + (retry_after or 0.0))
        if state == "failed" and task.language == SOURCE:
            self._db.execute(
                "UPDATE task SET state = 'failed', error = ? WHERE title = ? AND language != '' AND state = 'waiting'",
                (f"its source side failed: {error}", task.title),
            )

    def give_back(self, task: Task) -> None:
        """A task that was stopped by the user: it waits, and the attempt does not count."""
        self._db.execute(
            "UPDATE task SET state = 'waiting', owner = NULL, attempts = attempts - 1 WHERE title = ? AND language = ?",
            (task.title, task.language),
        )

    def _set(self, task: Task, state: str, seconds: float, error: str, not_before: float) -> None:
        self._db.execute(
            "UPDATE task SET state = ?, seconds = ?, error = ?, not_before = ?, owner = NULL WHERE title = ? AND language = ?",
            (state, seconds, error, not_before, task.title, task.language),
        )

    def tasks(self) -> list[Task]:
        rows = self._db.execute(
            "SELECT title, language, priority, state, attempts, seconds, error, digest FROM task ORDER BY rowid"
        )
        return [Task(*row) for row in rows]

    def counts(self) -> dict[str, int]:
        """State → number of tasks."""
        return dict(self._db.execute("SELECT state, count(*) FROM task GROUP BY state"))

    def next_wait(self) -> float | None:
        """Seconds until some task may run: 0 now, None when nothing will without another run's doing."""
        row = self._db.execute("SELECT min(not_before) FROM task WHERE state = 'waiting'").fetchone()
        return None if row[0] is None else max(0.0, row[0] - self._clock())
