"""``dubkit batch``: a catalogue of titles into many languages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from dubkit.cli.common import out


class _RunByDefault(typer.core.TyperGroup):
    """``dubkit batch FILE`` means ``dubkit batch run FILE``."""

    def resolve_command(self, context, words: list[str]):
        if words and words[0] not in self.commands:
            words = ["run", *words]
        return super().resolve_command(context, words)


app = typer.Typer(
    cls=_RunByDefault,
    help="Dub a catalogue (TOML or CSV) of titles into many languages: dubkit batch CATALOGUE.",
    no_args_is_help=True,
)
_Catalogue = Annotated[Path, typer.Argument(help="The catalogue, TOML or CSV.", show_default=False)]
STYLE = {"done": "green", "failed": "red", "running": "cyan", "waiting": "dim"}
_MANY = 60  # rows; a longer table shows what runs and what failed


@app.command()
def run(
    catalogue: _Catalogue,
    workers: Annotated[
        int | None, typer.Option("--workers", "-w", min=1, help="Tasks at once; none: what the machine allows.")
    ] = None,
    engine: Annotated[str, typer.Option(help="local (processes of this machine) or ray.")] = "local",
    address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster, or 'auto'; none: one of this machine, for this run.")
    ] = None,
    progress: Annotated[str, typer.Option(help="auto, table, log, json (NDJSON) or none.")] = "auto",
    disk_check: Annotated[bool, typer.Option(help="Stop before the work where the disk will not hold it.")] = True,
) -> None:
    """Dub everything that is not done. A title that fails is reported; the others go on."""
    from dubkit.batch.report import write_batch_report
    from dubkit.batch.run import open_ledger, run_catalogue
    from dubkit.cli.batch_live import listening

    if progress not in ("json", "none"):
        plan(catalogue)
    with listening(progress, catalogue) as listener:
        summary = run_catalogue(catalogue, workers, listener, engine=engine, address=address, check_disk=disk_check)
    ledger = open_ledger(catalogue)
    _, page = write_batch_report(catalogue, ledger)
    if progress not in ("json", "none"):
        _print(ledger)
        out.print(f"report: {page}", soft_wrap=True, highlight=False)
    ledger.close()
    if not summary.succeeded:
        raise typer.Exit(1)


@app.command("plan")
def plan(catalogue: _Catalogue) -> None:
    """Show what would run, what is done, and how long and how much disk it will take. Runs nothing."""
    import shutil

    from dubkit.batch.ledger import batch_folder
    from dubkit.batch.run import plan_catalogue

    found = plan_catalogue(catalogue)
    _print_titles(catalogue)
    table = Table("step", "left", "done", "film", "processor time", "from")
    for row in found.steps:
        table.add_row(
            row.step, str(row.left or "-"), str(row.done or "-"), time_text(row.film) if row.left else "",
            time_text(row.cpu) if row.left else "", ("this batch" if row.measured else "default") if row.left else "",
        )  # fmt: skip
    out.print(table)
    if found.unreadable:
        more = f" and {len(found.unreadable) - 5} more" if len(found.unreadable) > 5 else ""
        said = f"films that are not there or cannot be opened: {', '.join(found.unreadable[:5])}{more}"
        out.print(said, style="red", highlight=False, soft_wrap=True)
    if not found.steps or not any(row.left for row in found.steps):
        out.print("everything is done", highlight=False)
        return
    free = shutil.disk_usage(batch_folder(catalogue)).free
    guess = f"; the length of {found.assumed} films is a guess" if found.assumed else ""
    out.print(
        f"about {time_text(found.cpu)} of processor time{guess}; {found.disk / 2**30:.1f} GiB of disk, "
        f"{free / 2**30:.1f} GiB are free", highlight=False,
    )  # fmt: skip


def _print_titles(catalogue: Path) -> None:
    """A row for each title of which something is left: what will run and what is done."""
    from dubkit.batch import status as ask
    from dubkit.batch.ledger import open_ledger

    ledger = open_ledger(catalogue)
    table = Table("title", "film", "source side", "to dub", "done")
    for source, dubs in ask.titles(ledger, left=_MANY):
        table.add_row(
            source.title, time_text(source.facts["seconds"]) if source.facts.get("seconds") else "",
            "done" if source.state == "done" else "to do", " ".join(dub.language for dub in dubs if dub.state != "done"),
            " ".join(dub.language for dub in dubs if dub.state == "done"),
        )  # fmt: skip
    more = ask.titles_left(ledger) - table.row_count
    ledger.close()
    if table.row_count:
        out.print(table)
    if more:
        out.print(f"... and {more} titles more", style="dim")


@app.command()
def status(catalogue: _Catalogue) -> None:
    """Show what is done, running, waiting and failed."""
    ledger = _begun(catalogue)
    _print(ledger)
    ledger.close()


@app.command()
def report(catalogue: _Catalogue) -> None:
    """Write report.html and report.csv from what is done so far."""
    from dubkit.batch.report import write_batch_report

    ledger = _begun(catalogue)
    for path in write_batch_report(catalogue, ledger):
        out.print(str(path), soft_wrap=True, highlight=False)
    ledger.close()


def _begun(catalogue: Path):
    """The ledger of a catalogue that has been planned. Raises ProjectError."""
    from dubkit.batch.ledger import batch_folder, open_ledger
    from dubkit.errors import ProjectError
    from dubkit.process import as_typed

    if not catalogue.exists():
        raise ProjectError(f"no catalogue at {catalogue}")
    if not (batch_folder(catalogue) / "ledger.sqlite").exists():
        raise ProjectError(f"nothing has been planned or run yet; start with: {as_typed('dubkit', 'batch', catalogue)}")
    return open_ledger(catalogue)


def _print(ledger) -> None:
    from dubkit.batch import status as ask

    counts = ask.counts(ledger)
    out.print("dubs:", *(Text(f" {state} {counts[state]}", STYLE[state]) for state in STYLE))
    many = sum(counts.values()) > _MANY
    rows = list(ask.units(ledger, "active" if many else ""))
    table = Table("title", "language", "state", "step", "attempts", "wall", "compute")
    for row in rows[:_MANY]:
        table.add_row(
            row.title, row.language or "(source)", Text(row.state, STYLE[row.state]), row.step,
            str(row.attempts or ""), time_text(row.wall) if row.wall else "", time_text(row.cpu) if row.cpu else "",
        )  # fmt: skip
    if rows:
        out.print(table)
    for row in rows[:_MANY]:
        if row.error:
            said = f"{row.title} [{row.language or 'source'}] {row.step}: {row.error}"
            out.print(said, style="red", highlight=False, soft_wrap=True)
    if many:
        out.print(
            f"{min(len(rows), _MANY)} of {len(rows)} that run or failed; all are in: dubkit batch report", style="dim"
        )


def time_text(seconds: float) -> str:
    """Seconds as a person says them: 12.3 s, 4 min 05 s, 3 h 20 min, 12 days 4 h."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours < 48 else f"{hours // 24} days {hours % 24} h"
