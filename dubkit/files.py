"""Files that appear whole or not at all: written under a temporary name in the same folder, then renamed.

Errors of the disk become StorageError with the folder's name and what to do, whoever met them (Python or ffmpeg).
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

from dubkit.errors import ProcessError, StorageError

_DISK_ERRORS = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again",
    getattr(errno, "EDQUOT", -1): "the quota of this disk is used up; free some space and run the same command again",
    errno.EFBIG: "the file became larger than this disk allows",
    errno.EISDIR: "there is a folder of that name; choose another name",
    errno.EROFS: "the folder is read-only; choose another output folder",
    errno.EACCES: "no permission to write there; choose another folder or change its permissions"
    + (" (on Windows also: close the program that has the file open)" if os.name == "nt" else ""),
    errno.EPERM: "no permission to write there; choose another folder or change its permissions",
}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside ``path`` (same suffix); renames it to ``path`` when the block ends well.

    The folder is made where it is missing. On any error the temporary file is removed and an older ``path`` stays as it
    was. What a killed run left behind for the same path is removed first. Raises StorageError.
    """
    path = Path(path)
    # A digest instead of the name: a name of 255 bytes has no room for an addition.
    tag = blake2b(os.fsencode(path.name), digest_size=6).hexdigest()
    part = path.with_name(f".{tag}.{os.getpid()}.part{path.suffix if len(path.suffix) < 16 else ''}")
    try:
        with storage_errors(path):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                for leftover in path.parent.glob(f".{tag}.*.part*"):
                    leftover.unlink()
                part.touch()
            except OSError as error:
                raise storage_error(path, error) from error
            yield part
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def atomic_write(path: Path, data: bytes) -> None:
    """Writes a whole file at once. Raises StorageError."""
    with replacing(path) as part:
        part.write_bytes(data)


def storage_error(path: Path, error: OSError) -> StorageError:
    """The readable form of an operating-system error about ``path``."""
    return StorageError(f"cannot write {path}: {_DISK_ERRORS.get(error.errno, error.strerror or error)}")


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns what a full or forbidden disk causes inside the block into StorageError that names ``path``."""
    try:
        yield
    except OSError as error:
        reason = _DISK_ERRORS.get(error.errno)
        elsewhere = error.filename is not None and Path(os.fsdecode(error.filename)).parent != Path(path).parent
        if reason is None or elsewhere:
            raise
        raise storage_error(path, error) from error
    except ProcessError as error:
        for number, reason in _DISK_ERRORS.items():
            if os.strerror(number).lower() in error.last_words.lower():
                raise StorageError(f"cannot write {path}: {reason} ({error.program} said so)") from error
        raise
