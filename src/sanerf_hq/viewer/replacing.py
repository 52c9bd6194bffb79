"""Replacing: a segmentation that is put together aside, and takes its place when it is whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sanerf_hq.errors import InputError
from sanerf_hq.runs import Run

ASIDE, BEFORE = ".aside", ".before"  # names that begin with a dot are no segmentation's


@contextmanager
def replaced(run: Run, name: str) -> Iterator[Path]:
    """Within it, the path of a folder to make; at its end that is the segmentation. The old exports stay.

    Only for who holds the run's lock. The new one's stages are left to mark.

    Args:
        run: The run.
        name: The segmentation's name.

    Raises:
        InputError: The name is no folder name, the disk is full, or the run cannot be written. What was under
            that name is then as it was.
    """
    place = run.segmentation(name)
    aside, before = run.segmentations / ASIDE, run.segmentations / BEFORE
    for left in (aside, before):  # by a program that was killed
        shutil.rmtree(left, ignore_errors=True)
    try:
        run.segmentations.mkdir(exist_ok=True)
        yield aside
        if place.folder.exists():
            place.folder.rename(before)
        try:
            run.remove_segmentation(name)  # its stages: the folder stands aside
            aside.rename(place.folder)
        except BaseException:
            if before.exists():
                before.rename(place.folder)
            raise
        if (before / place.exports.name).exists():
            (before / place.exports.name).rename(place.exports)
    except OSError as error:
        raise InputError(f"{place.folder} cannot be written ({_reason(error)}); make room there") from error
    finally:
        for left in (aside, before):
            shutil.rmtree(left, ignore_errors=True)


def _reason(error: OSError) -> str:
    """Why, in the system's words; ``shutil`` gathers what happened to several files."""
    if isinstance(error, shutil.Error):
        return str(error.args[0][0][-1])
    return error.strerror or str(error)
