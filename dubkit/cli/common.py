"""What several commands share: options, settings from flags, and output."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from dubkit.errors import InputError

# Without markup: "[es]" in a file's name is no style. What has a style is a rich.text.Text.
out = Console(markup=False)
err = Console(stderr=True, markup=False)

ProjectArgument = Annotated[Path, typer.Argument(help="The project file, like film.dub.toml.", show_default=False)]
PresetOption = Annotated[str | None, typer.Option("--preset", help="Use this preset instead of the project's.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="SECTION.KEY=VALUE", help="Override one setting; may be repeated."),
]
LanguageOption = Annotated[
    list[str] | None, typer.Option("--to", "-t", metavar="LANGUAGE", help="Only this target language; may be repeated.")
]


def flags(given: list[str] | None) -> dict[str, Any]:
    """``["lips.crossfade=3"]`` → ``{"lips.crossfade": 3}``; values are TOML, bare words are strings."""
    import tomlkit  # here: most commands have no such flags and should start at once
    from tomlkit.exceptions import TOMLKitError

    values: dict[str, Any] = {}
    for text in given or []:
        key, equals, value = text.partition("=")
        if not equals or "." not in key:
            raise InputError(f"--set needs SECTION.KEY=VALUE, got '{text}'")
        try:
            values[key.strip()] = tomlkit.parse(f"v = {value}").unwrap()["v"]
        except TOMLKitError:
            values[key.strip()] = value.strip()
    return values
