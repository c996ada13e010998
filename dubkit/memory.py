"""Freed memory goes back to the system at once, where the C library would keep it.

glibc learns from every large block that is freed to keep blocks of that size, up to 32 MB, and gives every thread a heap of its
own: frames and batches of pictures then stay with a process that no longer needs them (about 90 MB on a 720p film). Other
C libraries do not do this, and are left alone.
"""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # names of malloc.h
_LARGE = 512 * 1024  # bytes; a plane of a frame, a crop of a batch


def give_back_freed() -> bool:
    """For programs to call when they begin, not for libraries: it holds for the whole process. False where there is no
    such choice."""
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    wanted = {_MMAP_THRESHOLD: _LARGE, _TRIM_THRESHOLD: _LARGE, _ARENA_MAX: 2}
    return all([mallopt(option, value) == 1 for option, value in wanted.items()])
