"""Freed memory goes back to the system at once, where the C library would keep it.

glibc learns from every large block that is freed to keep blocks of that size, up to 32 MB, and gives every thread a heap of its
own: frames and batches of pictures then stay with a process that no longer needs them (about 90 MB on a 720p film). Other
C libraries do not do this, and are left alone.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # names of malloc.h
_LARGE = 512 * 1024  # bytes; a plane of a frame, a crop of a batch
_LARGEST = 32 * 2**20  # bytes; more glibc does not take


_giving_back = False


def give_back_freed() -> bool:
    """For programs to call when they begin, not for libraries: it holds for the whole process. False where there is no
    such choice."""
    global _giving_back
    _giving_back = _set(_LARGE, _LARGE)
    return _giving_back


@contextmanager
def keeping_freed() -> Iterator[None]:
    """For a network at work in such a program: it frees and takes the same blocks hundreds of times, and getting each anew from
    the system costs as much time as computing. They are kept inside, and go back afterwards."""
    if not _giving_back:
        yield
        return
    _set(_LARGEST, 2**30)
    try:
        yield
    finally:
        _set(_LARGE, _LARGE)


def _set(mapped: int, trimmed: int) -> bool:
    """From ``mapped`` bytes on a block is the system's own; more than ``trimmed`` free ones at the heap's end go back."""
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    wanted = {_MMAP_THRESHOLD: mapped, _TRIM_THRESHOLD: trimmed, _ARENA_MAX: 2}
    return all([mallopt(option, value) == 1 for option, value in wanted.items()])
