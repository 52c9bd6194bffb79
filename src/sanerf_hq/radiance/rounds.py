"""Rounds: densities along rays as far as light gets, for fields that are no kernel's."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int32
from torch import Tensor

from sanerf_hq.radiance.network import RadianceNetwork
from sanerf_hq.radiance.precision import autocast

A_ROUND = 12  # samples of a ray that are looked at together


@torch.no_grad()
def in_rounds(
    densities: Callable[[Tensor], Tensor],
    places: Float[Tensor, "n_samples n_columns"],
    deltas: Float[Tensor, "n_samples"],
    packed_info: Int32[Tensor, "n_rays 2"],
    hidden: float,
) -> tuple[Float[Tensor, "n_samples"], Float[Tensor, "n_samples"]]:
    """:meth:`RadianceNetwork.lit_densities` of densities that are no kernel's.

    Some samples of all rays are looked at together, front to back, and a ray that nothing passes any more is
    left out of the next round.

    Args:
        densities: Of points in [0, 1]³.
        places: What densities are made of, a row a sample.
        deltas: Lengths.
        packed_info: First sample and number of samples of each ray; on a GPU rows of no ray may follow.
        hidden: Thickness behind which no round looks.
    """
    device = deltas.device
    rays = torch.arange(len(packed_info), device=device).repeat_interleave(packed_info[:, 1].long())
    starts = packed_info[:, 0].long()[rays]
    rounds = (torch.arange(len(rays), device=device) - starts) // A_ROUND
    order = torch.argsort(rounds, stable=True)
    thickness = torch.zeros(len(packed_info), device=device)
    sigmas, first = torch.zeros_like(deltas), 0
    for size in torch.bincount(rounds, minlength=1).tolist():
        chosen = order[first : first + size]
        first += size
        chosen = chosen[thickness[rays[chosen]] < hidden]
        sigmas[chosen] = densities(places[chosen])
        thickness.index_add_(0, rays[chosen], sigmas[chosen] * deltas[chosen])
    before = torch.zeros(len(rays) + 1, dtype=torch.float64, device=device)
    before[1:] = (sigmas * deltas)[: len(rays)].double().cumsum(0)
    light = torch.zeros_like(deltas)
    light[: len(rays)] = torch.exp(before[starts] - before[:-1]).float()
    return sigmas, light


class NetworkInRounds(RadianceNetwork):
    """A radiance network that encodes points, or makes densities of encodings, in ways of its own."""

    def lit_densities(
        self,
        unit_points: Float[Tensor, "n_samples 3"],
        deltas: Float[Tensor, "n_samples"],
        packed_info: Int32[Tensor, "n_rays 2"],
        hidden: float,
        times: Float[Tensor, "n_samples"] | None = None,
    ) -> tuple[Float[Tensor, "n_samples"], Float[Tensor, "n_samples"]]:
        """The same, in rounds."""
        rows = unit_points if times is None else torch.cat([unit_points, times[:, None]], -1)

        def densities(part: Tensor) -> Tensor:
            encoding = self.encode(part[:, :3], None if times is None else part[:, 3])
            with autocast(part.device):
                return self.geometry(encoding)[0]

        return in_rounds(densities, rows, deltas, packed_info, hidden)
