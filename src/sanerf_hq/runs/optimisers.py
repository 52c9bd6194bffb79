"""An optimiser's moments as tensors by name, and back, so that a checkpoint can hold them.

Learning rates are not among them: a step sets them from its own number.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The moments, named ``"<index of the parameter>.<moment>"``; empty before the first step."""
    tensors = {}
    for index, moments in optimiser.state_dict()["state"].items():
        for name, value in moments.items():
            if value is not None:
                tensors[f"{index}.{name}"] = torch.as_tensor(value)
    return tensors


def load_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimiser over equal parameters the moments that :func:`optimiser_tensors` took.

    Raises:
        ValueError: They are of other parameters.
    """
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        if not index.isdecimal() or int(index) >= len(parameters) or not name:
            raise ValueError(f"the optimiser has no parameter for {key!r}")
        if value.ndim and value.shape != parameters[int(index)].shape:
            raise ValueError(f"{key!r} has shape {tuple(value.shape)}, not that of its parameter")
        state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict(optimiser.state_dict() | {"state": state})


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every name with ``prefix`` and a dot in front."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def under_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that :func:`with_prefix` named with ``prefix``, by their own names."""
    start = prefix + "."
    return {name[len(start) :]: tensor for name, tensor in tensors.items() if name.startswith(start)}
