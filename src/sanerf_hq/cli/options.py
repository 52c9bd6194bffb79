"""Options: checks that several verbs share, each an error that names the option."""

from __future__ import annotations

from typing import Literal

from sanerf_hq.errors import InputError

Device = Literal["cpu", "cuda"]


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
