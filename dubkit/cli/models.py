"""``dubkit models``: the registry of weights."""

from __future__ import annotations

import typer

app = typer.Typer(help="Weights: what is there, where from, under which licence.", no_args_is_help=True)
