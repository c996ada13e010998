"""Large blocks go back to the system when they are freed, where the C library would keep them.

glibc learns from every large block that is freed to keep blocks of that size, up to 32 MB, and gives every thread a heap of its
own: frames and batches of pictures then stay with a process that no longer needs them (about 90 MB on a 720p film). Other
C libraries do not do this, and are left alone.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # names of malloc.h
_LARGE = 4 * 2**20
"""Bytes. Smaller blocks are taken and freed by the hundred for every frame, where new pages cost more than the sums."""
_LARGEST = 32 * 2**20  # bytes; more glibc does not take

_giving_back = False
_at_work = 0  # uses of keeping_freed, one inside another


def give_back_freed() -> bool:
    """For programs to call when they begin, not for libraries: it holds for the whole process. False where there is no
    such choice."""
    global _giving_back
    _giving_back = _set(_LARGE, _LARGE)
    return _giving_back


@contextmanager
def keeping_freed() -> Iterator[None]:
    """For a network at work in such a program: it frees and takes the same blocks hundreds of times, and getting each anew from
    the system costs as much time as computing. They are kept inside, and go back after the outermost use."""
    global _at_work
    if not _giving_back:
        yield
        return
    if not _at_work:
        _trim()
        _set(_LARGEST, 2**30)
    _at_work += 1
    try:
        yield
    finally:
        _at_work -= 1
        if not _at_work:
            _set(_LARGE, _LARGE)
            _trim()


def _trim() -> None:
    """Free pages between blocks that are in use go back too."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


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
