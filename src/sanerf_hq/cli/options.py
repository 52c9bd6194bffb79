"""Options that several verbs share, and checks of them, each an error that names the option."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from sanerf_hq.choices import DETECTORS, SEGMENTERS
from sanerf_hq.errors import InputError

if TYPE_CHECKING:
    from sanerf_hq.scene import SceneOptions

Device = Literal["cpu", "cuda"]
SegmenterWords = Annotated[
    str,
    tyro.conf.arg(
        metavar="S",
        help=f"What turns prompts into masks: {', '.join(SEGMENTERS)}. Those that have to be downloaded: "
        "sanerf weights list.",
    ),
]
DetectorWords = Annotated[
    str | None,
    tyro.conf.arg(
        metavar="D",
        help=f"What finds the words of --text in photos: {', '.join(DETECTORS)}. If not given the first; "
        "it has to be downloaded once: sanerf weights list.",
    ),
]
TimeWords = Annotated[
    float | None,
    tyro.conf.arg(metavar="T", help="In a scene that moves: when, from 0 to 1."),
]
SceneFormat = Literal["nerfstudio", "blender", "colmap", "mip360", "lerf", "llff"]


@dataclass(frozen=True)
class SceneWords:
    """How a scene's folder is read; a run remembers it."""

    format: SceneFormat | None = None
    """Format of the scene's folder; found by looking if not given."""
    split: Annotated[str | None, tyro.conf.arg(metavar="file|every:N|list:FILE|sanerf-hq")] = None
    """Test views: as the scene's own files say, every N-th by name, those named in a text file, or those of
    SANeRF-HQ's benchmark with its prompts. If not given: as papers on the format's data sets do."""
    images: Annotated[str | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Folder of the photos inside the scene's folder, such as images_4; images if not given."""
    truth: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of SANeRF-HQ's masks, SCENE/OBJECT/VIEW_mask.png in it; if not given: the folder that the
    scene's folder lies in."""

    def options(self) -> SceneOptions:
        """The words as the library takes them."""
        from sanerf_hq.scene import SceneOptions

        return SceneOptions(self.format, self.split, self.images, self.truth)


def check_at_least(option: str, value: int | None, least: int) -> None:
    """Refuse a number that is too small; None is an option that was not given.

    Raises:
        InputError: ``value`` is below ``least``.
    """
    if value is not None and value < least:
        raise InputError(f"{option} is {value}; give {least} or more")


def check_device(device: Device) -> None:
    """Refuse a GPU that is not there.

    Raises:
        InputError: CUDA is asked for and torch sees no such device.
    """
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise InputError("--device cuda: torch finds no CUDA device here; say --device cpu")
