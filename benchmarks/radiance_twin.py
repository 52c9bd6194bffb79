"""The training step without our kernels: the same network and sampler in plain, vectorised PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from sanerf_hq.kernels import reference
from sanerf_hq.radiance import network, render, sampling, step
from sanerf_hq.radiance.config import RadianceConfig
from sanerf_hq.radiance.network import RadianceNetwork
from sanerf_hq.radiance.render import PackedSamples
from sanerf_hq.radiance.rounds import NetworkInRounds
from sanerf_hq.radiance.step import TrainState

TWINS: dict[Any, tuple[str, ...]] = {
    step: ("ray_march",),
    render: ("render_weights", "accumulate"),
    sampling: ("render_weights", "distortion", "allot_samples", "place_samples"),
    network: ("hash_grid",),
}


class DenseAdam:
    """Adam of a state's whole table, by torch."""

    def __init__(self, state: TrainState) -> None:
        state.network.table.requires_grad_()
        self.optimiser = torch.optim.Adam([state.network.table], lr=1e-2, betas=(0.9, 0.99), eps=1e-15)

    def encoding(self, state: TrainState, samples: PackedSamples, places: object, rays: object) -> Tensor:
        assert rays is None, "the twin does not refine poses"
        return state.network.encode(samples.unit_points)

    def descend(
        self, state: TrainState, config: RadianceConfig, number: int, samples: object, encoding: object
    ) -> None:
        rate = step.learning_rate(config, number)
        for group in state.optimiser.param_groups:
            group["lr"] = rate * group["share"]
        self.optimiser.param_groups[0]["lr"] = rate
        state.optimiser.step()
        self.optimiser.step()
        self.optimiser.zero_grad()


@contextmanager
def plain_pytorch(table: DenseAdam) -> Iterator[None]:
    """Inside, steps on this table's state use PyTorch alone."""
    with ExitStack() as stack:
        for module, names in TWINS.items():
            for name in names:
                stack.enter_context(mock.patch.object(module, name, getattr(reference, name)))
        stack.enter_context(
            mock.patch.object(RadianceNetwork, "lit_densities", NetworkInRounds.lit_densities)
        )
        stack.enter_context(mock.patch.object(step, "_encoding", table.encoding))
        stack.enter_context(mock.patch.object(step, "_descend", table.descend))
        yield
