"""``dubkit cast``: who is who, on one page, and the words that change it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from dubkit.cli.common import PresetOption, ProjectArgument, SetOption, flags, out
from dubkit.errors import InputError
from dubkit.process import as_typed

NameOption = Annotated[
    list[str] | None,
    typer.Option("--name", "-n", metavar="VOICE=NAME", help="A voice, or a face of the sheet, is this character's."),
]
LineOption = Annotated[
    list[str] | None,
    typer.Option("--line", "-l", metavar="LINE=WHO", help="A line is spoken by this face or character, or is 'off'."),
]
ForgetOption = Annotated[
    list[str] | None, typer.Option("--forget", metavar="LINE", help="Take back a decision on a line.")
]


def cast(
    project: ProjectArgument,
    name: NameOption = None,
    line: LineOption = None,
    forget: ForgetOption = None,
    preset: PresetOption = None,
    set_: SetOption = None,
) -> None:
    """Show the cast: each character's voice, faces and lines, and every line that a person should look at.

    Decisions stand in the project file, in its "cast" and "lock" tables, put there by hand or by --name, --line, --forget.
    They always win, and no later run loses them.
    """
    from dubkit.cli.listeners import listening
    from dubkit.project import artefacts, layers, schema
    from dubkit.project.pipeline import Pipeline
    from dubkit.types import Assignment, Character

    file = schema.load(project)
    if name or line or forget:
        file = _decide(file, name or [], line or [], forget or [])
    settings, _ = layers.merged(file, preset, flags(set_))
    pipeline = Pipeline(file, settings)
    with listening("auto") as listener:
        pipeline.listener = listener
        pipeline.run(until="match")
    folder = pipeline.store.stage_folder("match")
    assignments = artefacts.read_json(folder / "assignments.json", tuple[Assignment, ...])
    table = Table("character", "voices", "faces")
    for character in artefacts.read_json(folder / "characters.json", tuple[Character, ...]):
        table.add_row(character.name, ", ".join(character.speakers), ", ".join(character.track_ids))
    out.print(table)
    undecided = [a for a in assignments if a.state == "undecided"]
    for a in undecided:
        out.print(f"undecided: {a.turn_id} in shot {a.shot}: {a.reason}", highlight=False)
    out.print(f"{len(undecided)} undecided; sheet: {folder / 'cast.html'}", highlight=False, soft_wrap=True)


def _decide(file, names: list[str], lines: list[str], forget: list[str]):
    """The project file with these decisions in it."""
    from dubkit.project import artefacts, deciding
    from dubkit.types import Turn

    try:
        turns = artefacts.read_json(file.folder / "diarize" / "turns.json", tuple[Turn, ...])
        tracks = artefacts.read_tracks(file.folder / "faces" / "tracks.npz")
    except FileNotFoundError as error:
        look = as_typed("dubkit", "cast", file.path)
        raise InputError(f"there is nothing to decide yet; first look at the cast:  {look}") from error
    for who, character in map(_pair, names):
        if who in {track.id for track in tracks}:
            file = deciding.name_face(file, who, character, tracks)
        else:
            file = deciding.name_voice(file, who, character, turns)
    for turn, who in map(_pair, lines):
        file = deciding.decide_line(file, turn, who, turns, tracks)
    for turn in forget:
        file = deciding.forget_line(file, turn)
    return file


def _pair(text: str) -> tuple[str, str]:
    left, equals, right = (part.strip() for part in text.partition("="))
    if not (left and equals and right):
        raise InputError(f"a decision is written WHAT=WHO, like t0012=off; got '{text}'")
    return left, right
