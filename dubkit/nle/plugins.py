"""Formats and editors, each a plain module in a folder of its own with a manifest, found without being imported.

A plug-in is a folder with ``plugin.json``::

    {"schema": "dubkit.nle_plugin/1", "name": "edl", "about": "CMX 3600 edit decision lists",
     "module": "edl", "suffixes": [".edl"], "needs": []}

``module`` is the file in the folder that is imported when first needed. A format's module has two functions::

    read(path: Path, *, rate: Fraction | None) -> dubkit.nle.timeline.Timeline
    write(timeline: Timeline, path: Path, *, like: Path | None) -> Sequence[str]

``write`` returns what the format cannot carry, in sentences. ``like`` is the file the timeline was read from where it is of
the same format: the writer then adds dubkit's tracks to that document instead of writing a new one, so that nothing an
editor put there is lost. An editor's module (``resolve``) may have other functions and no suffixes.

How to add one: make the folder in ``nle_plugins/``, or anywhere and name its parent in ``DUBKIT_NLE_PLUGINS``
(a list of folders in the system's path syntax).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import util
from pathlib import Path
from types import ModuleType

from dubkit.errors import EngineUnavailable, InputError
from dubkit.nle.timeline import Timeline, TimelineError

SCHEMA = "dubkit.nle_plugin/1"
_NAMESPACE = "dubkit_nle_plugins"  # where loaded plug-ins live in sys.modules


@dataclass(frozen=True, slots=True)
class Plugin:
    """A manifest that was found."""

    name: str
    about: str
    folder: Path
    module: str
    suffixes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()  # pip requirements beyond dubkit[nle]
    reduced: str = ""  # what the format is known not to carry

    def load(self) -> ModuleType:
        """Imports the module, once. Raises EngineUnavailable where a package is missing."""
        package = f"{_NAMESPACE}.{self.name}"
        if package not in sys.modules:
            _make_package(_NAMESPACE, self.folder.parent)
            _make_package(package, self.folder)
        name = f"{package}.{self.module}"
        if name in sys.modules:
            return sys.modules[name]
        spec = util.spec_from_file_location(name, self.folder / f"{self.module}.py")
        module = util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException as error:
            del sys.modules[name]
            if isinstance(error, ImportError) and (error.name or "").split(".")[0] not in ("dubkit", _NAMESPACE, ""):
                wanted = " ".join(["'dubkit[nle]'", *self.needs])
                raise EngineUnavailable(
                    self.name, f"the package '{error.name}' is missing", f"pip install {wanted}"
                ) from error
            raise
        return module

    def read(self, path: Path, *, rate: Fraction | None = None) -> Timeline:
        """Reads a timeline. Raises TimelineError."""
        if not path.is_file():
            raise TimelineError(f"there is no timeline at {path}")
        return self.load().read(path, rate=rate)

    def write(self, timeline: Timeline, path: Path, *, like: Path | None = None) -> Sequence[str]:
        """Writes a timeline and returns what the format could not carry. Raises TimelineError."""
        return self.load().write(timeline, path, like=like)


def folders() -> list[Path]:
    """Where plug-ins are looked for: beside the installed package or the repository's, then ``DUBKIT_NLE_PLUGINS``."""
    package = Path(__file__).resolve().parent.parent
    own = [folder for folder in (package / "nle_plugins", package.parent / "nle_plugins") if folder.is_dir()][:1]
    return own + [Path(part) for part in os.environ.get("DUBKIT_NLE_PLUGINS", "").split(os.pathsep) if part]


def discover() -> dict[str, Plugin]:
    """Every plug-in by name; the first of a name wins. Imports nothing. Raises InputError for a broken manifest."""
    found: dict[str, Plugin] = {}
    for folder in folders():
        for manifest in sorted(folder.glob("*/plugin.json")):
            plugin = _read(manifest)
            found.setdefault(plugin.name, plugin)
    return found


def get(name: str) -> Plugin:
    """The plug-in of that name. Raises InputError naming what there is."""
    found = discover()
    if name not in found:
        looked = ", ".join(map(str, folders())) or "nowhere: the folder nle_plugins is missing"
        raise InputError(f"there is no plug-in '{name}'; there are: {', '.join(found) or 'none'} (looked in {looked})")
    return found[name]


def format_for(path: Path) -> Plugin:
    """The plug-in that reads and writes files with this suffix. Raises InputError."""
    found = discover()
    for plugin in found.values():
        if path.suffix.lower() in plugin.suffixes:
            return plugin
    known = ", ".join(sorted(suffix for plugin in found.values() for suffix in plugin.suffixes))
    raise InputError(
        f"'{path.name}': the suffix '{path.suffix}' is no timeline format that dubkit knows; it knows: {known}"
    )


def _read(manifest: Path) -> Plugin:
    try:
        data = json.loads(manifest.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{manifest} is not a plug-in manifest: {error}") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise InputError(f'{manifest}: a plug-in manifest says "schema": "{SCHEMA}"')
    for key in ("name", "about", "module"):
        if not isinstance(data.get(key), str) or not data[key]:
            raise InputError(f"{manifest}: '{key}' must be a text")
    if not (data["name"].isidentifier() and data["module"].isidentifier()):
        raise InputError(f"{manifest}: 'name' and 'module' must be Python names")
    suffixes = tuple(suffix.lower() for suffix in data.get("suffixes", []))
    return Plugin(
        data["name"],
        data["about"],
        manifest.parent,
        data["module"],
        suffixes,
        tuple(data.get("needs", [])),
        data.get("reduced", ""),
    )


def _make_package(name: str, folder: Path) -> None:
    if name not in sys.modules:
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
