"""``dubkit batch``: a catalogue of titles into many languages."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live
from rich.table import Table

from dubkit.cli.common import err, out


class _RunByDefault(typer.core.TyperGroup):
    """``dubkit batch FILE`` means ``dubkit batch run FILE``."""

    def resolve_command(self, context, words: list[str]):
        if words and words[0] not in self.commands:
            words = ["run", *words]
        return super().resolve_command(context, words)


app = typer.Typer(
    cls=_RunByDefault, help="Dub a catalogue (TOML or CSV) of titles into many languages.", no_args_is_help=True
)
_Catalogue = Annotated[Path, typer.Argument(help="The catalogue, TOML or CSV.", show_default=False)]
_STYLE = {"done": "green", "failed": "red", "running": "cyan", "waiting": "dim"}


@app.command()
def run(
    catalogue: _Catalogue,
    workers: Annotated[int, typer.Option("--workers", "-w", min=1, help="Titles worked on at once.")] = 1,
    progress: Annotated[str, typer.Option(help="auto, table, log, json or none.")] = "auto",
) -> None:
    """Dub everything that is not done. A title that fails is reported; the others go on."""
    from dubkit.batch.report import write_batch_report
    from dubkit.batch.run import run_catalogue

    with _Listener(progress) as listener:
        summary = run_catalogue(catalogue, workers, listener)
    _, page = write_batch_report(catalogue, summary.tasks)
    if progress != "json":
        _print(summary.tasks)
        out.print(f"report: {page}", soft_wrap=True, highlight=False)
    if not summary.succeeded:
        raise typer.Exit(1)


@app.command()
def status(catalogue: _Catalogue) -> None:
    """Show what is done, running, waiting and failed."""
    from dubkit.batch.ledger import Ledger
    from dubkit.batch.run import batch_folder

    path = batch_folder(catalogue) / "ledger.sqlite"
    if not path.exists():
        out.print(f"nothing has run yet; start with: dubkit batch {catalogue}", highlight=False)
        return
    ledger = Ledger(path, "status")
    tasks = tuple(ledger.tasks())
    ledger.close()
    _print(tasks)


def _print(tasks) -> None:
    if len(tasks) > 200:
        counts = {state: sum(t.state == state for t in tasks) for state in _STYLE}
        out.print("  ".join(f"{state}: {count}" for state, count in counts.items()))
        tasks = [t for t in tasks if t.state in ("failed", "running")]
    table = Table("title", "language", "state", "attempts", "seconds", "error")
    for task in tasks:
        table.add_row(
            task.title, task.language or "(source)", f"[{_STYLE[task.state]}]{task.state}[/]", str(task.attempts or ""),
            f"{task.seconds:.1f}" if task.seconds else "", task.error,
        )  # fmt: skip
    out.print(table)


class _Listener:
    """Shows events of many tasks: a live table on a terminal, a line a step in a log, NDJSON for programs."""

    def __init__(self, mode: str):
        self.mode = ("table" if sys.stderr.isatty() else "log") if mode == "auto" else mode
        self._rows: dict[tuple[str, str], str] = {}
        self._live = Live(console=err, refresh_per_second=4) if self.mode == "table" else None

    def __enter__(self):
        if self._live:
            self._live.__enter__()
        return self

    def __exit__(self, *error):
        if self._live:
            self._live.__exit__(*error)

    def __call__(self, task, event) -> None:
        if self.mode == "json":
            print(
                json.dumps(
                    {"time": round(time.time(), 3), "title": task.title, "task": task.language, **asdict(event)}
                ),
                flush=True,
            )
        elif self.mode == "log" and event.kind in ("start", "end", "failed", "message"):
            print(
                f"{task.title} [{event.language or 'source'}] {event.stage}: {event.kind} {event.text}".rstrip(),
                file=sys.stderr,
                flush=True,
            )
        elif self._live and event.kind != "fresh":
            share = f"{100 * event.done / event.total:.0f} %" if event.total else ""
            self._rows[task.title, task.language] = f"{event.stage} {share}"
            table = Table("title", "language", "now")
            for (title, language), now in list(self._rows.items())[-20:]:
                table.add_row(title, language or "(source)", now)
            self._live.update(table)
