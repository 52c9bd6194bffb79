"""Sampling: from the cells a ray passes to the few samples that are worth asking the networks about.

A march gives candidates: intervals in cells that are not known to be empty. Hidden ones are left out, and
those that carry weight are divided more finely. Training and rendering choose alike, so that what is rendered
is what was trained.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.geometry import Rays, contract, to_unit
from sanerf_hq.kernels import distortion, render_weights
from sanerf_hq.radiance.render import PackedSamples, close, light_before

HIDDEN_TRANSMITTANCE = 1e-3
MOST_PARTS = 8


@torch.no_grad()
def choose_samples(
    candidates: PackedSamples,
    rays: Rays,
    sigmas: Float[Tensor, "n_candidates"],
    parts: float,
    generator: torch.Generator | None,
) -> PackedSamples:
    """Leave out hidden candidates and divide each other one into ⌈w · parts⌉ samples.

    Args:
        candidates: Of a march.
        rays: The rays marched, in the field's coordinates.
        sigmas: Densities of the candidates, by which it is known what is hidden.
        parts: Samples that a candidate of weight 1 is divided into, at most eight.
        generator: Draws each sample's position within its interval; None takes the middle.
    """
    weights = render_weights(sigmas, candidates.deltas, candidates.packed_info)
    counts = (weights * parts).ceil().long().clamp_(1, MOST_PARTS)
    counts *= light_before(candidates, weights) > HIDDEN_TRANSMITTANCE
    device = counts.device
    parents = torch.arange(len(counts), device=device).repeat_interleave(counts)
    rank = torch.arange(len(parents), device=device) - (counts.cumsum(0) - counts)[parents]
    length = (candidates.t_ends - candidates.t_starts)[parents] / counts[parents]
    t_starts = candidates.t_starts[parents] + rank * length
    ray_indices = candidates.ray_indices[parents]
    owner = ray_indices.long()
    along = torch.full((len(parents),), 0.5, device=device)
    if generator is not None:
        along = torch.rand(len(parents), generator=generator, device=device)
    points = rays.origins[owner] + (t_starts + along * length)[:, None] * rays.directions[owner]
    n_rays = candidates.packed_info.shape[0]
    each = torch.zeros(n_rays, dtype=torch.int64, device=device)
    each.index_add_(0, candidates.ray_indices.long(), counts)
    packed_info = torch.stack([each.cumsum(0) - each, each], -1).int()
    return PackedSamples(to_unit(contract(points)), ray_indices, t_starts, t_starts + length, packed_info)


def carving(
    sigmas: Float[Tensor, "n"], samples: PackedSamples, closed: bool
) -> tuple[Float[Tensor, "n"], Tensor]:
    """What the distortion loss asks of fog: its gradient in the densities where it makes them shrink.

    Its other half is left out. A ray's weight is gathered at the least cost by making the first of its fog
    opaque, and behind what is opaque the photos teach nothing: with both halves, training that goes well for
    hundreds of steps ends in a wall before the cameras.

    Args:
        sigmas: Densities.
        samples: Where they are.
        closed: Whether the last sample of each ray stops all light that is left.

    Returns:
        The gradient of the mean over rays, ≥ 0, and that mean.
    """
    leaf = sigmas.detach().requires_grad_()
    weights = render_weights(leaf, samples.deltas, samples.packed_info)
    if closed:
        weights = close(weights, samples, 1.0)
    starts, ends = (t / (1 + t) for t in (samples.t_starts, samples.t_ends))
    spread = distortion(weights, starts, ends, samples.packed_info).mean()
    (gradient,) = torch.autograd.grad(spread, leaf)
    return gradient.clamp_min(0), spread.detach()
