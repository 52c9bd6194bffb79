"""The training step without our kernels: the same network and sampler in plain, vectorised PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from sanerf_hq.kernels import reference
from sanerf_hq.radiance import candidates, network, render, sampling, step
from sanerf_hq.radiance.candidates import CandidateDensities
from sanerf_hq.radiance.config import RadianceConfig
from sanerf_hq.radiance.network import RadianceNetwork
from sanerf_hq.radiance.precision import autocast
from sanerf_hq.radiance.render import PackedSamples
from sanerf_hq.radiance.step import TrainState

TWINS: dict[Any, tuple[str, ...]] = {
    step: ("ray_march",),
    render: ("render_weights", "accumulate"),
    sampling: ("render_weights", "distortion", "allot_samples", "place_samples"),
    network: ("hash_grid",),
}
A_ROUND = 12  # candidates of a ray that are looked at together


@torch.no_grad()
def look_at(net: RadianceNetwork, known: PackedSamples) -> CandidateDensities:
    """Densities of candidates in rounds, front to back; a ray that nothing passes is left out of the next."""
    rays, deltas = known.ray_indices.long(), known.deltas
    rounds = (torch.arange(len(rays)) - known.packed_info[:, 0].long()[rays]) // A_ROUND
    order = torch.argsort(rounds, stable=True)
    thickness = torch.zeros(len(known.packed_info))
    sigmas, first = torch.zeros(len(rays)), 0
    for size in torch.bincount(rounds, minlength=1).tolist():
        chosen = order[first : first + size]
        first += size
        chosen = chosen[thickness[rays[chosen]] < candidates.HIDDEN_THICKNESS]
        with autocast(deltas.device):
            sigmas[chosen] = net.geometry(net.encode(known.unit_points[chosen]))[0]
        thickness.index_add_(0, rays[chosen], sigmas[chosen] * deltas[chosen])
    before = torch.zeros(len(rays) + 1, dtype=torch.float64)
    before[1:] = (sigmas * deltas).double().cumsum(0)
    light = torch.exp(before[known.packed_info[:, 0].long()[rays]] - before[:-1])
    return CandidateDensities(sigmas, light.float())


class DenseAdam:
    """Adam of a state's whole table, by torch."""

    def __init__(self, state: TrainState) -> None:
        state.network.table.requires_grad_()
        self.optimiser = torch.optim.Adam([state.network.table], lr=1e-2, betas=(0.9, 0.99), eps=1e-15)

    def encoding(self, state: TrainState, samples: PackedSamples, rays: object) -> Tensor:
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
        stack.enter_context(mock.patch.object(step, "look_at", look_at))
        stack.enter_context(mock.patch.object(step, "_encoding", table.encoding))
        stack.enter_context(mock.patch.object(step, "_descend", table.descend))
        yield
