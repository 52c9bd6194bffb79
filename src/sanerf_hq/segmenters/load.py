"""From ``--segmenter``'s and ``--detector``'s words to what answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from sanerf_hq.choices import DETECTORS, SEGMENTERS
from sanerf_hq.errors import InputError
from sanerf_hq.scene import Scene
from sanerf_hq.segmenters.damaged import load_damaged
from sanerf_hq.segmenters.detection import Detector
from sanerf_hq.segmenters.grabcut import GrabCut
from sanerf_hq.segmenters.grounding_dino import load_grounding_dino
from sanerf_hq.segmenters.masks import MaskFolder, load_mask_folder, truth
from sanerf_hq.segmenters.protocol import Segmenter
from sanerf_hq.segmenters.sam import load_sam
from sanerf_hq.segmenters.sam2 import load_sam2
from sanerf_hq.segmenters.sam_hq import load_sam_hq

_PRETRAINED: dict[str, Callable[[str, str], Segmenter]] = {
    "sam": load_sam,
    "sam_hq": load_sam_hq,
    "sam2": load_sam2,
}


def load_segmenter(spec: str, scene: Scene | None = None, device: str = "cpu") -> Segmenter | MaskFolder:
    """What answers to a spec, one of :data:`~sanerf_hq.choices.SEGMENTERS`.

    Args:
        spec: A kind and, after a colon, which weights or which folder.
        scene: The scene whose views are to be labelled; ``masks`` and ``truth`` need it.
        device: Where models compute, in torch's words.

    Returns:
        A segmenter to be prompted, or labels of the training views.

    Raises:
        InputError: No such segmenter, or what it needs is missing or broken; the sentence says what to do.
    """
    kind, colon, where = spec.partition(":")
    if colon and not where:
        raise InputError(f"segmenter {spec!r} ends with a colon; say what comes after it, or leave it out")
    if kind == "compact":
        from sanerf_hq.segmenters.compact.segmenter import load_compact

        return load_compact(where, _checked_device(device))
    if kind in _PRETRAINED:
        return _PRETRAINED[kind](where, _checked_device(device))
    if spec == "grabcut":
        return GrabCut()
    if spec == "truth":
        return truth(_needed(scene, spec))
    if kind == "masks" and where:
        return load_mask_folder(Path(where).expanduser(), _needed(scene, spec))
    if kind == "damaged" and where:
        return load_damaged(spec, _needed(scene, spec))
    raise InputError(f"there is no segmenter {spec!r}; choose one of {', '.join(SEGMENTERS)}")


def load_detector(spec: str, device: str = "cpu") -> Detector:
    """What answers to a spec, one of :data:`~sanerf_hq.choices.DETECTORS`.

    Args:
        spec: A kind and, after a colon, which weights.
        device: Where it computes, in torch's words.

    Raises:
        InputError: No such detector, or its weights are missing or broken; the sentence says what to do.
    """
    kind, colon, where = spec.partition(":")
    if kind != "grounding_dino" or (colon and not where):
        raise InputError(f"there is no detector {spec!r}; choose one of {', '.join(DETECTORS)}")
    return load_grounding_dino(where, _checked_device(device))


def _needed(scene: Scene | None, spec: str) -> Scene:
    if scene is None:
        raise InputError(f"segmenter {spec} labels the views of a scene; open the scene first")
    return scene


def _checked_device(device: str) -> str:
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(f"device {device!r} cannot be used here; choose cpu") from error
    return device
