"""``dubkit evaluate``: measure speech, cast and lips against a truth or a reference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from dubkit.cli.common import out
from dubkit.memory import keeping_freed

app = typer.Typer(help="Measure a result against a truth.", no_args_is_help=True)


@app.callback()
def measuring(context: typer.Context) -> None:
    context.with_resource(keeping_freed())


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


@app.command()
def speech(
    reference: Annotated[Path, typer.Argument(help="RTTM that is right.", show_default=False)],
    hypothesis: Annotated[Path, typer.Argument(help="RTTM to measure.", show_default=False)],
    collar: Annotated[float, typer.Option(min=0, help="Seconds around each boundary that are not scored.")] = 0.0,
    skip_overlap: Annotated[bool, typer.Option(help="Do not score overlapping speech.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Diarization error rate, Jaccard error rate and speaker count."""
    from dubkit.evaluate.speech import evaluate_speech

    show(f"{hypothesis.name} against {reference.name}", evaluate_speech(reference, hypothesis, collar=collar, skip_overlap=skip_overlap), as_json)  # fmt: skip


@app.command()
def words(
    reference: Annotated[Path, typer.Argument(help="Transcript that is right.", show_default=False)],
    hypothesis: Annotated[Path, typer.Argument(help="Transcript to measure.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Word error rate of transcripts (subtitles, translator's sheets, whisperX JSON, plain text)."""
    from dubkit.evaluate.speech import evaluate_words

    show(f"{hypothesis.name} against {reference.name}", evaluate_words(reference, hypothesis), as_json)


@app.command()
def cast(
    truth: Annotated[Path, typer.Argument(help="Truth as JSON: shots, turns, regions.", show_default=False)],
    project: Annotated[Path, typer.Argument(help="A project that has run at least up to match.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Shots, tracks, and whose voice went to whose face."""
    from dubkit.evaluate.cast import evaluate_cast

    show(f"{project.name} against {truth.name}", evaluate_cast(truth, project), as_json)


@app.command()
def seams(
    film: Annotated[Path, typer.Argument(help="The film as it came.", show_default=False)],
    lips: Annotated[Path, typer.Argument(help="Folder of lip results (NPZ) of a project.", show_default=False)],
    strips: Annotated[
        Path | None, typer.Option(help="Folder for one PNG a result: source, result, difference.")
    ] = None,
    columns: Annotated[int, typer.Option(min=1, help="Frames in a strip.")] = 6,
    as_json: JsonOption = False,
) -> None:
    """Whether one can see where the new lips begin: pixels outside the mask, its soft edge, tremble."""
    from dubkit.evaluate.seams import evaluate_seams

    show(f"{lips} in {film.name}", evaluate_seams(film, lips, strips=strips, columns=columns), as_json)


@app.command()
def lips(
    result: Annotated[Path, typer.Argument(help="The dubbed film.", show_default=False)],
    reference: Annotated[Path | None, typer.Option(help="The untouched film, to stand beside it.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="syncnet_v2.model, or an expert; none: the bundled expert.")
    ] = None,
    inception: Annotated[
        Path | None, typer.Option(help="Inception weights for FID, or 'package' (docs/training.md).")
    ] = None,
    alexnet: Annotated[Path | None, typer.Option(help="AlexNet weights, for LPIPS.")] = None,
    output: Annotated[Path | None, typer.Option(help="JSON file; none: RESULT.lips.json beside the result.")] = None,
    as_json: JsonOption = False,
) -> None:
    """LSE-D, LSE-C and AV offset of every face, with the real film's in the column beside."""
    from dubkit.evaluate.lips import evaluate_lips
    from dubkit.files import atomic_write

    found = evaluate_lips(result, reference, weights=weights, inception=inception, alexnet=alexnet)
    output = output or result.with_name(f"{result.name}.lips.json")
    atomic_write(output, (json.dumps(found, indent=1, default=str) + "\n").encode())
    if as_json:
        print(json.dumps(found, indent=1, default=str))
        return
    _beside(found)
    out.print(f"{output}", highlight=False, soft_wrap=True)


def _beside(found: dict[str, Any]) -> None:
    """The result and the real film in two columns: closeness is the aim, not the higher number."""
    films = [name for name in ("result", "reference") if name in found]
    table = Table("measure", *films, title=f"judge: {found['judge']}")
    for key, value in found["result"].items():
        if not isinstance(value, (dict, list)):
            table.add_row(key, *(_number(found[film][key]) for film in films))
    for key, value in found.get("pictures", {}).items():
        table.add_row(f"{key} (result against reference)", _number(value), "")
    out.print(table)


def _number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
