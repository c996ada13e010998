"""``dubkit sheet``: what is said in a film, for the translator, before there is any dub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import tomlkit
import typer

from dubkit.cli.common import PresetOption, SetOption, flags, out
from dubkit.errors import InputError
from dubkit.process import as_typed


def sheet(
    film: Annotated[Path, typer.Argument(help="The film, or a project file (*.dub.toml).", show_default=False)],
    to: Annotated[str | None, typer.Option("--to", "-t", help="Target language; needed with a film.")] = None,
    language: Annotated[str, typer.Option(help="Language spoken in the film, or auto; with a film.")] = "en",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help=".csv or .tsv: the sheet; .srt, .vtt or .ass: the transcript as subtitles."
        ),
    ] = None,
    preset: PresetOption = None,
    set_: SetOption = None,
) -> None:
    """Write the translator's sheet (or the transcript): who says what when, with an empty column for the translation.

    With a film, a project is made that speaks the sheet once it is filled: fill the last column, then run dubkit dub.
    The project keeps --preset and --set, so that dubkit dub hears the same lines; an existing project is not changed.
    """
    from dubkit.cli.listeners import listening
    from dubkit.project import artefacts, layers, schema
    from dubkit.project.pipeline import Pipeline
    from dubkit.speech import subtitles
    from dubkit.types import Line

    made, given = None, flags(set_)
    if film.suffix.lower() != ".toml":
        if not to:
            raise InputError("--to is missing: which language will it be translated into? (dubkit sheet FILM --to es)")
        output = output or film.with_name(f"{film.stem}.{to}.csv")
    else:
        output = output or film.with_name(film.name.removesuffix(schema.SUFFIX) + ".sheet.csv")
    if output.suffix.lower() not in (".csv", ".tsv", ".srt", ".vtt", ".ass"):
        raise InputError(f"{output.name}: a sheet ends in .csv or .tsv, a transcript in .srt, .vtt or .ass")
    if output.exists():
        raise InputError(f"{output} exists already and may be filled in; choose another name with -o")
    if film.suffix.lower() != ".toml":
        if output.suffix.lower() not in (".csv", ".tsv"):
            raise InputError("for a film, write a sheet (.csv or .tsv): it becomes the translation that is spoken")
        made = _new_project(film, to, language, output, preset, given)
    file = schema.load(made or film)
    settings, _ = layers.merged(file, preset, given)
    pipeline = Pipeline(file, settings)
    with listening("auto") as listener:
        pipeline.listener = listener
        pipeline.run(until="transcribe")
    lines = artefacts.read_json(pipeline.store.stage_folder("transcribe") / "lines.json", tuple[Line, ...])
    if output.suffix.lower() in (".csv", ".tsv"):
        subtitles.save_sheet(output, lines)
    else:
        subtitles.save(output, lines, settings.speech)
        for note in subtitles.unreadable(lines, settings.speech, output.name):
            out.print(f"note: {note}", highlight=False, soft_wrap=True)
    out.print(f"wrote {output}: {len(lines)} lines", highlight=False, soft_wrap=True)
    if made:
        out.print(f"fill its last column, then: {as_typed('dubkit', 'dub', made)}", highlight=False, soft_wrap=True)
    elif given or preset:
        out.print(
            f"note: the settings given here held for this sheet alone; {film.name} keeps its own, and with them dubkit dub "
            "may find other lines (write them into its settings)",
            highlight=False, soft_wrap=True,
        )  # fmt: skip


def _new_project(
    film: Path, to: str, language: str, output: Path, preset: str | None, given: Mapping[str, Any]
) -> Path:
    """A project whose dub is the sheet to come, with the settings that the sheet is made with."""
    from dubkit.cli.new import new
    from dubkit.project import layers, schema
    from dubkit.speech.subtitles import save_sheet

    path = film.with_name(film.stem + schema.SUFFIX)
    if path.exists():
        raise InputError(f"there is a project already; its sheet: {as_typed('dubkit', 'sheet', path)}")
    layers.merged(None, preset, given)  # a setting that does not exist is told before anything is written

    def keep(document: tomlkit.TOMLDocument) -> None:
        for key, value in given.items():
            section, _, name = key.partition(".")
            settings = document.setdefault("settings", tomlkit.table(is_super_table=True))
            settings.setdefault(section, tomlkit.table())[name] = value

    save_sheet(output, ())  # the project must not name a file that is not there
    try:
        new(film, to, subtitles=output, language=language, preset=preset)
    except BaseException:
        output.unlink()
        raise
    if given:
        schema.load(path).edit(keep)
    return path
