from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sanerf_hq.runs import load_optimiser, optimiser_tensors, under_prefix, with_prefix


def parameters() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((4, 3), (5,))]


def make(values: list[nn.Parameter], kind: str) -> torch.optim.Optimizer:
    if kind == "adam":
        groups = [{"params": values[:1], "lr": 0.1}, {"params": values[1:], "lr": 0.01}]
        return torch.optim.Adam(groups, amsgrad=True)
    return torch.optim.SGD(values, lr=0.1, momentum=0.9 if kind == "momentum" else 0.0)


def advance(values: list[nn.Parameter], optimiser: torch.optim.Optimizer, steps: int) -> None:
    for _ in range(steps):
        optimiser.zero_grad()
        sum(((value**2).sum() for value in values), torch.zeros(())).backward()
        optimiser.step()


@pytest.mark.parametrize("kind", ["adam", "momentum", "plain"])
def test_a_restored_optimiser_goes_on_as_if_nothing_happened(kind: str):
    first = parameters()
    optimiser = make(first, kind)
    advance(first, optimiser, 3)
    kept = {name: tensor.clone() for name, tensor in optimiser_tensors(optimiser).items()}
    assert bool(kept) == (kind != "plain")
    second = [nn.Parameter(value.detach().clone()) for value in first]
    restored = make(second, kind)
    load_optimiser(restored, kept)
    advance(first, optimiser, 4)
    advance(second, restored, 4)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_fresh_optimiser_has_no_moments():
    optimiser = make(parameters(), "adam")
    assert optimiser_tensors(optimiser) == {}
    load_optimiser(optimiser, {})


@pytest.mark.parametrize(
    "tensors",
    [
        {"2.exp_avg": torch.zeros(1)},
        {"x.step": torch.zeros(())},
        {"0": torch.zeros(())},
        {"0.exp_avg": torch.zeros(4)},
    ],
)
def test_moments_of_other_parameters_are_refused(tensors: dict[str, Tensor]):
    with pytest.raises(ValueError, match="parameter"):
        load_optimiser(make(parameters(), "adam"), tensors)


def test_prefixes():
    tensors = {"a": torch.zeros(1), "b.c": torch.ones(1)}
    both = with_prefix("net", tensors) | with_prefix("network", {"a": torch.ones(2)})
    assert under_prefix("net", both) == tensors
    assert under_prefix("nothing", both) == {}
