"""Candidates: the intervals of a march, looked at front to back to tell where samples are worth it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.geometry import Rays
from sanerf_hq.radiance.network import RadianceNetwork
from sanerf_hq.radiance.render import PackedSamples

HIDDEN_THICKNESS = 7.0  # optical thickness behind which less than 1e-3 of the light is left


@dataclass(frozen=True)
class CandidateDensities:
    """What is known of candidates.

    Attributes:
        sigmas: Densities as far as light gets; 0 behind, where nobody looks.
        light: Share of the ray's light that gets to each.
    """

    sigmas: Float[Tensor, "n_candidates"]
    light: Float[Tensor, "n_candidates"]

    def weights(
        self, candidates: PackedSamples, spacing: float, closed: bool
    ) -> Float[Tensor, "n_candidates"]:
        """What they would weigh if each were ``spacing`` long.

        Args:
            candidates: That were looked at.
            spacing: Contracted length.
            closed: Whether the last of a ray stops all that is left.
        """
        alphas = -torch.expm1(-self.sigmas * spacing)
        if closed and len(alphas):
            last, any_ = candidates.last()
            alphas.scatter_reduce_(0, last, any_.float(), "amax")
        return self.light * alphas


@torch.no_grad()
def look_at(network: RadianceNetwork, candidates: PackedSamples, rays: Rays) -> CandidateDensities:
    """Densities of the candidates of rays, by the network."""
    places = candidates.unit_points, candidates.deltas, candidates.packed_info
    found = network.lit_densities(*places, HIDDEN_THICKNESS, candidates.times(rays))
    return CandidateDensities(*found)
