"""Checkpoints: the state of a loop on disk, trusted only when it is whole and of the same configuration."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.runs.files import read_tensors, write_tensors

CHECKPOINT_FILE = "checkpoint.safetensors"
_FORMAT = "1"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """A loop between two steps.

    Attributes:
        tensors: The state, as the loop's ``save`` gave it; on the CPU.
        step: Steps done.
        seconds: Time they took, over all resumes.
    """

    tensors: dict[str, Tensor]
    step: int
    seconds: float


def write_checkpoint(folder: Path, owner: Mapping[str, str], checkpoint: Checkpoint) -> None:
    """Replace the folder's checkpoint.

    Args:
        folder: Where it lies.
        owner: What it belongs to (stage, seed, configuration): read back only by an equal owner.
        checkpoint: What to keep.
    """
    words = dict(owner) | {
        "format": _FORMAT,
        "step": str(checkpoint.step),
        "seconds": repr(checkpoint.seconds),
    }
    write_tensors(folder / CHECKPOINT_FILE, checkpoint.tensors, words)


def read_checkpoint(folder: Path, owner: Mapping[str, str], steps: int) -> Checkpoint | None:
    """The folder's checkpoint; None where there is none that can be gone on from, and the log says why.

    Args:
        folder: Where it lies.
        owner: What it must belong to.
        steps: Steps of the whole loop; a checkpoint beyond them belongs to a longer one.
    """
    path = folder / CHECKPOINT_FILE
    if not path.exists():
        return None
    try:
        file = read_tensors(path)
        words = dict(file.metadata)
        written, step, seconds = words.pop("format"), int(words.pop("step")), float(words.pop("seconds"))
    except InputError as error:
        _log.warning("starting anew: %s", error)
        return None
    except (KeyError, ValueError):
        _log.warning("starting anew: %s is no checkpoint", path)
        return None
    differing = [name for name in owner if words.get(name) != owner[name]]
    if written != _FORMAT or differing or not 0 <= step <= steps:
        what = ", ".join(differing) or ("format" if written != _FORMAT else "number of steps")
        _log.warning("starting anew: %s was made with another %s", path, what)
        return None
    return Checkpoint(file.tensors, step, seconds)


def discard_checkpoint(folder: Path) -> None:
    """Remove the folder's checkpoint, once what it led to is written."""
    (folder / CHECKPOINT_FILE).unlink(missing_ok=True)
