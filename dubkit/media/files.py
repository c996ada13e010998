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
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the quota of this disk is used up; free some space",
    errno.EFBIG: "the file became larger than this disk allows",
    errno.EROFS: "the folder is read-only; choose another output folder",
    errno.EACCES: "no permission to write there; choose another folder or change its permissions",
    errno.EPERM: "no permission to write there; choose another folder or change its permissions",
}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside ``path`` (same suffix); renames it to ``path`` when the block ends well.

    The folder must exist. On any error the temporary file is removed and an older ``path`` stays as it was.
    """
    path = Path(path)
    # A digest instead of the name: a name of 255 bytes has no room for an addition.
    tag = blake2b(os.fsencode(path.name), digest_size=6).hexdigest()
    part = path.with_name(f".{tag}.{os.getpid()}.part{path.suffix if len(path.suffix) < 16 else ''}")
    if not path.parent.is_dir():
        raise StorageError(f"cannot write {path}: the folder {path.parent} does not exist")
    try:
        with storage_errors(path):
            try:
                part.touch()
            except OSError as error:
                reason = _DISK_ERRORS.get(error.errno, error.strerror)
                raise StorageError(f"cannot write {path}: {reason}") from error
            yield part
            os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


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
        raise StorageError(f"cannot write {path}: {reason}") from error
    except ProcessError as error:
        for number, reason in _DISK_ERRORS.items():
            if os.strerror(number).lower() in error.last_words.lower():
                raise StorageError(f"cannot write {path}: {reason} ({error.program} said so)") from error
        raise
