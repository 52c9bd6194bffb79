"""Sampling: from the cells a ray passes to the few samples that are worth asking the networks about.

A march gives candidates: intervals in cells that are not known to be empty. A fixed number of samples a ray
is drawn from them, most where they carry weight. Training and rendering choose alike, so that what is
rendered is what was trained.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sanerf_hq.geometry import Rays, contract, to_unit
from sanerf_hq.kernels import distortion, render_weights
from sanerf_hq.radiance.render import PackedSamples, close, light_before

HIDDEN_TRANSMITTANCE = 1e-3
BY_LENGTH = 0.2  # of a ray's samples, drawn evenly from all that light reaches: surfaces may be there unknown


@torch.no_grad()
def choose_samples(
    candidates: PackedSamples,
    rays: Rays,
    sigmas: Float[Tensor, "n_candidates"],
    samples_a_ray: float,
    closed: bool,
    generator: torch.Generator | None,
) -> PackedSamples:
    """Draw so many samples of each ray, where its candidates carry weight.

    The number that falls to a candidate is wanted = samples_a_ray · (0.8 w / Σw + 0.2 δ / Σδ), rounded by one
    lot for the whole ray, so that the ray's sum is kept. The samples of a candidate divide its interval
    evenly; one that stands for a candidate that is rarely drawn has the length 1 / wanted times the interval:
    on the mean over many draws, optical thickness is what all candidates together would give.

    Args:
        candidates: Of a march.
        rays: The rays marched, in the field's coordinates.
        sigmas: Densities of the candidates, ≥ 0.
        samples_a_ray: Samples of each ray that has candidates.
        closed: Whether the last candidate of each ray stops all light that is left.
        generator: Draws lots and positions within intervals; None rounds at a half and takes the middles.
    """
    device = sigmas.device
    rays_of = candidates.ray_indices.long()
    wanted = samples_a_ray * _shares(candidates, sigmas, closed)
    lot = _uniform(len(rays), generator, device)
    counts = _rounded(wanted, lot[rays_of], candidates)
    parents = torch.arange(len(counts), device=device).repeat_interleave(counts)
    rank = torch.arange(len(parents), device=device) - (counts.cumsum(0) - counts)[parents]
    along = (rank + _uniform(len(parents), generator, device)) / counts[parents] - 0.5
    interval = candidates.lengths[parents]
    distances = candidates.distances[parents] + along * interval
    divided = torch.where(wanted[parents] < 1, wanted[parents], counts[parents].float())
    ray_indices = candidates.ray_indices[parents]
    owner = ray_indices.long()
    points = rays.origins[owner] + distances[:, None] * rays.directions[owner]
    each = torch.zeros(len(rays), dtype=torch.int64, device=device).index_add_(0, rays_of, counts)
    packed_info = torch.stack([each.cumsum(0) - each, each], -1).int()
    return PackedSamples(to_unit(contract(points)), ray_indices, distances, interval / divided, packed_info)


def _shares(
    candidates: PackedSamples, sigmas: Float[Tensor, "n_candidates"], closed: bool
) -> Float[Tensor, "n_candidates"]:
    """Share of its ray's samples that each candidate deserves; a ray's sum is 1, hidden ones get none."""
    deltas = candidates.deltas
    weights = render_weights(sigmas, deltas, candidates.packed_info)
    reached = torch.where(light_before(candidates, weights) > HIDDEN_TRANSMITTANCE, deltas, 0.0)
    by_length = _of_ray(candidates, reached)
    if closed:
        weights = close(weights, candidates, 1.0)
    by_weight = _of_ray(candidates, weights)
    return _of_ray(candidates, (1 - BY_LENGTH) * by_weight + BY_LENGTH * by_length)


def _of_ray(candidates: PackedSamples, values: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """Each value as a share of its ray's sum."""
    rays_of = candidates.ray_indices.long()
    sums = torch.zeros(candidates.packed_info.shape[0], device=values.device).index_add_(0, rays_of, values)
    return values / sums.clamp_min(1e-12)[rays_of]


def _rounded(
    wanted: Float[Tensor, "n"], lots: Float[Tensor, "n"], candidates: PackedSamples
) -> Int64[Tensor, "n"]:
    """Whole numbers with the same running sums along each ray, but for what each ray's lot rounds away."""
    upto = torch.zeros(len(wanted) + 1, dtype=torch.float64, device=wanted.device)
    upto[1:] = wanted.double().cumsum(0)
    first = candidates.packed_info[:, 0].long()[candidates.ray_indices.long()]
    base = upto[first]
    after, before = (values - base + lots for values in (upto[1:], upto[:-1]))
    return (after + 1e-6).floor().long() - (before + 1e-6).floor().long()


def _uniform(n: int, generator: torch.Generator | None, device: torch.device) -> Float[Tensor, "n"]:
    if generator is None:
        return torch.full((n,), 0.5, device=device)
    return torch.rand(n, generator=generator, device=device)


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
    places = samples.distances / (1 + samples.distances)
    spread = distortion(weights, places, places, samples.packed_info).mean()
    (gradient,) = torch.autograd.grad(spread, leaf)
    return gradient.clamp_min(0), spread.detach()
