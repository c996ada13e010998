"""``dubkit dub``: bring a film's dubs up to date."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from dubkit.cli.common import LanguageOption, PresetOption, ProjectArgument, SetOption, flags, out


def dub(
    project: ProjectArgument,
    to: LanguageOption = None,
    preset: PresetOption = None,
    set_: SetOption = None,
    until: Annotated[str | None, typer.Option(help="Stop after this stage (see dubkit status).")] = None,
    progress: Annotated[str, typer.Option(help="auto, bar, log, json (NDJSON on standard output) or none.")] = "auto",
) -> None:
    """Dub a film: run what is stale and nothing else. A stopped run goes on where it was."""
    from dubkit.cli.listeners import listening
    from dubkit.project import layers, schema
    from dubkit.project.pipeline import Pipeline

    file = schema.load(project)
    settings, _ = layers.merged(file, preset, flags(set_))
    with listening(progress) as listener:
        outcomes = Pipeline(file, settings, listener).run(to or (), until)
    if until is None and progress == "json":
        for outcome in outcomes:
            print(json.dumps({"kind": "result", "language": outcome.language, "film": str(outcome.film),
                              "report": str(outcome.report)}), flush=True)  # fmt: skip
    elif until is None:
        for outcome in outcomes:
            out.print(
                f"{outcome.language}: {outcome.film}\n    report: {outcome.report}", highlight=False, soft_wrap=True
            )
