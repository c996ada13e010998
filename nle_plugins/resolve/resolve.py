"""``dubkit resolve install | uninstall | doctor | serve | undo``, as plain functions. None of them prints."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from dubkit.errors import EngineUnavailable
from dubkit.nle.dubber import Dubber

from . import settings
from .install import Check, doctor, install, script_folder, uninstall
from .mailbox import Mailbox, default_folder
from .worker import Worker
from .worker import log as worker_log

__all__ = ["Check", "default_folder", "doctor", "install", "script_folder", "serve", "undo", "uninstall"]

MODULES = {  # where Resolve keeps the module that external scripts import (Studio only)
    "darwin": "/Library/Application Support/Blackmagic Design/DaVinci Resolve/Developer/Scripting/Modules",
    "win32": "%PROGRAMDATA%/Blackmagic Design/DaVinci Resolve/Support/Developer/Scripting/Modules",
    "linux": "/opt/resolve/Developer/Scripting/Modules",
}


def serve(
    mailbox: Path,
    dubber: Dubber,
    changes: Mapping[str, object] = {},
    *,
    idle: float | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Answers the menu scripts until stopped. ``changes``: worker settings for this run (language, dialogue, preset ...).

    Raises StorageError where another worker serves the mailbox, SettingsError for an unknown setting.
    """
    box = Mailbox.create(mailbox)
    chosen = settings.changed(
        settings.load(box.folder), {key: value for key, value in changes.items() if value is not None}
    )
    with _log(box):
        Worker(box, chosen, dubber).serve(idle=idle, stop=stop)


@contextmanager
def _log(box: Mailbox) -> Iterator[None]:
    """What the worker does goes into ``worker.log`` of the mailbox as well; it starts anew with every run."""
    handler = logging.FileHandler(box.folder / "worker.log", mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    worker_log.addHandler(handler)
    before, worker_log.level = worker_log.level, logging.INFO
    try:
        yield
    finally:
        worker_log.level = before
        worker_log.removeHandler(handler)
        handler.close()


def undo(mailbox: Path, resolve: object | None = None) -> list[str]:
    """Takes back what dubkit placed on the current timeline of a running Resolve Studio. Returns what was said.

    In the Free edition nothing outside can do that: use the menu script Dubkit Undo. Raises EngineUnavailable.
    """
    box = Mailbox(Path(os.path.abspath(mailbox)))
    box.check()
    return placing().undo(resolve or connect(), box.jobs.as_posix())


def connect() -> object:
    """Resolve's handle from outside. Raises EngineUnavailable unless a Studio is running and lets scripts in."""
    folder = os.environ.get("RESOLVE_SCRIPT_API")
    path = Path(folder) / "Modules" if folder else Path(os.path.expandvars(MODULES.get(sys.platform, MODULES["linux"])))
    remedy = "start Resolve Studio and set Preferences > System > General > External scripting to Local; in Free use the menu script Dubkit Undo"
    source = path / "DaVinciResolveScript.py"
    if not source.is_file():
        raise EngineUnavailable("resolve", f"there is no {source}", remedy)
    spec = importlib.util.spec_from_file_location("DaVinciResolveScript", source)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        handle = sys.modules.get("DaVinciResolveScript", module).scriptapp("Resolve")
    except (ImportError, AttributeError, OSError) as error:
        raise EngineUnavailable("resolve", f"its scripting module does not load: {error}", remedy) from error
    if handle is None:
        raise EngineUnavailable("resolve", "it does not answer", remedy)
    return handle


def placing() -> ModuleType:
    """The placing code that also runs inside Resolve's own Python; it stands alone and imports nothing of dubkit."""
    from .scripts import placing as module

    return module
