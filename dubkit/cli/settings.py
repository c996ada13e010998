"""``dubkit settings``: each value, and where it came from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from dubkit.cli.common import PresetOption, SetOption, flags, out


def settings(
    project: Annotated[Path | None, typer.Argument(help="A project file; without one, the defaults.")] = None,
    preset: PresetOption = None,
    set_: SetOption = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only values that are not defaults.")] = False,
) -> None:
    """Show every setting, its value, and which of defaults, preset, project or flag gave it."""
    from dubkit.project import layers, schema
    from dubkit.settings import Settings

    file = schema.load(project) if project else None
    merged, origins = layers.merged(file, preset, flags(set_))
    table = Table("setting", Column("value", overflow="fold"), "from", "meaning")
    for section, field in Settings.model_fields.items():
        for key, meaning in field.annotation.model_fields.items():
            origin = origins[f"{section}.{key}"]
            if changed and origin == "default":
                continue
            value = getattr(getattr(merged, section), key)
            table.add_row(f"{section}.{key}", str(value), origin, meaning.description or "")
    out.print(table)
    out.print(f"presets: {', '.join(layers.preset_names())}", highlight=False)
