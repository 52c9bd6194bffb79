"""Model folders: find the weights that a name means, check them, load them. Only safetensors is read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sanerf_hq.errors import InputError
from sanerf_hq.segmenters.hub import CONFIG, cached_folder, fetched_folder, first_line, weight_files
from sanerf_hq.segmenters.weights import KINDS, WEIGHTS, Kind, called, published

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    Model = TypeVar("Model", bound=PreTrainedModel)

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
# The hub's weights of SAM 2 are the video model's, and so says their configuration; the image model is a
# part of it.
_TYPES: dict[Kind, tuple[str, ...]] = {
    "sam": ("sam",),
    "sam_hq": ("sam_hq",),
    "sam2": ("sam2", "sam2_video"),
    "grounding_dino": ("grounding-dino",),
}
_SIDE = 1024  # where a configuration does not say
_SHORTER_SIDE = 800  # of what detectors are shown


@dataclass(frozen=True)
class ModelFolder:
    """Weights on this machine.

    Attributes:
        path: Folder with ``config.json`` and safetensors.
        asked: What the user called it.
        side: Side of the model's square input, pixels; of a detector's input the shorter side.
    """

    path: Path
    asked: str
    side: int

    def digest(self) -> str:
        """16 hexadecimal digits that stand for the bytes of the configuration and of the weights."""
        digest = hashlib.blake2b(digest_size=8)
        for file in [self.path / CONFIG, *weight_files(self.path)]:
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "blake2b").digest())
        return digest.hexdigest()


def find_model_folder(kind: Kind, where: str) -> ModelFolder:
    """The folder that holds the weights ``kind:where``.

    What is in the cache is used without asking the network; otherwise it is downloaded, unless
    ``HF_HUB_OFFLINE`` forbids.

    Args:
        kind: The segmenter or detector that is to read them.
        where: A folder, a hub id, a size of :data:`~sanerf_hq.segmenters.weights.WEIGHTS`, or "".

    Raises:
        InputError: No such folder, not in the cache and not to be had, or not of this kind.
    """
    asked = f"{kind}:{where}" if where else kind
    listed = published(kind, where)
    if listed is None and Path(where).expanduser().is_dir():
        path = Path(where).expanduser()
    elif _HUB_ID.fullmatch(where) and Path(where).parent.is_dir() and not (listed or cached_folder(where)):
        raise InputError(
            f"{called(asked)}: {Path(where).parent} holds no folder {Path(where).name}; check the path, or, "
            "if the hub's model of that name is meant, fetch it from another folder"
        )
    elif listed is not None or _HUB_ID.fullmatch(where):
        path = fetched_folder(listed.hub_id if listed else where, called(asked))
    else:
        known = ", ".join(weights.spec for weights in WEIGHTS if weights.kind == kind)
        raise InputError(
            f"{called(asked)}: {where} is no folder and no hub id; check the path, or say one of {known}"
        )
    return ModelFolder(path, asked, _checked_side(path, kind, asked))


def load_model(folder: ModelFolder, model_class: type[Model], device: str) -> Model:
    """The model in a folder, with all its weights, in single precision and not to be trained.

    Raises:
        InputError: The configuration or the weights are damaged, or do not belong together.
    """
    import torch

    try:
        with _quietly():
            loaded: Any = model_class.from_pretrained(
                folder.path,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except Exception as error:  # whatever a broken file makes the library raise, the folder is at fault
        raise InputError(
            f"{called(folder.asked)}: {folder.path} cannot be loaded "
            f"({type(error).__name__}: {first_line(error)}); get a whole copy of it"
        ) from error
    model, report = loaded
    missing = sorted(report["missing_keys"]) + sorted(str(key) for key in report["mismatched_keys"])
    if missing:
        raise InputError(
            f"{called(folder.asked)}: the weights in {folder.path} lack {missing[0]} "
            f"({len(missing)} in all); get a whole copy of it"
        )
    return model.eval().requires_grad_(False).to(device)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the library's bar (loading takes a moment) and its tables of what is missing (we say it)."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _checked_side(path: Path, kind: Kind, asked: str) -> int:
    """Refuse what is no such model; the side of its input."""
    what = f"{called(asked)}: {path}"
    try:
        config: Any = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{what} has no readable {CONFIG}; give a folder that save_pretrained wrote"
        ) from error
    found = config.get("model_type") if isinstance(config, dict) else None
    if found not in _TYPES[kind]:
        other = next((name for name in KINDS if found in _TYPES[name]), None)
        hint = f" (say {other}:… for it)" if other else ""
        raise InputError(f"{what} holds a model of type {found!r}, not {kind!r}; choose another{hint}")
    sides = _sides(config, kind)
    side = sides[0]
    if not isinstance(side, int) or side < 1 or any(other != side for other in sides):
        raise InputError(f"{what} has no one square image_size in its {CONFIG}; choose another model")
    if not weight_files(path):
        raise InputError(f"{what} holds no .safetensors file; save the model with save_pretrained")
    return side


def _sides(config: dict[str, Any], kind: Kind) -> list[object]:
    """Every statement in a configuration of how large the square is, each of which has to be the same."""
    if kind == "grounding_dino":  # pictures of any shape
        return [_SHORTER_SIDE]
    vision = _part(config, "vision_config")
    sides: list[object] = [_part(config, "prompt_encoder_config").get("image_size", _SIDE)]
    if kind != "sam2":
        return [*sides, vision.get("image_size", _SIDE)]
    image = _part(vision, "backbone_config").get("image_size") or [_SIDE, _SIDE]
    sides += image if isinstance(image, list) else [image]
    maps = vision.get("backbone_feature_sizes") or [[_SIDE // scale] * 2 for scale in (4, 8, 16)]
    try:
        sides += [scale * n for scale, size in zip((4, 8, 16), maps, strict=True) for n in size]
    except (TypeError, ValueError):
        sides.append(None)
    return sides


def _part(config: dict[str, Any], name: str) -> dict[str, Any]:
    part = config.get(name)
    return part if isinstance(part, dict) else {}
