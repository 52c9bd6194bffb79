"""Screen: all that a session knows of its page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float, UInt8
from torch import Tensor

from sanerf_hq.runs import Progress
from sanerf_hq.viewer.frames import Frame

WORDS = {
    "masks": "finding masks",
    "surfaces": "reading samples",
    "everything": "looking at views",
    "text": "looking at views",
}


@dataclass(frozen=True)
class Status:
    """What the page says of the work.

    Attributes:
        text: A sentence.
        share: How far it is, in [0, 1]; None where nothing goes on.
        is_error: Whether it failed.
    """

    text: str
    share: float | None = None
    is_error: bool = False


@runtime_checkable
class Screen(Protocol):
    """What a session tells its page; called from its threads."""

    def picture(self, pixels: UInt8[Tensor, "h w 3"], depth: Float[Tensor, "h w"], frame: Frame) -> None:
        """A picture to be shown."""
        ...

    def status(self, status: Status) -> None:
        """How the work goes."""
        ...

    def changed(self) -> None:
        """The state, the look or what is saved is another."""
        ...


def words_for(progress: Progress) -> str:
    """What is being done, in the page's words."""
    stage = progress.stage
    training = "training" if stage.startswith("segmentations/") else stage
    return progress.message or WORDS.get(stage, training)
