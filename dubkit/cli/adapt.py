"""``dubkit adapt``: teach the generator the actors of one film."""

from __future__ import annotations

from rich.table import Table

from dubkit.cli.common import PresetOption, ProjectArgument, SetOption, flags, out


def adapt(project: ProjectArgument, preset: PresetOption = None, set_: SetOption = None) -> None:
    """Fine-tune the lips for each character on the film's own footage, and show where that helped.

    Kept only where held-back frames of that actor come closer and their lips stay in step. Minutes on a GPU; on a CPU only the
    last layers are trained, about a minute an actor. To dub with it, put adapt = "on" under [settings.lips] of the project,
    or give --set lips.adapt=on; "off" brings the original lips back.
    """
    from dubkit.cli.listeners import listening
    from dubkit.project import artefacts, layers, schema
    from dubkit.project.adapting import Tried, seconds_file
    from dubkit.project.pipeline import Pipeline

    file = schema.load(project)
    settings, _ = layers.merged(file, preset, {"lips.adapt": "on", **flags(set_)})
    pipeline = Pipeline(file, settings)
    with listening("auto") as listener:
        pipeline.listener = listener
        pipeline.run(until="adapt")
    folder = pipeline.store.stage_folder("adapt")
    table = Table("character", "kept", "frames", "held back", "mouth L1", "sync", "seconds", "why")
    for one in artefacts.read_json(folder / "adapt.json", tuple[Tried, ...]):
        f = one.figures
        numbers = ("", "", "", "", "") if f is None else (
            str(f["frames"]), str(f["held_back"]), f"{f['mouth_l1_before']:.4f} → {f['mouth_l1_after']:.4f}",
            f"{f['sync_before']:.3f} → {f['sync_after']:.3f}",
            f"{artefacts.read_json(seconds_file(folder, one.key), float):.0f}",
        )  # fmt: skip
        table.add_row(one.character, "yes" if one.kept else "no", *numbers, one.reason)
    out.print(table)
    if layers.merged(file, preset, flags(set_))[0].lips.adapt == "off":
        out.print('To dub with it: adapt = "on" under [settings.lips] of the project, or --set lips.adapt=on')
