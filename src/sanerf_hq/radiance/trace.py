"""Tracing: what rays meet, front to back, without gradients and without looking behind surfaces.

The samples of a ray are looked at in rounds, and a ray that nothing passes any more is left out of the next
round: the networks never see what is hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sanerf_hq.kernels import render_weights
from sanerf_hq.radiance.network import RadianceNetwork
from sanerf_hq.radiance.precision import autocast
from sanerf_hq.radiance.render import PackedSamples

SAMPLES_A_ROUND = 12
HIDDEN_THICKNESS = 7.0  # optical thickness behind which less than 1e-3 of the light is left


@dataclass(frozen=True)
class Traced:
    """The samples that were looked at.

    Attributes:
        samples: Where they are.
        looked: Which of the samples given they are.
        encoding: The hash grid's features there.
        sigmas: Densities.
        geometry: The density network's features there.
        weights: w_k of each.
    """

    samples: PackedSamples
    looked: Bool[Tensor, "n_given"]
    encoding: Float[Tensor, "n_samples n_encoding"]
    sigmas: Float[Tensor, "n_samples"]
    geometry: Float[Tensor, "n_samples n_geometry"]
    weights: Float[Tensor, "n_samples"]

    @property
    def transmittances(self) -> Float[Tensor, "n_samples"]:
        """T_k of each, as far as its own density tells."""
        alphas = -torch.expm1(-self.sigmas * self.samples.deltas)
        return torch.where(alphas > 1e-6, self.weights / alphas.clamp_min(1e-6), torch.ones_like(alphas))


@torch.no_grad()
def trace(network: RadianceNetwork, samples: PackedSamples) -> Traced:
    """Densities, features and weights of marched samples, as far as light gets."""
    n_rays = samples.packed_info.shape[0]
    device = samples.unit_points.device
    rays = samples.ray_indices.long()
    rank = torch.arange(rays.shape[0], device=device) - samples.packed_info[:, 0].long()[rays]
    rounds = rank // SAMPLES_A_ROUND
    order = torch.argsort(rounds, stable=True)
    sizes = torch.bincount(rounds, minlength=1).tolist()
    thickness = torch.zeros(n_rays, device=device)
    index, encodings, densities, features = [], [], [], []
    first = 0
    for size in sizes:
        chosen = order[first : first + size]
        first += size
        chosen = chosen[thickness[rays[chosen]] < HIDDEN_THICKNESS]
        encoding = network.encode(samples.unit_points[chosen])
        with autocast(device):
            sigmas, geometry = network.geometry(encoding)
        thickness.index_add_(0, rays[chosen], sigmas * samples.deltas[chosen])
        for values, part in zip(
            (index, encodings, densities, features), (chosen, encoding, sigmas, geometry), strict=True
        ):
            values.append(part)
    chosen = torch.cat(index)
    looked = torch.zeros(rays.shape[0], dtype=torch.bool, device=device)
    looked[chosen] = True
    place = chosen.argsort()
    seen = samples.keep(looked)
    sigmas = torch.cat(densities)[place]
    weights = render_weights(sigmas, seen.deltas, seen.packed_info)
    return Traced(seen, looked, torch.cat(encodings)[place], sigmas, torch.cat(features)[place], weights)
