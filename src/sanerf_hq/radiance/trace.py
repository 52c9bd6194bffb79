"""Tracing: what rays meet, without gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.geometry import Rays
from sanerf_hq.kernels import MarchConfig, ray_march, render_weights
from sanerf_hq.radiance.candidates import look_at
from sanerf_hq.radiance.network import RadianceNetwork
from sanerf_hq.radiance.occupancy import Occupancy
from sanerf_hq.radiance.precision import autocast
from sanerf_hq.radiance.render import PackedSamples, close
from sanerf_hq.radiance.sampling import choose_samples

CAPACITY = 1 << 24


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
    looked_at = look_at(network, candidates, rays)
    samples = choose_samples(candidates, rays, looked_at, samples_a_ray, closed, None)
    encoding = network.encode(samples.unit_points, samples.times(rays))
    with autocast(device):
        sigmas, geometry = network.geometry(encoding)
    weights = render_weights(sigmas, samples.deltas, samples.packed_info)
    if closed:
        weights = close(weights, samples, 1.0)
    return Traced(samples, geometry, weights)
