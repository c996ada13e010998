"""The folder through which the menu scripts and the worker talk. Owner-only: a reply is code that Resolve runs.

    inbox/    requests: a timeline exported by Resolve, named <job>.<step>.<timeline>.<project>.<start>.<scope>.<version>.otio
    outbox/   <job>.<step>.lua, <job>.<step>.failed.lua, and timeline-<timeline>.lua: the last finished dub of a timeline
    acks/     <job>.<state>.otio: the timeline as it was after placing
    jobs/     dubbed media and work, one folder a key; the project refers to them, so they stay
    worker.lua, settings.json, worker.log, editor.txt (the edition and version that asked last)

Names are made of letters, digits and '-' only and are checked before a path is built from them; links are never followed.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from dubkit.errors import InputError, StorageError
from dubkit.files import atomic_write
from dubkit.nle.uses import Scope
from dubkit.types import FrameRange

from . import lua_text

FOLDERS = ("inbox", "outbox", "acks", "jobs")
LARGEST = 256 << 20  # bytes; an exported timeline is far smaller
_NAME = re.compile(
    r"(?P<job>[0-9a-f]{32})\.(?P<step>[12])\.(?P<timeline>[A-Za-z0-9-]{1,64})\.(?P<project>[A-Za-z0-9-]{1,64})"
    r"\.(?P<origin>\d{1,9})\.(?P<scope>all|[vx0-9-]{1,160})\.(?P<version>[A-Za-z0-9-]{1,80})\.(?P<kind>otio|xml)"
)
_PART = re.compile(r"v(\d{1,3})x(\d{1,9})x(\d{1,9})")


@dataclass(frozen=True, slots=True)
class Request:
    """What the script asks, from the request's name."""

    path: Path
    job: str  # 32 hex digits
    step: int  # 1; 2 once references have been rendered
    timeline: str  # GetUniqueId, other characters replaced by '-'
    project: str
    origin: int  # GetStartFrame
    scope_text: str
    version: str  # product name and version

    @property
    def scope(self) -> tuple[Scope, ...]:
        if self.scope_text == "all":
            return ()
        parts = [_PART.fullmatch(part) for part in self.scope_text.split("-")]
        numbers = [tuple(int(n) for n in part.groups()) for part in parts]
        return tuple(Scope(FrameRange(at, at + length), track or None) for track, at, length in numbers)


def default_folder() -> Path:
    """The user's own data folder; its path must be ASCII (Lua on Windows opens ANSI paths)."""
    return Path(platformdirs.user_data_dir("dubkit", appauthor=False)) / "resolve"


class Mailbox:
    """The folder, opened. ``create`` makes it owner-only; a folder that others can write is refused."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.inbox, self.outbox, self.acks, self.jobs = (folder / name for name in FOLDERS)

    @classmethod
    def create(cls, folder: Path) -> Mailbox:
        """Raises InputError for a path that Lua cannot use, StorageError for a folder that is not the user's own."""
        folder = Path(os.path.abspath(folder))
        if not folder.as_posix().isascii():
            hint = "choose another with --mailbox"
            if sys.platform == "win32":
                hint += ", within your profile by its short name where its own is not ASCII: dir /x C:\\Users shows it"
            raise InputError(f"the mailbox must have a path of ASCII letters only, got {folder}; {hint}")
        if sys.platform == "win32":
            _within_profile(folder)
        mailbox = cls(folder)
        for path in (folder, mailbox.inbox, mailbox.outbox, mailbox.acks, mailbox.jobs):
            try:
                path.mkdir(mode=0o700, parents=path == folder, exist_ok=True)
                if sys.platform != "win32":
                    os.chmod(path, 0o700)
            except OSError as error:
                raise StorageError(f"the mailbox {path} cannot be made yours alone: {error}") from error
        mailbox.check()
        return mailbox

    def check(self) -> None:
        """Raises StorageError unless all folders are real folders of this user that nobody else can enter."""
        for path in (self.folder, self.inbox, self.outbox, self.acks, self.jobs):
            try:
                status = path.lstat()
            except OSError as error:
                raise StorageError(f"the mailbox {path} is not there; run: dubkit resolve install") from error
            if not stat.S_ISDIR(status.st_mode):
                raise StorageError(f"the mailbox {path} is a link or a file, not a folder; remove it and install again")
            # Windows has no modes, see ``_within_profile``
            if sys.platform != "win32" and (status.st_uid != os.getuid() or status.st_mode & 0o077):
                raise StorageError(
                    f"the mailbox {path} can be used by others (mode {status.st_mode & 0o777:o}); run: chmod 700 '{path}'"
                )

    def requests(self) -> list[Request]:
        """Well-named requests, oldest first. Anything else in the inbox is left alone."""
        found = []
        for entry in os.scandir(self.inbox):
            match = _NAME.fullmatch(entry.name)
            if not match or not entry.is_file(follow_symlinks=False):
                continue
            scope = match["scope"]
            if scope != "all" and not all(_PART.fullmatch(part) for part in scope.split("-")):
                continue
            status = entry.stat(follow_symlinks=False)
            if status.st_size <= LARGEST:
                request = Request(
                    Path(entry.path), match["job"], int(match["step"]), match["timeline"], match["project"],
                    int(match["origin"]), scope, match["version"],
                )  # fmt: skip
                found.append((status.st_mtime, request))
        return [request for _, request in sorted(found, key=lambda pair: (pair[0], pair[1].job))]

    def answer(self, request: Request, plan: dict[str, object]) -> None:
        """Writes the reply; a finished dub also under the timeline's name, for a script that has given up waiting."""
        text = lua_text.reply(plan)
        if plan["action"] == "place":
            self._write(self.finished(request.timeline), text)
        self._write(self.outbox / f"{request.job}.{request.step}.lua", text)

    def fail(self, request: Request, why: str) -> None:
        self._write(self.outbox / f"{request.job}.{request.step}.failed.lua", lua_text.reply(why))

    def finished(self, timeline: str) -> Path:
        """Where the last finished dub of a timeline lies."""
        if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", timeline):
            raise ValueError(f"{timeline!r} is not the id of a timeline")
        return self.outbox / f"timeline-{timeline}.lua"

    def forget(self, job: str) -> None:
        """A finished dub that was placed does not wait for anybody any more."""
        for path in self.outbox.glob("timeline-*.lua"):
            if f'job="{job}"' in path.read_text("ascii"):
                path.unlink(missing_ok=True)

    def cancel_file(self, job: str) -> Path:
        """The window of the Studio script makes this file to stop a job."""
        return self.inbox / f"{job}.cancel"

    def beat(self, now: float) -> None:
        """Tells the scripts that a worker is alive (seconds since 1970)."""
        self._write(self.folder / "worker.lua", lua_text.reply(int(now)))

    def remember(self, version: str) -> None:
        """Which edition and version asked last, for ``doctor``."""
        self._write(self.folder / "editor.txt", version.encode("ascii"))

    def last_editor(self) -> str:
        """Empty where nobody has asked yet."""
        path = self.folder / "editor.txt"
        return path.read_text("ascii", "replace") if path.is_file() else ""

    def _write(self, path: Path, data: bytes) -> None:
        atomic_write(path, data)
        if sys.platform != "win32":
            os.chmod(path, 0o600)


def _within_profile(folder: Path, home: Path | None = None) -> None:
    """Windows has no modes: what keeps others out is the profile folder's own access list, which its subfolders inherit."""
    home = home or Path.home()
    if home.resolve() not in folder.resolve().parents:  # it may be given by its short name, like C:\Users\JRGEN~1
        raise StorageError(
            f"the mailbox {folder} is outside your own profile {home}, where others may enter; choose another with --mailbox"
        )
