"""Memory: the C library's allocator told to keep its free memory in few places.

glibc gives threads arenas of their own and never moves what is free from one to another. With some forty
threads that come and go with pages, and pictures of many megabytes, what is free and kept grows and grows;
nor does it hand back by itself what a segmentation or a sharp picture leaves behind.
"""

from __future__ import annotations

import ctypes
import sys

M_ARENA_MAX = -8  # of malloc.h
ARENAS = 2


def keep_memory_together() -> None:
    """Limit the arenas, where the C library is one that has them."""
    _ask("mallopt", M_ARENA_MAX, ARENAS)


def hand_back_memory() -> None:
    """Give the system what is free, where the C library is one that keeps it; some milliseconds."""
    _ask("malloc_trim", 0)


def _ask(function: str, *arguments: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    try:
        getattr(ctypes.CDLL(None), function)(*arguments)
    except (OSError, AttributeError):  # another C library, such as musl
        return
