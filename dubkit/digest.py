"""Digests: what makes an artefact stale.

A file up to 64 MiB is hashed whole; of a larger one, its size and 64 blocks of 1 MiB spread evenly over it (first and
last included), so that a two-hour master is identified in a second. A change in place that misses every block is not
seen; ``file_digest(path, whole=True)`` sees it, and is what a dub's own files are named by.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, is_dataclass
from fractions import Fraction
from pathlib import Path

_BLOCK = 1 << 20
_BLOCKS = 64


def file_digest(path: Path, *, whole: bool = False) -> str:
    """32 hex digits that name the content of a file."""
    size = path.stat().st_size
    hasher = hashlib.blake2b(str(size).encode(), digest_size=16)
    with path.open("rb") as file:
        if whole or size <= _BLOCK * _BLOCKS:
            while block := file.read(_BLOCK):
                hasher.update(block)
        else:
            for i in range(_BLOCKS):
                file.seek((size - _BLOCK) * i // (_BLOCKS - 1))
                hasher.update(file.read(_BLOCK))
    return hasher.hexdigest()


def value_digest(value: object) -> str:
    """32 hex digits that name a plain value (JSON types, dataclasses, Path, Fraction, bytes)."""
    text = json.dumps(value, sort_keys=True, default=_plain, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, (Path, Fraction)):
        return str(value)
    if isinstance(value, bytes):
        return hashlib.blake2b(value, digest_size=16).hexdigest()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"cannot digest a {type(value).__name__}")
