"""The typer application: commands are declared here and each lives in a file of its own."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from typer.core import TyperGroup

from dubkit import __version__
from dubkit.cli import (
    adapt,
    batch,
    cast,
    demo,
    doctor,
    dub,
    evaluate,
    models,
    new,
    nle,
    resolve,
    schema,
    settings,
    sheet,
    status,
    train,
)
from dubkit.errors import Cancelled
from dubkit.process import as_typed


class _Commands(TyperGroup):
    """Says how to go on after Ctrl-C; typer alone would exit without a word."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            again = as_typed("dubkit", *sys.argv[1:])
            raise Cancelled(f"stopped. What was finished is kept; to go on from there: {again}") from error


app = typer.Typer(
    cls=_Commands,
    name="dubkit",
    help="Dub a film into another language, with every actor's lips moving to the new voice.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"dubkit {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


app.command("new")(new.new)
app.command("sheet")(sheet.sheet)
app.command("dub")(dub.dub)
app.command("status")(status.status)
app.command("settings")(settings.settings)
app.command("schema")(schema.schema)
app.command("cast")(cast.cast)
app.command("adapt")(adapt.adapt)
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)
app.add_typer(batch.app, name="batch")
app.add_typer(nle.app, name="nle")
app.add_typer(resolve.app, name="resolve")
app.add_typer(models.app, name="models")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(train.app, name="train")
