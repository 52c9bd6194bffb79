"""Painting: a view's truth in the making: what is painted, with which ids, and what it is to replace."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Int32
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.runs import check_name
from sanerf_hq.scene import Scene, View
from sanerf_hq.viewer.paint import Canvas
from sanerf_hq.viewer.truth import image_of, mark_of, read_truth, write_truth

# Between two pages: what the one found there must not be written over by the other.
_WRITING = threading.Lock()


@dataclass(frozen=True, eq=False)
class Painting:
    """A view that is painted; it outlives the page that it was begun in.

    Attributes:
        canvas: The view.
        names: Of the ids that are painted with.
        folder: Where it was begun, or saved last.
        mark: Of what that folder held of the view then.
        kept: The labels as they were begun with, or saved last.
        least: The least id for an object that has none yet.
    """

    canvas: Canvas
    names: Mapping[int, str]
    folder: Path
    mark: str
    kept: Int32[Tensor, "h w"]
    least: int

    @staticmethod
    def begun(folder: Path, scene: Scene, view: View) -> Painting:
        """Begin with what a folder holds of a view.

        Raises:
            InputError: As for :func:`read_truth`.
        """
        truth = read_truth(folder, scene, view)
        least = max([*truth.names, int(truth.labels.max())]) + 1  # an id without a name is somebody's as well
        return Painting(Canvas(view, truth.labels), truth.names, folder, truth.mark, truth.labels, least)

    @property
    def view(self) -> View:
        return self.canvas.view

    @property
    def path(self) -> Path:
        """The image that it was begun from, or saved as."""
        return self.folder / image_of(self.view)

    @property
    def is_saved(self) -> bool:
        """Whether nothing was painted since it was begun or saved."""
        return torch.equal(self.canvas.labels, self.kept)

    def identity(self, name: str) -> int | None:
        """The id of an object; None: it has none yet."""
        return next((one for one, known in self.names.items() if known == name), None)

    def with_name(self, name: str) -> Painting:
        """With an id for an object.

        Raises:
            InputError: The name is none, or looks like that of another object.
        """
        if self.identity(name) is not None:
            return self
        names = {**self.names, self.least: check_name(name, self.names.values())}
        return replace(self, names=names, least=self.least + 1)

    def saved(self, folder: Path, scene: Scene) -> Painting:
        """Write it as truth.

        Raises:
            InputError: The folder holds other truth of the view than it was begun with, or cannot be written.
        """
        with _WRITING:
            if folder != self.folder and mark_of(folder, self.view):
                raise InputError(
                    f"{folder} holds truth of {self.view.name} already; "
                    "end painting, and begin again to mend it"
                )
            if folder == self.folder and mark_of(folder, self.view) != self.mark:
                raise InputError(
                    f"{self.path} was painted elsewhere in the meantime; save to another folder, "
                    "or end painting, and begin again with what is there"
                )
            write_truth(folder, scene, self.view, self.canvas.labels, self.names)
            return replace(self, folder=folder, mark=mark_of(folder, self.view), kept=self.canvas.labels)


def plain(name: str) -> str:
    """A name as it is compared and written.

    Raises:
        InputError: There is none.
    """
    found = unicodedata.normalize("NFC", name.strip())
    if not found:
        raise InputError("name the object that you paint")
    return found
