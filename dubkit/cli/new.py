"""``dubkit new``: write a project file by looking at a film."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import tomlkit
import typer

from dubkit.cli.common import out
from dubkit.errors import InputError
from dubkit.process import as_typed


def new(
    film: Annotated[Path, typer.Argument(help="The film to dub.", show_default=False)],
    to: Annotated[str, typer.Option("--to", "-t", help="Target language, like es.", show_default=False)],
    dialogue: Annotated[Path | None, typer.Option(help="One track with the dub's whole dialogue.")] = None,
    stem: Annotated[
        list[str] | None, typer.Option(metavar="NAME=FILE", help="A speaker's dialogue track; may be repeated.")
    ] = None,
    subtitles: Annotated[Path | None, typer.Option(help="Translated subtitles, to be spoken.")] = None,
    background: Annotated[Path | None, typer.Option(help="Music and effects without dialogue.")] = None,
    language: Annotated[str, typer.Option(help="Language spoken in the film; auto: detect it.")] = "en",
    preset: Annotated[str | None, typer.Option(help="Preset to start from.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The project file to write.")] = None,
) -> None:
    """Write a project file for a film, after checking that the film and the dub can be read."""
    from dubkit.media import probe
    from dubkit.project import layers, schema
    from dubkit.speech import cues

    media = probe.probe(film)
    if media.video is None:
        raise InputError(f"{film} has no picture; dubkit new needs a film")
    path = output or film.with_name(film.stem + schema.SUFFIX)
    base = path.resolve().parent

    def relative(file: Path) -> str:
        if not file.is_file():
            raise InputError(f"no file at {file}")
        try:
            return Path(os.path.relpath(file.resolve(), base)).as_posix()
        except ValueError:  # another drive on Windows
            return str(file.resolve())

    sounds = [dialogue, background, *(Path(text.partition("=")[2]) for text in stem or ())]
    for file in filter(None, sounds):
        if file.is_file() and not probe.probe(file).audio:
            raise InputError(f"{file} has no sound; it cannot be part of the dub")
    sheet = subtitles and subtitles.suffix.lower() in (".csv", ".tsv")  # may be filled later
    if subtitles and not sheet and subtitles.is_file():
        cues.load(subtitles)
    if preset:
        layers.load_preset(preset)
        preset = relative(Path(preset)) if layers.is_preset_file(preset) else preset
    video, rate = media.video, media.video.rate
    width, height = video.display_size
    document = tomlkit.document()
    document.add(
        tomlkit.comment(f"{film.name}: {width}x{height}, {float(rate):.3f} frames a second, {media.duration:.1f} s,")
    )
    document.add(tomlkit.comment(f"{len(media.audio)} sound track(s), start timecode {media.timecode or 'none'}"))
    document["schema"] = schema.SCHEMA
    if preset:
        document["preset"] = preset
    source = tomlkit.table()
    source["film"], source["language"] = relative(film), language
    document["source"] = source
    target = tomlkit.table()
    for key, file in (("dialogue", dialogue), ("subtitles", subtitles), ("background", background)):
        if file:
            target[key] = relative(file)
    if stem:
        stems = tomlkit.inline_table()
        for text in stem:
            name, equals, file = text.partition("=")
            if not equals:
                raise InputError(f"--stem needs NAME=FILE, got '{text}'")
            if name in stems:
                raise InputError(f"--stem gives two files for '{name}': {stems[name]} and {file}")
            stems[name] = relative(Path(file))
        target["stems"] = stems
    targets = tomlkit.table(is_super_table=True)
    targets[to] = target
    document["target"] = targets
    created = schema.create(path, document)
    for warning in media.warnings:
        out.print(f"note: {warning}", highlight=False)
    following = as_typed("dubkit", "dub", created.path)
    out.print(f"wrote {created.path}\nnext: {following}", highlight=False, soft_wrap=True)
