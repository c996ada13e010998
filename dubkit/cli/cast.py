"""``dubkit cast``: who is who, on one page, and the words that change it."""

from __future__ import annotations

from rich.table import Table

from dubkit.cli.common import PresetOption, ProjectArgument, SetOption, flags, out


def cast(project: ProjectArgument, preset: PresetOption = None, set_: SetOption = None) -> None:
    """Show the cast: each character's voice, faces and lines, and every line that a person should look at.

    To decide something, write it into the project file as [[cast]] or [[lock]] (the sheet shows the words) and run again.
    """
    from dubkit.cli.listeners import listening
    from dubkit.project import artefacts, layers, schema
    from dubkit.project.pipeline import Pipeline
    from dubkit.types import Assignment, Character

    file = schema.load(project)
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
        out.print(f"undecided: {a.turn_id} in shot {a.shot}: {a.reason}", highlight=False, markup=False)
    out.print(f"{len(undecided)} undecided; sheet: {folder / 'cast.html'}", highlight=False, soft_wrap=True)
