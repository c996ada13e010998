"""``dubkit schema``: the JSON Schema of the project file, for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dubkit.cli.common import err


def schema(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write; none: print it.")] = None,
) -> None:
    """Print the JSON Schema of project files, so that an editor completes keys and marks mistakes.

    Editors with Taplo (Even Better TOML in VS Code, Helix, Neovim, Zed) read the comment "#:schema FILE" in the first
    line of a project file.
    """
    from dubkit.files import atomic_write
    from dubkit.project.schema import json_schema

    text = json_schema() + "\n"
    if output is None:
        print(text, end="")
        return
    atomic_write(output, text.encode())
    err.print(
        f"wrote {output}; make the first line of a project file beside it: #:schema {output.name}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
