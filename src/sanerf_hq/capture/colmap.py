"""COLMAP through pycolmap: imported when needed, quiet, on the CPU, seeded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sanerf_hq.errors import InputError
from sanerf_hq.runs.interrupts import restore_sigterm

FATAL_ONLY = 3  # glog's severity: what goes wrong is raised or returned as well


def load_pycolmap() -> Any:
    """The module; untyped, since its stubs do not cover its options.

    Raises:
        InputError: It is not installed.
    """
    known = "pycolmap" in sys.modules
    try:
        import pycolmap
    except ImportError:
        raise InputError(
            "pycolmap, which finds where photos were taken from, is not installed: "
            "pip install 'sanerf-hq[sfm]'"
        ) from None
    if not known:
        restore_sigterm()  # it would print a crash
    return pycolmap


@contextmanager
def quiet_pycolmap(seed: int, database: Path) -> Iterator[Any]:
    """The module with its random numbers seeded and its log silenced.

    Args:
        seed: Where its chance comes from.
        database: What it works on, to name where it fails.

    Raises:
        InputError: It is not installed, or could not do what was asked: most often the disk is full.
    """
    pycolmap = load_pycolmap()
    before = pycolmap.logging.minloglevel
    pycolmap.logging.minloglevel = FATAL_ONLY
    pycolmap.set_random_seed(seed)
    try:
        yield pycolmap
    except RuntimeError as error:  # COLMAP's only kind, whatever went wrong
        said = " ".join(str(error).split())[:200]
        raise InputError(
            f"COLMAP failed at {database} ({said}): if the disk is full free some space, and run again"
        ) from error
    finally:
        pycolmap.logging.minloglevel = before


def n_threads(threads: int) -> int:
    """COLMAP's word for a number of threads, of which 0 are all."""
    return threads or -1
