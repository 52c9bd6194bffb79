"""COLMAP through pycolmap: imported when needed, quiet, on the CPU, seeded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sanerf_hq.errors import InputError

FATAL_ONLY = 3  # glog's severity: what goes wrong is raised or returned as well


def load_pycolmap() -> Any:
    """The module; untyped, since its stubs do not cover its options.

    Raises:
        InputError: It is not installed.
    """
    try:
        import pycolmap
    except ImportError:
        raise InputError(
            "pycolmap, which finds where photos were taken from, is not installed: "
            "pip install 'sanerf-hq[sfm]'"
        ) from None
    return pycolmap


@contextmanager
def quiet_pycolmap(seed: int) -> Iterator[Any]:
    """The module with its random numbers seeded and its log silenced.

    Raises:
        InputError: It is not installed.
    """
    pycolmap = load_pycolmap()
    before = pycolmap.logging.minloglevel
    pycolmap.logging.minloglevel = FATAL_ONLY
    pycolmap.set_random_seed(seed)
    try:
        yield pycolmap
    finally:
        pycolmap.logging.minloglevel = before


def n_threads(threads: int) -> int:
    """COLMAP's word for a number of threads, of which 0 are all."""
    return threads or -1
