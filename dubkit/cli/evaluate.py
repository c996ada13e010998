"""``dubkit evaluate``: measure speech, cast and lips against a truth or a reference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from dubkit.cli.common import out

app = typer.Typer(help="Measure a result against a truth.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def show(title: str, values: dict[str, Any], as_json: bool) -> None:
    """Prints one flat result as a table or as JSON."""
    if as_json:
        print(json.dumps(values, indent=1, default=str))
        return
    table = Table("measure", "value", title=title)
    for key, value in values.items():
        if not isinstance(value, (dict, list)):
            table.add_row(key, f"{value:.4f}" if isinstance(value, float) else str(value))
    out.print(table)
