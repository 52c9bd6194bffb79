"""Aside: results that grow while they are made, under a name that nobody looks for until they are whole.

A video is written by another program and a folder file by file, so neither fits into one call of
:func:`sanerf_hq.runs.write_bytes`. Both are made beside their place and moved there in the end; what fails or
is stopped is taken away again. A folder that is there already, and empty, may be one that cannot be replaced
(the one we are in, a link, a place where a disk is mounted): what is made for it is made within.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from sanerf_hq.errors import InputError
from sanerf_hq.runs.files import DISK_FULL, is_left, is_temporary

LEFT_SECONDS = 24 * 3600.0  # a process that is not there may run on another machine, for no longer than this


@contextlib.contextmanager
def file_aside(path: Path) -> Iterator[Path]:
    """Within it, a path of the same suffix to write to; at its end that file replaces ``path``.

    Raises:
        InputError: The folder cannot be written, the disk is full, or ``path`` is a folder. What was at
            ``path`` is then still there.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a file's name")
    with _within(path.parent, path, f"part{path.suffix}") as temporary:
        yield temporary
        temporary.replace(path)


@contextlib.contextmanager
def folder_aside(path: Path) -> Iterator[Path]:
    """Within it, an empty folder to fill; at its end it becomes ``path``.

    Raises:
        InputError: There is something at ``path`` already (an empty folder will do), the place cannot be
            written, or the disk is full. What was at ``path`` is then as it was.
    """
    check_free(path)
    there = path.is_dir()
    with _within(path if there else path.parent, path, "part") as temporary:
        temporary.mkdir()
        yield temporary
        if not there:
            temporary.replace(path)
            return
        for item in list(temporary.iterdir()):
            item.replace(path / item.name)


def check_free(path: Path) -> None:
    """Refuse a place for a new folder that is taken.

    Raises:
        InputError: It is a file, or a folder that holds something.
    """
    if path.is_dir():
        if not all(is_temporary(item.name) for item in path.iterdir()):
            raise InputError(f"{path} is not empty; choose a new or an empty folder")
    elif path.exists() or path.is_symlink():
        raise InputError(f"{path} is a file; choose a new or an empty folder")


@contextlib.contextmanager
def _within(place: Path, path: Path, name: str) -> Iterator[Path]:
    """A name in a new folder in ``place``, for what becomes ``path``; afterwards the folder is gone."""
    folder = place / f".tmp-{os.getpid()}-{secrets.token_hex(8)}"
    temporary = folder / name
    try:
        _sweep(place)
        folder.mkdir(parents=True)
        yield temporary
    except OSError as error:
        if error.errno in DISK_FULL:
            raise InputError(f"{path} cannot be written, the disk is full: free some space") from error
        reason = error.strerror or str(error)
        raise InputError(f"{path} cannot be written ({reason}): choose another place") from error
    except InputError as error:  # of one who writes files and knows no other name
        if str(temporary) not in str(error):
            raise
        raise InputError(str(error).replace(str(temporary), str(path))) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(place: Path) -> None:
    """Remove what killed processes left in a folder a while ago."""
    with contextlib.suppress(OSError):  # there is no such folder, or it is not ours to look at
        for item in list(place.iterdir()):
            old = is_temporary(item.name) and time.time() - item.stat().st_mtime > LEFT_SECONDS
            if old and item.is_dir() and not item.is_symlink() and is_left(item):
                shutil.rmtree(item, ignore_errors=True)
