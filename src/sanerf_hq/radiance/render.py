"""Rendering: samples of rays to colour, opacity and distance (Eq. 1 and 5)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int32
from torch import Tensor

from sanerf_hq.kernels import RaySamples, accumulate, render_weights
from sanerf_hq.radiance.network import RadianceNetwork
from sanerf_hq.radiance.precision import autocast


@dataclass(frozen=True)
class PackedSamples:
    """The samples of a batch of rays that are composited.

    Attributes:
        unit_points: Contracted positions in [0, 1]³.
        ray_indices: Ray of each sample.
        t_starts: Start of each interval.
        t_ends: End of each interval.
        packed_info: First sample and number of samples of each ray.
    """

    unit_points: Float[Tensor, "n_samples 3"]
    ray_indices: Int32[Tensor, "n_samples"]
    t_starts: Float[Tensor, "n_samples"]
    t_ends: Float[Tensor, "n_samples"]
    packed_info: Int32[Tensor, "n_rays 2"]

    @property
    def deltas(self) -> Float[Tensor, "n_samples"]:
        return self.t_ends - self.t_starts

    @property
    def middles(self) -> Float[Tensor, "n_samples"]:
        return (self.t_starts + self.t_ends) / 2

    @staticmethod
    def of(samples: RaySamples) -> PackedSamples:
        """All samples of a march."""
        return PackedSamples(
            samples.unit_points, samples.ray_indices, samples.t_starts, samples.t_ends, samples.packed_info
        )

    def moved(self, starts: Float[Tensor, "n_rays"]) -> PackedSamples:
        """The same samples, counted from ``starts`` before their rays' origins."""
        shift = starts[self.ray_indices.long()]
        return replace(self, t_starts=self.t_starts + shift, t_ends=self.t_ends + shift)

    def keep(self, wanted: Bool[Tensor, "n_samples"]) -> PackedSamples:
        """The wanted samples alone, packed anew."""
        before = torch.zeros(wanted.shape[0] + 1, dtype=torch.int64, device=wanted.device)
        before[1:] = wanted.cumsum(0)
        firsts = self.packed_info[:, 0].long()
        counts = before[firsts + self.packed_info[:, 1]] - before[firsts]
        starts = torch.where(counts > 0, before[firsts], torch.zeros_like(counts))
        return PackedSamples(
            self.unit_points[wanted],
            self.ray_indices[wanted],
            self.t_starts[wanted],
            self.t_ends[wanted],
            torch.stack([starts, counts], -1).int(),
        )


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


def composite(
    network: RadianceNetwork,
    encoding: Float[Tensor, "n_samples n_encoding"],
    samples: PackedSamples,
    directions: Float[Tensor, "n_rays 3"],
    shading: str,
    growth: Float[Tensor, "n_samples"],
) -> Composited:
    """Volume-render encoded samples; differentiable in the encoding and the networks.

    Args:
        network: Density and colour.
        encoding: The grid's features of the samples.
        samples: Where they are.
        directions: Of the rays.
        shading: :attr:`RadianceConfig.shading`.
        growth: How freely density may grow at each sample, in [0, 1]; it may always shrink.
    """
    with autocast(encoding.device):
        sigmas, geometry = network.geometry(encoding)
    if sigmas.requires_grad:
        # Descent makes density grow where its gradient is negative.
        sigmas.register_hook(lambda grad: torch.where(grad < 0, grad * growth, grad))
    weights = render_weights(sigmas, samples.deltas, samples.packed_info)
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
    along = torch.stack([torch.ones_like(weights), samples.middles], -1)
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
