"""``dubkit status``: what is done, what is stale, and why."""

from __future__ import annotations

from rich.table import Column, Table
from rich.text import Text

from dubkit.cli.common import LanguageOption, PresetOption, ProjectArgument, SetOption, flags, out

_STYLE = {"done": "green", "stale": "yellow", "failed": "red", "never": "dim", "waits": "dim"}


def status(
    project: ProjectArgument, to: LanguageOption = None, preset: PresetOption = None, set_: SetOption = None
) -> None:
    """Show where each stage of a project stands."""
    from dubkit.project import layers, schema
    from dubkit.project.pipeline import Pipeline

    file = schema.load(project)
    settings, _ = layers.merged(file, preset, flags(set_))
    table = Table("stage", "language", "state", "seconds", Column("why", overflow="fold"))
    for row in Pipeline(file, settings).status(to or ()):
        state = Text(row.state, _STYLE[row.state])
        table.add_row(row.stage, row.language or "", state, f"{row.seconds:.1f}" if row.seconds else "", row.why)
    out.print(table)
