"""Binary files from strangers: numbers taken one after the other, never beyond the end."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from types import TracebackType
from typing import Any

from sanerf_hq.errors import InputError

LONGEST_TEXT = 4096


class BinaryFile:
    """A file that is read from its start.

    Args:
        path: The file.
        remedy: What to do about a broken one, to end the sentence with.

    Raises:
        InputError: It cannot be opened; and of every method, that the file ends before what it claims.
    """

    def __init__(self, path: Path, remedy: str) -> None:
        self._path, self._remedy = path, remedy
        try:
            self._file = path.open("rb")
            self._size = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); check its permissions") from error

    def __enter__(self) -> BinaryFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def take(self, form: str) -> tuple[Any, ...]:
        """The next numbers, in :mod:`struct`'s words."""
        size = struct.calcsize(form)
        content = self._file.read(size)
        if len(content) < size:
            raise self._ends_early()
        return struct.unpack(form, content)

    def count(self, least_bytes: int) -> int:
        """A 64-bit number of entries of at least so many bytes each, which the rest of the file can hold."""
        (number,) = self.take("<Q")
        if number * least_bytes > self._left():
            raise InputError(
                f"{self._path} claims {number} entries, more than it holds: it is truncated or damaged; "
                f"{self._remedy}"
            )
        return number

    def text(self) -> str:
        """Characters up to a zero byte."""
        parts = bytearray()
        while (byte := self._file.read(1)) != b"\0":
            if not byte:
                raise self._ends_early()
            parts += byte
            if len(parts) > LONGEST_TEXT:
                raise InputError(
                    f"{self._path} holds a name of more than {LONGEST_TEXT} bytes; {self._remedy}"
                )
        try:
            return parts.decode()
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self._path} holds a name that is no UTF-8; rename the images and {self._remedy}"
            ) from error

    def skip(self, n_bytes: int) -> None:
        """Pass over bytes."""
        if n_bytes > self._left():
            raise self._ends_early()
        self._file.seek(n_bytes, os.SEEK_CUR)

    def _left(self) -> int:
        return self._size - self._file.tell()

    def _ends_early(self) -> InputError:
        return InputError(f"{self._path} ends too early: it is truncated; {self._remedy}")
