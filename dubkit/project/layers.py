"""Settings of a project: defaults < preset < project file < flags, with the origin of each value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from dubkit.errors import SettingsError
from dubkit.project.schema import ProjectFile
from dubkit.settings import Layer, Settings, layered


def presets_folder() -> Path:
    """Where the presets that come with dubkit are: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "presets"
    return inside if inside.is_dir() else package.parent / "presets"


def preset_names() -> list[str]:
    return sorted(path.stem for path in presets_folder().glob("*.toml"))


def is_preset_file(name: str) -> bool:
    """Whether a preset is named by the path of a TOML file, and is not one that comes with dubkit."""
    return name.endswith(".toml") or "/" in name or "\\" in name


def load_preset(name: str, base: Path | None = None) -> Layer:
    """A preset by name, or by path to a TOML file (relative to ``base``). Raises SettingsError."""
    path = (base or Path()) / os.path.expanduser(name) if is_preset_file(name) else presets_folder() / f"{name}.toml"
    if not path.is_file():
        raise SettingsError(
            f"there is no preset '{name}'; choose one of {', '.join(preset_names())}, or give a path to a TOML file"
        )
    try:
        data = tomlkit.parse(path.read_text("utf-8-sig")).unwrap()
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise SettingsError(f"preset {path}: this is not valid TOML: {error}") from error
    data.pop("about", None)
    return data


def merged(
    project: ProjectFile | None, preset: str | None = None, flags: Mapping[str, Any] | None = None
) -> tuple[Settings, dict[str, str]]:
    """The settings that hold for a project, and where each came from.

    ``preset`` overrides the project's own, and a path is relative to where we are, not to the project; ``flags`` maps
    "section.key" to a value (only those that were given).
    """
    layers: dict[str, Layer] = {}
    if preset:
        layers[f"preset {preset}"] = load_preset(preset)
    elif project and (own := project.project.preset):
        layers[f"preset {own}"] = load_preset(own, project.path.parent)
    if project:
        layers[project.path.name] = project.project.settings
    if flags:
        given: dict[str, dict[str, Any]] = {}
        for key, value in flags.items():
            section, _, leaf = key.partition(".")
            given.setdefault(section, {})[leaf] = value
        layers["flag"] = given
    return layered(layers)
