"""Shows a batch while it runs: a live table on a terminal, a line a step in a log, NDJSON for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from dubkit.cli.common import err
from dubkit.errors import InputError

MODES = ("auto", "table", "log", "json", "none")
_ASK = 2.0  # seconds between questions to the ledger
_IN_FRAMES = ("shots", "faces", "lips")  # stages that count frames


@contextmanager
def listening(mode: str, catalogue: Path) -> Iterator:
    """A listener ``(task, event)`` for ``mode``; "auto" is the table on a terminal and a log elsewhere."""
    if mode not in MODES:
        raise InputError(f"--progress must be one of {', '.join(MODES)}, got '{mode}'")
    if mode == "auto":
        mode = "table" if sys.stderr.isatty() else "log"
    if mode == "table":
        shown = LiveTable(catalogue)
        with Live(get_renderable=shown.render, console=err, refresh_per_second=4):
            yield shown
    else:
        yield {"json": _json, "log": _log, "none": lambda task, event: None}[mode]


def _json(task, event) -> None:
    said = {"time": round(time.time(), 3), "title": task.title, "step": task.step, "part": task.part, **asdict(event)}
    print(json.dumps(said | {"language": task.language or None}), flush=True)


def _log(task, event) -> None:
    if event.kind in ("start", "end", "failed", "retry", "message"):
        words = f"{task.title} [{task.language or 'source'}] {event.stage}: {event.kind} {event.text}".rstrip()
        print(words + (f" in {event.seconds:.1f} s" if event.kind == "end" else ""), file=sys.stderr, flush=True)


@dataclass(slots=True)
class _Row:
    stage: str = ""
    part: int = 0
    began: float = 0.0
    seen: float = 0.0
    done: float = 0.0
    total: float = 0.0
    first: float = 0.0  # what was done when the stage began: resumed work is not counted as fast

    @property
    def rate(self) -> float:
        """Units a second (frames, for most stages)."""
        elapsed = self.seen - self.began
        return (self.done - self.first) / elapsed if elapsed > 0.5 else 0.0


@dataclass
class LiveTable:
    """Rows of what runs: title, language, stage, progress, rate, time left; below them the whole batch."""

    catalogue: Path
    clock: object = time.monotonic
    _rows: dict[tuple, _Row] = field(default_factory=dict)
    _said: list[Text] = field(default_factory=list)
    _next: float = 0.0
    _summary: str = ""

    def __call__(self, task, event) -> None:
        key = (task.title, task.language, task.step, task.part)
        if event.kind == "start":
            self._rows[key] = _Row(event.stage, task.part, self.clock())
        elif event.kind == "progress":
            row = self._rows.setdefault(key, _Row(event.stage, task.part, self.clock()))
            if row.total == 0.0:
                row.first = event.done
            row.done, row.total, row.seen = event.done, event.total, self.clock()
        elif event.kind in ("end", "failed", "retry"):
            self._rows.pop(key, None)
        if event.kind in ("failed", "retry"):
            said = f"{task.title} [{task.language or 'source'}] {task.step}: {event.text}"
            self._said = [*self._said, Text(said, "red" if event.kind == "failed" else "yellow")][-5:]

    def render(self) -> Group:
        table = Table(Column("title", min_width=12), Column("language", no_wrap=True), Column("stage", no_wrap=True),
                      Column("progress", min_width=10, max_width=24), Column("", justify="right", no_wrap=True),
                      Column("rate", justify="right", no_wrap=True), Column("time left", justify="right", no_wrap=True),
                      box=None, pad_edge=False)  # fmt: skip
        for (title, language, _, part), row in list(self._rows.items()):
            left = (row.total - row.done) / row.rate if row.rate and row.total else None
            unit = "fps" if row.stage in _IN_FRAMES else "/s"
            table.add_row(
                title, language or "source", f"{row.stage}, part {part}" if part else row.stage,
                ProgressBar(total=row.total, completed=row.done) if row.total
                else Text(f"since {_clock(self.clock() - row.began)}", "dim"),
                f"{100 * row.done / row.total:.0f} %" if row.total else "",
                f"{row.rate:.1f} {unit}" if row.rate and row.total > 1 else "",
                _clock(left) if left is not None else "",
            )  # fmt: skip
        return Group(table, *self._said, Text(self._whole(), "dim"))

    def _whole(self) -> str:
        began = self.clock()
        if began > self._next:
            self._summary = _ask(self.catalogue)
            self._next = self.clock() + max(_ASK, 20 * (self.clock() - began))  # a large ledger is asked less often
        return self._summary


def _ask(catalogue: Path) -> str:
    """Counts and the processor time that is left, from the ledger."""
    from dubkit.batch.estimate import estimate
    from dubkit.batch.ledger import open_ledger
    from dubkit.batch.status import counts

    ledger = open_ledger(catalogue)
    try:
        found = counts(ledger)
        left = estimate(ledger, lambda title: None).cpu
        states = ", ".join(f"{count} {state}" for state, count in found.items() if count)
        return f"{sum(found.values())} dubs: {states}; about {_clock(left)} of processor time left"
    finally:
        ledger.close()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
