"""``dubkit demo``: make the demo film and dub it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from dubkit.cli.common import out


def demo(
    folder: Annotated[Path, typer.Argument(help="Where to put the demo.")] = Path("demo"),
    progress: Annotated[str, typer.Option(help="auto, bar, log, json or none.")] = "auto",
) -> None:
    """Make a short film with two talking portraits and dub it, without any download."""
    from dubkit.cli.listeners import listening
    from dubkit.demo.make import make_demo
    from dubkit.project import layers, schema
    from dubkit.project.events import Event
    from dubkit.project.pipeline import Pipeline

    with listening(progress) as listener:
        began = time.monotonic()
        listener(Event("start", "demo film", text=f"into {folder}"))
        files = make_demo(folder, lambda done, total: listener(Event("progress", "demo film", done=done, total=total)))
        listener(Event("end", "demo film", seconds=time.monotonic() - began))
        project = schema.load(files.project)
        settings, _ = layers.merged(project)
        outcomes = Pipeline(project, settings, listener).run()
    out.print(f"\nThe film:   {files.film.resolve()}", highlight=False, soft_wrap=True)
    for outcome in outcomes:
        out.print(f"Dubbed:     {outcome.film}\nReport:     {outcome.report}", highlight=False, soft_wrap=True)
