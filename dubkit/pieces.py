"""What a long step has made so far, for a killed run to go on from: one file that grows, piece by piece.

A piece is an array or a JSON value under a name. The file opens with the digest of all that the work depends on, and begins
anew under another one. A run that is killed, or a machine that loses its power, can leave half a piece at the end: its
checksum does not fit, and it is made again. One process writes: a step holds a lock while it works.
"""

from __future__ import annotations

import errno
import io
import json
import struct
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from dubkit.files import storage_errors

_HEAD = struct.Struct("<16sIQ")  # checksum, bytes of the name, bytes of the value


class Pieces:
    """``pieces(name, make)`` is the piece of that name: what was kept, else what ``make()`` gives, which is then kept.

    ``digest``: 32 hex digits. Without a ``path`` nothing is kept. Raises StorageError.
    """

    def __init__(self, path: Path | None = None, digest: str = ""):
        self.path, self._digest = path, bytes.fromhex(digest)
        self._places: dict[str, tuple[int, int]] = {}  # name → where its value begins, its bytes
        self._file: BinaryIO | None = None
        if path and path.exists():
            self._open()

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def __call__(self, name: str, make: Callable[[], Any]) -> Any:
        if name in self:
            return self.get(name)
        value = make()
        self.keep(name, value)
        return value

    def get(self, name: str) -> Any:
        """The piece, or None where it was not kept."""
        if name not in self:
            return None
        begin, size = self._places[name]
        self._file.seek(begin)
        return _decoded(self._file.read(size))

    def keep(self, name: str, value: Any) -> None:
        """Keeps a piece; an earlier one of that name is forgotten."""
        if self.path is None:
            return
        if self._file is None:
            self._open()
        named, data = name.encode(), _encoded(value)
        record = _HEAD.pack(_checksum(named, data), len(named), len(data)) + named + data
        with storage_errors(self.path):
            begin = self._file.seek(0, io.SEEK_END)
            if self._file.write(record) < len(record):  # unbuffered: what is written outlives this process
                raise OSError(errno.ENOSPC, "not all of it could be written")
        self._places[name] = begin + _HEAD.size + len(named), len(data)

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def discard(self) -> None:
        """The work is done: its pieces are not needed any more."""
        self.close()
        self._places.clear()
        if self.path:
            self.path.unlink(missing_ok=True)

    def _open(self) -> None:
        """Reads where the pieces lie, and cuts off what follows the last whole one."""
        with storage_errors(self.path):
            self.path.touch()
            self._file = self.path.open("r+b", buffering=0)
            if self._file.read(len(self._digest)) != self._digest:
                self._file.seek(0)
                self._file.truncate()
                self._file.write(self._digest)
                return
            end = self._file.tell()
            while place := self._next():
                name, begin, size = place
                self._places[name] = begin, size
                end = begin + size
            self._file.truncate(end)

    def _next(self) -> tuple[str, int, int] | None:
        """Name, place and size of the next piece; None where no whole one follows."""
        head = self._file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return None
        checksum, name_size, size = _HEAD.unpack(head)
        if name_size + size > self.path.stat().st_size:
            return None
        name = self._file.read(name_size)
        begin = self._file.tell()
        return (name.decode(), begin, size) if _checksum(name, self._file.read(size)) == checksum else None


NOTHING_KEPT = Pieces()


def _checksum(name: bytes, data: bytes) -> bytes:
    return blake2b(name + b"\0" + data, digest_size=16).digest()


def _encoded(value: Any) -> bytes:
    if not isinstance(value, np.ndarray):
        return b"j" + json.dumps(value).encode()
    buffer = io.BytesIO(b"a")
    buffer.seek(1)
    np.save(buffer, value, allow_pickle=False)
    return buffer.getvalue()


def _decoded(data: bytes) -> Any:
    if data[:1] == b"j":
        return json.loads(data[1:])
    return np.load(io.BytesIO(data[1:]), allow_pickle=False)
