"""Aside: results that grow while they are made, under a name that nobody looks for until they are whole.

A video is written by another program and a folder file by file, so neither fits into one call of
:func:`sanerf_hq.runs.write_bytes`. Both are made beside their place and moved there in the end; what fails or
is stopped is taken away again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from sanerf_hq.errors import InputError

DISK_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


@contextlib.contextmanager
def file_aside(path: Path) -> Iterator[Path]:
    """Within it, a path of the same suffix to write to; at its end that file replaces ``path``.

    Raises:
        InputError: The folder cannot be written, the disk is full, or ``path`` is a folder. What was at
            ``path`` is then still there.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a file's name")
    with _beside(path) as folder:
        temporary = folder / f"part{path.suffix}"
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
    with _beside(path) as folder:
        temporary = folder / "part"
        temporary.mkdir()
        yield temporary
        if path.is_dir():
            path.rmdir()  # an empty one: some systems do not rename over it
        temporary.replace(path)


def check_free(path: Path) -> None:
    """Refuse a place for a new folder that is taken.

    Raises:
        InputError: It is a file, or a folder that holds something.
    """
    if path.is_dir():
        if any(path.iterdir()):
            raise InputError(f"{path} is not empty; choose a new or an empty folder")
    elif path.exists():
        raise InputError(f"{path} is a file; choose a new or an empty folder")


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A folder beside ``path`` that is gone afterwards, whatever happens."""
    folder = path.parent / f".tmp-{os.getpid()}-{secrets.token_hex(8)}"
    try:
        folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        if error.errno in DISK_FULL:
            raise InputError(f"{path} cannot be written, the disk is full: free some space") from error
        reason = error.strerror or str(error)
        raise InputError(f"{path} cannot be written ({reason}): choose another place") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
