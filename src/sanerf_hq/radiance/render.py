"""Rendering: samples of rays to colour, opacity and distance (Eq. 1 and 5)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int32, Int64
from torch import Tensor

from sanerf_hq.geometry import Rays
from sanerf_hq.kernels import RaySamples, accumulate, render_weights
from sanerf_hq.radiance.network import RadianceNetwork
from sanerf_hq.radiance.precision import autocast

OPAQUE = 0.5  # opacity from which a ray is taken to end on a surface


@dataclass(frozen=True)
class PackedSamples:
    """The samples of a batch of rays that are composited.

    Attributes:
        unit_points: Contracted positions in [0, 1]³.
        ray_indices: Ray of each sample.
        distances: t of each.
        lengths: Length along the ray that each stands for.
        packed_info: First sample and number of samples of each ray.
    """

    unit_points: Float[Tensor, "n_samples 3"]
    ray_indices: Int32[Tensor, "n_samples"]
    distances: Float[Tensor, "n_samples"]
    lengths: Float[Tensor, "n_samples"]
    packed_info: Int32[Tensor, "n_rays 2"]

    @property
    def deltas(self) -> Float[Tensor, "n_samples"]:
        """The lengths in contracted space, which densities are per unit of."""
        reach = (4 * self.unit_points - 2).abs().amax(-1).clamp_min(1.0)
        return self.lengths * (2.0 - reach).square()

    @staticmethod
    def of(samples: RaySamples) -> PackedSamples:
        """All samples of a march."""
        return PackedSamples(
            samples.unit_points,
            samples.ray_indices,
            (samples.t_starts + samples.t_ends) / 2,
            samples.t_ends - samples.t_starts,
            samples.packed_info,
        )

    def times(self, rays: Rays) -> Float[Tensor, "n_samples"] | None:
        """Moments of the samples, which are those of their ``rays``; None where these have none."""
        return None if rays.times is None else rays.times[self.ray_indices.long()]

    def last(self) -> tuple[Int64[Tensor, "n_rays"], Bool[Tensor, "n_rays"]]:
        """The last sample of each ray, and whether it has any: where not, the sample is some other ray's."""
        first, count = self.packed_info.long().unbind(-1)
        return (first + count - 1).clamp_min(0), count > 0

    def moved(self, starts: Float[Tensor, "n_rays"]) -> PackedSamples:
        """The same samples, counted from ``starts`` before their rays' origins."""
        shift = starts[self.ray_indices.long()]
        return replace(self, distances=self.distances + shift)


@dataclass(frozen=True)
class Composited:
    """What rays see.

    Attributes:
        rgb: Colour times opacity; the background is not in it.
        opacity: Σ w, in [0, 1].
        distance: Σ w t, not yet divided by the opacity.
        weights: Of each sample.
    """

    rgb: Float[Tensor, "n_rays 3"]
    opacity: Float[Tensor, "n_rays"]
    distance: Float[Tensor, "n_rays"]
    weights: Float[Tensor, "n_samples"]


def close(
    weights: Float[Tensor, "n_samples"], samples: PackedSamples, share: float
) -> Float[Tensor, "n_samples"]:
    """The same weights, but that the last sample of each ray takes a share of the light that is left.

    In a photo without transparency every ray ends somewhere. Were all that gets through mixed with a drawn
    colour, each hole behind a thin surface would thicken whatever lies before it: in the end, fog.
    """
    if not len(weights):
        return weights
    n_rays = samples.packed_info.shape[0]
    total = torch.zeros(n_rays, device=weights.device).index_add(0, samples.ray_indices.long(), weights)
    last, any_ = samples.last()
    left = (1 - total).clamp_min(0) * any_
    return weights.index_add(0, last, share * left)


def composite(
    network: RadianceNetwork,
    sigmas: Float[Tensor, "n_samples"],
    geometry: Float[Tensor, "n_samples n_geometry"],
    samples: PackedSamples,
    directions: Float[Tensor, "n_rays 3"],
    shading: str,
    closing: float,
) -> Composited:
    """Volume-render samples; differentiable in densities, geometry features and the colour network.

    Args:
        network: For the colour.
        sigmas: Density of each sample.
        geometry: Geometry features of each.
        samples: Where they are.
        directions: Of the rays.
        shading: :attr:`RadianceConfig.shading`.
        closing: Share of the light that is left over which the last sample of each ray takes.
    """
    weights = render_weights(sigmas, samples.deltas, samples.packed_info)
    if closing > 0:
        weights = close(weights, samples, closing)
    return shade(network, samples, geometry, weights, directions, shading)


def shade(
    network: RadianceNetwork,
    samples: PackedSamples,
    geometry: Float[Tensor, "n_samples n_geometry"],
    weights: Float[Tensor, "n_samples"],
    directions: Float[Tensor, "n_rays 3"],
    shading: str,
) -> Composited:
    """Volume-render samples whose weights are known; arguments as for :func:`composite`."""
    along = torch.stack([torch.ones_like(weights), samples.distances], -1)
    if shading == "ray":
        sums = accumulate(weights, torch.cat([geometry.float(), along], -1), samples.packed_info)
        with autocast(weights.device):
            rgb = network.shade(sums[:, :-2], directions) * sums[:, -2:-1]
    else:
        with autocast(weights.device):
            colours = network.shade(geometry, directions[samples.ray_indices.long()])
        sums = accumulate(weights, torch.cat([colours, along], -1), samples.packed_info)
        rgb = sums[:, :3]
    return Composited(rgb, sums[:, -2], sums[:, -1], weights)
