"""``dubkit resolve``: DaVinci Resolve's script menu."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table
from rich.text import Text

from dubkit.cli.common import SetOption, flags, out

app = typer.Typer(help="DaVinci Resolve: menu scripts and the worker beside them.", no_args_is_help=True)
MailboxOption = Annotated[Path | None, typer.Option(help="The mailbox folder; none: the usual one.")]
FolderOption = Annotated[Path | None, typer.Option(help="Resolve's script folder; none: the usual one.")]


def _plugin() -> Any:
    from dubkit.nle.plugins import get

    return get("resolve").load()


@app.command()
def install(
    language: Annotated[str | None, typer.Option(help="Target language, like es.")] = None,
    dialogue: Annotated[Path | None, typer.Option(help="The dub's dialogue, made against the timeline.")] = None,
    subtitles: Annotated[Path | None, typer.Option(help="Translated subtitles, made against the timeline.")] = None,
    preset: Annotated[str | None, typer.Option(help="Preset of the worker.")] = None,
    mailbox: MailboxOption = None,
    folder: FolderOption = None,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds that the script waits for the worker.")] = 1800,
    studio: Annotated[bool, typer.Option(help="Also the Python script with a window, for Studio.")] = True,
) -> None:
    """Put Dubkit and Dubkit Undo into Workspace > Scripts."""
    plugin = _plugin()
    changes = {"language": language, "dialogue": dialogue, "subtitles": subtitles, "preset": preset}
    for path in plugin.install(mailbox or plugin.default_folder(), folder, studio=studio, timeout=timeout, **changes):
        out.print(f"wrote {path}", highlight=False, soft_wrap=True)
    out.print("next: dubkit resolve serve, then Workspace > Scripts > Dubkit in Resolve", highlight=False)


@app.command()
def uninstall(folder: FolderOption = None) -> None:
    """Remove the scripts; dubbed media stay, because projects use them."""
    for path in _plugin().uninstall(folder):
        out.print(f"removed {path}", highlight=False, soft_wrap=True)


@app.command()
def doctor(mailbox: MailboxOption = None, folder: FolderOption = None) -> None:
    """Show what is in place; never calls Resolve."""
    plugin = _plugin()
    table = Table("part", "state", Column("detail", overflow="fold"))
    checks = plugin.doctor(mailbox or plugin.default_folder(), folder)
    for check in checks:
        state = {True: Text("good", "green"), False: Text("bad", "red"), None: Text("note", "dim")}[check.ok]
        table.add_row(check.name, state, check.detail)
    out.print(table)
    if any(check.ok is False for check in checks):
        raise typer.Exit(1)


@app.command()
def serve(
    language: Annotated[str | None, typer.Option(help="Target language, like es.")] = None,
    dialogue: Annotated[Path | None, typer.Option(help="The dub's dialogue, made against the timeline.")] = None,
    subtitles: Annotated[Path | None, typer.Option(help="Translated subtitles, made against the timeline.")] = None,
    preset: Annotated[str | None, typer.Option(help="Preset.")] = None,
    set_: SetOption = None,
    mailbox: MailboxOption = None,
    idle: Annotated[float | None, typer.Option(help="Stop after so many seconds without a request.")] = None,
) -> None:
    """Answer the menu scripts until stopped with Ctrl-C."""
    from dubkit.nle.pipeline import PipelineDubber
    from dubkit.project import layers

    plugin, given = _plugin(), flags(set_)
    layers.merged(None, preset, given)  # what does not exist is told now, and not by every request
    box = mailbox or plugin.default_folder()
    out.print(f"serving {box}; stop with Ctrl-C", highlight=False, soft_wrap=True)
    changes = {"language": language, "dialogue": dialogue, "subtitles": subtitles, "preset": preset}
    plugin.serve(box, PipelineDubber(given), changes, idle=idle)


@app.command()
def undo(mailbox: MailboxOption = None) -> None:
    """Take back what dubkit placed on the current timeline of a running Resolve Studio."""
    plugin = _plugin()
    for line in plugin.undo(mailbox or plugin.default_folder()):
        out.print(line, highlight=False)
