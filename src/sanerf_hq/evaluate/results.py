"""Results: what a benchmark measured, and its ``metrics.json``.

What was not measured is None here and null in the file: never 0, never left out, never NaN. Fractions are in
[0, 1], times in seconds, memory in MB of 10⁶ bytes, PSNR in dB.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class ObjectResult:
    """One object's scores over its scene's test views; any of them None if not measured.

    Attributes:
        name: As the scene names it.
        iou: Of the 3D mask, pooled over the views.
        accuracy: Share of right pixels.
        boundary_iou: Boundary IoU, band of 2 % of the diagonal.
        boundary_iou_3px: Boundary IoU, band of 3 pixels.
        mean_view_iou: Mean of the views' own IoU.
        iou_2d: The segmenter alone on the test photos, same prompts projected.
        iou_2d_prompted: The same over the views that see a positive point.
        iou_preview: Of the preview's mask.
        seconds_preview: From the prompt to the preview's mask.
        seconds_refine: From the prompt to the final field.
    """

    name: str
    iou: float | None = None
    accuracy: float | None = None
    boundary_iou: float | None = None
    boundary_iou_3px: float | None = None
    mean_view_iou: float | None = None
    iou_2d: float | None = None
    iou_2d_prompted: float | None = None
    iou_preview: float | None = None
    seconds_preview: float | None = None
    seconds_refine: float | None = None

    def __post_init__(self) -> None:
        for key in _OBJECT_SCORES:
            fraction = not key.startswith("seconds")
            _check_number(getattr(self, key), f"{key} of {self.name!r}", 0.0, 1.0 if fraction else math.inf)

    def to_json(self) -> dict[str, Any]:
        """The object's part of ``metrics.json``."""
        return {"name": self.name} | {key: _plain(getattr(self, key)) for key in _OBJECT_SCORES}


_OBJECT_SCORES = tuple(field.name for field in fields(ObjectResult) if field.name != "name")


@dataclass(frozen=True)
class SceneResult:
    """One scene's scores; any number None if not measured.

    Attributes:
        name: The scene's name.
        psnr: Over the test views.
        psnr_object: Over the test views' pixels that the truth gives to any object.
        train_seconds: From opening the scene to surface samples ready.
        peak_memory_mb: Largest resident set.
        objects: Empty for a scene that names none.
    """

    name: str
    psnr: float | None = None
    psnr_object: float | None = None
    train_seconds: float | None = None
    peak_memory_mb: float | None = None
    objects: tuple[ObjectResult, ...] = ()

    def __post_init__(self) -> None:
        for key in _SCENE_SCORES:
            lowest = -math.inf if key.startswith("psnr") else 0.0
            _check_number(getattr(self, key), f"{key} of {self.name!r}", lowest, math.inf)

    def to_json(self) -> dict[str, Any]:
        """The scene's part of ``metrics.json``."""
        scores = {key: _plain(getattr(self, key)) for key in _SCENE_SCORES}
        return {"name": self.name} | scores | {"objects": [item.to_json() for item in self.objects]}


_SCENE_SCORES = ("psnr", "psnr_object", "train_seconds", "peak_memory_mb")


@dataclass(frozen=True)
class BenchResult:
    """All that one ``sanerf bench`` measured.

    Attributes:
        segmenter: Name as given to ``--segmenter``.
        preset: Name of the preset.
        seed: Seed of every random draw.
        clicks: Positive clicks an object; None: prompted with its box, or, of segmentations that were there
            before (``sanerf eval``), not known.
        commit: Source the program came from, see :func:`sanerf_hq.evaluate.commit.commit`; None if not known.
        version: The program's version.
        device: What it ran on.
        scenes: In the order they were given.
    """

    segmenter: str
    preset: str
    seed: int
    clicks: int | None
    commit: str | None
    version: str
    device: str
    scenes: tuple[SceneResult, ...] = ()

    @property
    def objects(self) -> tuple[ObjectResult, ...]:
        """All objects of all scenes."""
        return tuple(item for scene in self.scenes for item in scene.objects)

    @property
    def miou(self) -> float | None:
        """Mean IoU over all objects of all scenes that have one; None if none has."""
        return mean(item.iou for item in self.objects)

    @property
    def macc(self) -> float | None:
        """Mean accuracy, as :attr:`miou`."""
        return mean(item.accuracy for item in self.objects)

    @property
    def mbiou(self) -> float | None:
        """Mean Boundary IoU, as :attr:`miou`."""
        return mean(item.boundary_iou for item in self.objects)

    def to_json(self) -> dict[str, Any]:
        """``metrics.json`` as design.md's contract has it, in plain values that ``json.dumps`` takes."""
        return {
            "segmenter": self.segmenter,
            "preset": self.preset,
            "seed": self.seed,
            "clicks": self.clicks,
            "commit": self.commit,
            "version": self.version,
            "device": self.device,
            "scenes": [scene.to_json() for scene in self.scenes],
            "miou": self.miou,
            "macc": self.macc,
            "mbiou": self.mbiou,
        }


def mean(values: Iterable[float | None]) -> float | None:
    """Plain mean of those that were measured; None if none was."""
    measured = [float(value) for value in values if value is not None]
    return math.fsum(measured) / len(measured) if measured else None


def _plain(value: float | None) -> float | None:
    return None if value is None else float(value)  # NumPy's float64 passes as a float but is none to JSON


def _check_number(value: float | None, what: str, lowest: float, highest: float) -> None:
    if value is not None and not (math.isfinite(value) and lowest <= value <= highest):
        raise ValueError(f"{what} is {value}, which is no measurement; None means not measured")
