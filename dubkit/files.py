"""Writing files so that a reader sees the old one or the new one, never half of one."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dubkit.errors import StorageError

_STORAGE = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary name beside ``path`` with the same suffix; on success it becomes ``path``, on error it is deleted.

    Raises StorageError where the folder is full or cannot be written.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in _STORAGE:
            raise storage_error(path, error) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write(path: Path, data: bytes) -> None:
    """Writes a whole file at once. Raises StorageError."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def storage_error(path: Path, error: OSError) -> StorageError:
    """The readable form of an operating-system error about ``path``."""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return StorageError(
            f"the disk that holds {path.parent} is full; free some space and run the same command again"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError(f"{path.parent} cannot be written (read-only or not yours): {error.strerror}")
    return StorageError(f"cannot write {path}: {error.strerror or error}")
