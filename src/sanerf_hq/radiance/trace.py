"""Tracing: what rays meet, without gradients.

The candidates of a ray are looked at in rounds, front to back, and a ray that nothing passes any more is left
out of the next round: the networks never see what is hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.geometry import Rays
from sanerf_hq.kernels import MarchConfig, ray_march, render_weights
from sanerf_hq.radiance.network import RadianceNetwork
from sanerf_hq.radiance.occupancy import Occupancy
from sanerf_hq.radiance.precision import autocast
from sanerf_hq.radiance.render import PackedSamples, close
from sanerf_hq.radiance.sampling import choose_samples

CAPACITY = 1 << 24
CANDIDATES_A_ROUND = 12
HIDDEN_THICKNESS = 7.0  # optical thickness behind which less than 1e-3 of the light is left


@dataclass(frozen=True)
class Traced:
    """What rays meet.

    Attributes:
        samples: Where they are.
        geometry: The density network's features there.
        weights: w_k of each.
    """

    samples: PackedSamples
    geometry: Float[Tensor, "n_samples n_geometry"]
    weights: Float[Tensor, "n_samples"]


@torch.no_grad()
def candidate_densities(network: RadianceNetwork, candidates: PackedSamples) -> Float[Tensor, "n_candidates"]:
    """Densities of candidates as far as light gets; 0 behind, where nobody looks."""
    n_rays = candidates.packed_info.shape[0]
    device = candidates.unit_points.device
    rays = candidates.ray_indices.long()
    deltas = candidates.deltas
    rank = torch.arange(rays.shape[0], device=device) - candidates.packed_info[:, 0].long()[rays]
    rounds = rank // CANDIDATES_A_ROUND
    order = torch.argsort(rounds, stable=True)
    thickness = torch.zeros(n_rays, device=device)
    result = torch.zeros(rays.shape[0], device=device)
    first = 0
    for size in torch.bincount(rounds, minlength=1).tolist():
        chosen = order[first : first + size]
        first += size
        chosen = chosen[thickness[rays[chosen]] < HIDDEN_THICKNESS]
        encoding = network.encode(candidates.unit_points[chosen])
        with autocast(device):
            sigmas, _ = network.geometry(encoding)
        thickness.index_add_(0, rays[chosen], sigmas * deltas[chosen])
        result[chosen] = sigmas
    return result


@torch.no_grad()
def trace(
    network: RadianceNetwork,
    occupancy: Occupancy,
    rays: Rays,
    step: float,
    samples_a_ray: float,
    closed: bool,
) -> Traced:
    """Features and weights along rays, as far as light gets.

    Args:
        network: The field's.
        occupancy: Where it is not empty.
        rays: In the field's coordinates.
        step: Spacing of candidates, field units.
        samples_a_ray: Samples of each ray.
        closed: Whether the last sample of each ray stops all light that is left.
    """
    device = rays.origins.device
    jitter = torch.full((len(rays),), 0.5, device=device)
    march = MarchConfig(step=step)
    marched = ray_march(rays.origins, rays.directions, jitter, occupancy.occupied, march, CAPACITY)
    candidates = PackedSamples.of(marched)
    sigmas = candidate_densities(network, candidates)
    samples = choose_samples(candidates, rays, sigmas, samples_a_ray, closed, None)
    encoding = network.encode(samples.unit_points)
    with autocast(device):
        sigmas, geometry = network.geometry(encoding)
    weights = render_weights(sigmas, samples.deltas, samples.packed_info)
    if closed:
        weights = close(weights, samples, 1.0)
    return Traced(samples, geometry, weights)
