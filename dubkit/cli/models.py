"""``dubkit models``: the registry of weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from dubkit.cli.common import out

app = typer.Typer(help="Weights: what is there, where from, under which licence.", no_args_is_help=True)
_Name = Annotated[str, typer.Argument(help="A name from `dubkit models list`.", show_default=False)]


@app.command("list")
def list_(
    json_: Annotated[bool, typer.Option("--json", help="Everything that is known, for programs.")] = False,
) -> None:
    """Show the weights that are here, and those that are known and how to get them."""
    if json_:
        print(json.dumps(_registry(), indent=1))
    else:
        _tables()


def _registry() -> list[dict[str, object]]:
    """Name, kind, licence, source, size (bytes), sha256 (as published, None where nobody says), and where it is here."""
    from dubkit.known_weights import KNOWN
    from dubkit.weights import installed

    rows: dict[str, dict[str, object]] = {}
    for known in KNOWN.values():
        rows[known.name] = {key: getattr(known, key) for key in ("name", "kind", "about", "licence", "source", "size")}
        rows[known.name] |= {"sha256": known.sha256, "path": None, "from": None, "to get it": known.remedy()}
    for weights in installed():
        rows.setdefault(weights.name, {"sha256": None, "about": "", "to get it": ""})
        rows[weights.name] |= {key: getattr(weights, key) for key in ("name", "kind", "licence", "source", "size")}
        rows[weights.name] |= {"path": str(weights.path), "from": weights.where}
    return list(rows.values())


def _tables() -> None:
    from dubkit.errors import WeightsError
    from dubkit.known_weights import KNOWN
    from dubkit.weights import default_generator, installed, models_folder

    try:
        default = default_generator()
    except WeightsError:
        default = ""
    here = installed()
    table = Table("name", "kind", "size", "licence", "from", title="On this machine", title_justify="left")
    for weights in here:
        name = Text.assemble(weights.name, (" (auto)" if weights.name == default else "", "green"))
        table.add_row(name, weights.kind, _size(weights.size), weights.licence, weights.where)
    out.print(table)
    table = Table("name", "kind", "licence", "to get it", title="Known, not on this machine", title_justify="left")
    for known in KNOWN.values():
        if known.name not in {weights.name for weights in here}:
            how = known.remedy() if known.url or known.install else f"by hand: {known.source}; then dubkit models add"
            table.add_row(known.name, known.kind, known.licence, how)
    out.print(table)
    out.print(f"Your own weights are kept in {models_folder()}", soft_wrap=True, highlight=False)


@app.command()
def fetch(name: _Name) -> None:
    """Download known weights and check them."""
    from rich.progress import DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    from dubkit import weights

    with Progress("{task.description}", DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()) as bars:
        task = bars.add_task(name, total=None)
        got = weights.fetch(name, lambda done, total: bars.update(task, completed=done, total=total or None))
    out.print(f"{got.name} is in {got.path}\nLicence: {got.licence}", soft_wrap=True, highlight=False)


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="The weight file.", show_default=False)],
    name: Annotated[str | None, typer.Option(help="Call it by this name instead of the file's.")] = None,
    licence: Annotated[str | None, typer.Option(help="Its licence in words; written into every report.")] = None,
    default: Annotated[bool, typer.Option("--default", help="Let lips.weights = auto mean it from now on.")] = False,
) -> None:
    """Keep a weight file of your own (copied) and give it a name."""
    from dubkit import weights

    got = weights.add(file, name, licence, default=default)
    out.print(f"{got.name} is in {got.path}\nLicence: {got.licence}", soft_wrap=True, highlight=False)


@app.command()
def verify(name: _Name) -> None:
    """Compare a weight file with its published digest, or with what it was when it was added."""
    from dubkit import weights

    out.print(weights.verify(name), soft_wrap=True, highlight=False)


def _size(size: int | None) -> str:
    return "" if size is None else f"{size / 1e6:.1f} MB"


@app.command()
def quantize(
    name: _Name,
    film: Annotated[
        Path, typer.Option("--film", help="A film with faces that speak: it sets the ranges.", exists=True)
    ],
    to: Annotated[Path | None, typer.Option("--to", help="The file to write; none: beside the other weights.")] = None,
) -> None:
    """Make int8 lip weights for the engine 'openvino', and say what they cost in picture."""
    from dubkit.evaluate.lips import faces_to_quantize
    from dubkit.lips.quantize import FLOOR_DB, quantize
    from dubkit.weights import models_folder, resolve

    target = to or models_folder() / f"{resolve(name).stem}-int8.safetensors"
    target.parent.mkdir(parents=True, exist_ok=True)
    meta = quantize(name, *faces_to_quantize(film), target)
    out.print(f"{target}: {meta['note']}")
    if meta["psnr_db"] < FLOOR_DB:
        out.print(f"below {FLOOR_DB:.0f} dB: the loss can be seen; look before you use them", style="yellow")
    out.print(f'use them: lips.engine = "openvino", lips.weights = "{target if to else target.stem}"', soft_wrap=True)
