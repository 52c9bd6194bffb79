"""Scratch: a folder of one session's own, where object fields are trained; it holds the one trained last."""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sanerf_hq.errors import InputError
from sanerf_hq.objects import ObjectField
from sanerf_hq.runs import Run


class Scratch:
    """A folder for one field at a time. It is deleted by ``remove``, or when the program ends."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sanerf-view-"))
        self.remove = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self._held: ObjectField | None = None
        self._copying = threading.Lock()

    def refill(self, train: Callable[[Path], ObjectField]) -> ObjectField:
        """Train another field there, once what it holds is copied by nobody.

        Args:
            train: Trains it in the folder that it is given.
        """
        with self._copying:
            self._held = None
        found = train(self.folder)
        self._held = found
        return found

    def holds(self, field: ObjectField | None) -> bool:
        """Whether that very field lies there."""
        return field is not None and self._held is field

    @contextmanager
    def kept(self, field: ObjectField) -> Iterator[Run]:
        """The run in the folder, which stays as it is as long as this lasts.

        Raises:
            InputError: It holds another field by now.
        """
        with self._copying:
            if not self.holds(field):
                raise InputError("the objects were changed while they were saved; save again")
            yield Run.open(self.folder)
