"""Puts the menu scripts where Resolve looks for them, takes them away again, and says whether everything is in place."""

from __future__ import annotations

import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

import dubkit
from dubkit.errors import DubkitError, StorageError
from dubkit.files import atomic_write

from . import lua_text, settings
from .mailbox import Mailbox

SOURCES = Path(__file__).parent / "scripts"
STAMP = "dubkit-menu-script 1"  # the first line of every file we wrote; others are never touched
NAMES = ("Dubkit.lua", "Dubkit Undo.lua", "Dubkit.py")
TIMEOUT = 1800  # seconds that a script waits for the worker


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``doctor``: ok True, False, or None where it cannot be known from outside Resolve."""

    name: str
    ok: bool | None
    detail: str


def script_folder(platform: str = sys.platform, environment: dict[str, str] | None = None) -> Path:
    """Resolve's folder for this user's menu scripts (Workspace > Scripts), on every page."""
    environment = dict(os.environ) if environment is None else environment
    if platform == "darwin":
        base = Path(environment["HOME"]) / "Library/Application Support/Blackmagic Design/DaVinci Resolve"
    elif platform == "win32":
        base = Path(environment["APPDATA"]) / "Blackmagic Design/DaVinci Resolve/Support"
    else:
        base = Path(environment["HOME"]) / ".local/share/DaVinciResolve"
    return base / "Fusion/Scripts/Utility"


def install(
    mailbox: Path, folder: Path | None = None, *, studio: bool = True, timeout: int = TIMEOUT, **changes: object
) -> list[Path]:
    """Makes the mailbox and writes the scripts; ``changes`` are worker settings to keep. Returns what was written.

    ``studio``: also the Python script with a window. Raises StorageError rather than touch a file that dubkit did not write.
    """
    box = Mailbox.create(mailbox)
    folder = folder or script_folder()
    _refuse_strangers(folder)
    kept = settings.changed(settings.load(box.folder), {k: v for k, v in changes.items() if v is not None})
    settings.save(box.folder, kept)
    texts = render(box, timeout)
    written = []
    for name in NAMES:
        if name.endswith(".py") and not studio:
            continue
        atomic_write(folder / name, texts[name].encode("ascii"))
        written.append(folder / name)
    return written


def uninstall(folder: Path | None = None) -> list[Path]:
    """Deletes the scripts that dubkit wrote. The mailbox stays: projects refer to the dubbed media in it."""
    folder = folder or script_folder()
    gone = []
    for name in NAMES:
        path = folder / name
        if path.is_file() and _ours(path):
            path.unlink()
            gone.append(path)
    return gone


def doctor(mailbox: Path, folder: Path | None = None) -> list[Check]:
    """What is in place and what is not. Never calls Resolve: a call that an edition does not allow opens a dialogue there."""
    folder = folder or script_folder()
    checks = [
        Check(
            "Resolve's script folder",
            folder.parent.is_dir() or None,
            f"{folder.parent}" + ("" if folder.parent.is_dir() else " (made by Resolve's first start)"),
        )
    ]
    box = Mailbox(Path(os.path.abspath(mailbox)))
    try:
        box.check()
        checks.append(Check("mailbox", True, str(box.folder)))
        texts = render(box, TIMEOUT)
    except DubkitError as error:
        checks.append(Check("mailbox", False, str(error)))
        texts = {}
    for name in NAMES:
        path = folder / name
        if not path.is_file():
            checks.append(
                Check(name, None if name.endswith(".py") else False, "not installed; run: dubkit resolve install")
            )
        elif not _ours(path):
            checks.append(Check(name, False, f"{path} was not written by dubkit"))
        else:
            fresh = not texts or _settled(path.read_text("ascii")) == _settled(texts[name])
            checks.append(
                Check(name, fresh, str(path) if fresh else "of another version or mailbox; run: dubkit resolve install")
            )
    checks.append(_worker(box))
    checks.append(_codecs())
    seen = box.last_editor()
    checks.append(
        Check(
            "asked last", None, seen or "nobody yet; Free from 21.1 on runs only the Lua scripts, Studio also Dubkit.py"
        )
    )
    return checks


def render(box: Mailbox, timeout: int) -> dict[str, str]:
    """The scripts with this mailbox filled in, by file name. ASCII only."""
    common = (SOURCES / "common.lua").read_text("ascii")
    body = (SOURCES / "dubkit.lua").read_text("ascii").replace("@RENDER@", (SOURCES / "render.lua").read_text("ascii"))
    values = {
        "@STAMP@": f"{STAMP} of dubkit {dubkit.__version__}",
        "@MAILBOX@": lua_text.quoted(box.folder.as_posix()),
        "@MEDIA@": lua_text.quoted(box.jobs.as_posix()),
        "@TIMEOUT@": lua_text.literal(timeout),
        "@START_WORKER@": lua_text.quoted(start_command(box.folder)),
    }
    python = {
        "@STAMP@": values["@STAMP@"],
        "@MAILBOX@": ascii(box.folder.as_posix()),
        "@SCRIPTS@": ascii(SOURCES.as_posix()),
        "@TIMEOUT@": str(timeout),
    }
    return {
        "Dubkit.lua": _filled(common + body, values),
        "Dubkit Undo.lua": _filled(common + (SOURCES / "undo.lua").read_text("ascii"), values),
        "Dubkit.py": _filled((SOURCES / "menu.py").read_text("ascii"), python),
    }


def start_command(mailbox: Path, platform: str = sys.platform, executable: str = sys.executable) -> str:
    """A shell line that starts a worker in the background, for editions whose Lua can. Empty where quoting is not safe."""
    arguments = [executable, "-m", "dubkit", "resolve", "serve", "--mailbox", str(mailbox), "--idle", "900"]
    if platform == "win32":
        if not all(re.fullmatch(r"[\w:\\/.\- ]+", part, re.ASCII) for part in arguments):
            return ""
        return 'start "" /b ' + " ".join(f'"{part}"' for part in arguments)
    if not all(part.isascii() and part.isprintable() for part in arguments):
        return ""
    return shlex.join(arguments) + " >/dev/null 2>&1 &"


def _filled(text: str, values: dict[str, str]) -> str:
    """One pass over the template, so that a value that looks like a placeholder stays what it is."""
    return re.sub("|".join(map(re.escape, values)), lambda match: values[match[0]], text)


def _settled(text: str) -> str:
    """A script without what may differ between installs that are equally good: its timeout."""
    return re.sub(
        r"^(local MAILBOX.*|TIMEOUT = ).*$", lambda m: re.sub(r"\b\d+\b", "N", m[0]), text, flags=re.MULTILINE
    )


def _ours(path: Path) -> bool:
    with path.open("rb") as file:
        return STAMP.encode() in file.readline()


def _refuse_strangers(folder: Path) -> None:
    for name in NAMES:
        path = folder / name
        if path.is_symlink() or path.exists() and not (path.is_file() and _ours(path)):
            raise StorageError(f"{path} is there already and dubkit did not write it; move it away and install again")


def _worker(box: Mailbox) -> Check:
    if not box.folder.is_dir():
        return Check("worker", False, "no mailbox")
    lock = FileLock(str(box.folder / "worker.lock"))
    try:
        lock.acquire(timeout=0)
        lock.release()
    except Timeout:
        return Check("worker", True, "running")
    except OSError as error:
        return Check("worker", False, str(error))
    return Check("worker", False, "not running; start it with: dubkit resolve serve")


def _codecs() -> Check:
    import av

    missing = [name for name in ("dnxhd", "ffv1", "prores_ks", "pcm_s24le") if name not in av.codecs_available]
    return Check(
        "codecs", not missing, "DNxHR, ProRes, FFV1, PCM" if not missing else f"FFmpeg lacks {', '.join(missing)}"
    )
