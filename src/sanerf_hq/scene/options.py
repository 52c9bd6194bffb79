"""Options: how a scene is opened, kept with a run so that later verbs open it in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from sanerf_hq.errors import InputError

Format = Literal["nerfstudio", "blender", "colmap", "mip360", "lerf", "llff"]
FORMATS: tuple[Format, ...] = get_args(Format)
PAPER_SPLIT = "sanerf-hq"


@dataclass(frozen=True)
class SceneOptions:
    """What is not found by looking, or shall be otherwise than it is found."""

    format: Format | None = None
    """Format of the folder; None: found by looking."""
    split: str | None = None
    """Which views are tested on: ``file`` (as the scene's own files say), ``every:N``, ``list:FILE`` or
    ``sanerf-hq``; None: as the format's papers do it."""
    images: str | None = None
    """Folder of the photos in the scene's folder, such as ``images_4``; None: ``images``, or the largest."""
    truth: Path | None = None
    """Folder that holds ``SCENE/OBJECT/VIEW_mask.png``; None: the one that the scene's folder lies in."""

    def to_words(self) -> dict[str, str]:
        """What was chosen, as JSON holds it."""
        chosen = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: str(value) for name, value in chosen.items() if value is not None}

    @staticmethod
    def from_words(words: Mapping[str, str]) -> SceneOptions:
        """The inverse of :meth:`to_words`.

        Raises:
            InputError: A word is unknown: it was written by another version.
        """
        known = {field.name for field in fields(SceneOptions)}
        for name in words:
            if name not in known:
                raise InputError(f"scene option {name!r} is unknown; use the version that wrote it")
        format, truth = words.get("format"), words.get("truth")
        return SceneOptions(
            None if format is None else check_format(format),
            words.get("split"),
            words.get("images"),
            None if truth is None else Path(truth),
        )


def check_format(name: str) -> Format:
    """A format's name.

    Raises:
        InputError: There is no such format.
    """
    for known in FORMATS:
        if name == known:
            return known
    raise InputError(f"scene format {name!r} is none of {', '.join(FORMATS)}; choose one of them")
