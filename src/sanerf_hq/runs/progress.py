"""Progress: what every long call tells its caller, and how the caller stops it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Progress:
    """How far a stage has come.

    Attributes:
        stage: Name of the stage.
        done: Steps done, 0 to ``total``.
        total: Steps in all, those done before a resume included.
        metrics: Latest measurements by name, such as ``psnr``; may be empty.
        message: A few words for a person, or "".
    """

    stage: str
    done: int
    total: int
    metrics: dict[str, float] = field(default_factory=dict)
    message: str = ""


ProgressCallback = Callable[[Progress], None]
"""Called from the working thread, often; raises :class:`sanerf_hq.errors.Cancelled` to stop the work."""


def quiet(progress: Progress) -> None:
    """The callback that says nothing."""
