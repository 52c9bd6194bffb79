"""Memory: the C library's allocator told to keep its free memory in few places.

glibc gives threads arenas of their own and never moves what is free from one to another. With some forty
threads that come and go with pages, and pictures of many megabytes, what is free and kept grows and grows.
"""

from __future__ import annotations

import ctypes
import sys

M_ARENA_MAX = -8  # of malloc.h
ARENAS = 2


def keep_memory_together() -> None:
    """Limit the arenas, where the C library is one that has them."""
    if not sys.platform.startswith("linux"):
        return
    try:
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)
    except (OSError, AttributeError):  # another C library, such as musl
        return
