"""Three ways to show a run: bars on a terminal, one line a step in a log, NDJSON for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from dubkit.errors import InputError
from dubkit.project.events import Event, Listener

MODES = ("auto", "bar", "log", "json", "none")
_EVERY = 1.0  # seconds between progress events of NDJSON


@contextmanager
def listening(mode: str) -> Iterator[Listener]:
    """A listener for ``mode``; "auto" is a bar on a terminal and a log elsewhere."""
    if mode not in MODES:
        raise InputError(f"--progress must be one of {', '.join(MODES)}, got '{mode}'")
    if mode == "auto":
        mode = "bar" if sys.stderr.isatty() else "log"
    if mode == "bar":
        with _Bars() as bars:
            yield bars
    else:
        yield {"log": _log, "json": _Json(), "none": lambda event: None}[mode]


def _name(event: Event) -> str:
    return f"{event.stage} ({event.language})" if event.language else event.stage


def _log(event: Event) -> None:
    text = {
        "start": f"{_name(event)}: starts ({event.text})",
        "end": f"{_name(event)}: done in {event.seconds:.1f} s",
        "fresh": f"{_name(event)}: up to date",
        "failed": f"{_name(event)}: failed",
        "message": f"{_name(event)}: {event.text}",
    }.get(event.kind)
    if text:
        print(text, file=sys.stderr, flush=True)


class _Json:
    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, event: Event) -> None:
        now = time.monotonic()
        if event.kind == "progress" and now - self._last < _EVERY and event.done < event.total:
            return
        self._last = now
        print(json.dumps({"time": round(time.time(), 3), **asdict(event)}), flush=True)


class _Bars:
    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<18}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = None
        self._started = 0.0

    def __enter__(self) -> _Bars:
        self._progress.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.__exit__(*error)

    def __call__(self, event: Event) -> None:
        if event.kind == "start":
            self._task = self._progress.add_task(_name(event), total=None, rate="")
            self._started = time.monotonic()
        elif event.kind == "progress" and self._task is not None:
            elapsed = time.monotonic() - self._started
            rate = f"{event.done / elapsed:.1f}/s" if elapsed > 1 and event.total > 1 else ""
            self._progress.update(self._task, completed=event.done, total=event.total or None, rate=rate)
        elif event.kind == "end" and self._task is not None:
            total = self._progress.tasks[-1].total or 1
            self._progress.update(self._task, completed=total, total=total)
        elif event.kind == "fresh":
            self._progress.console.print(f"{_name(event):<18} up to date", style="dim")
        elif event.kind in ("message", "failed"):
            self._progress.console.print(f"{_name(event)}: {event.text or 'failed'}", highlight=False, markup=False)
