"""Sampling: from the cells a ray passes to the few samples that are worth asking the networks about.

A march gives candidates: intervals in cells that are not known to be empty. A fixed number of samples a ray
is drawn from them, most where they carry weight. Training and rendering choose alike, so that what is
rendered is what was trained.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.geometry import Rays
from sanerf_hq.kernels import allot_samples, distortion, pack, place_samples, render_weights
from sanerf_hq.radiance.candidates import CandidateDensities
from sanerf_hq.radiance.render import PackedSamples, close

MOST_SAMPLES = 1 << 30


@torch.no_grad()
def choose_samples(
    candidates: PackedSamples,
    rays: Rays,
    looked_at: CandidateDensities,
    samples_a_ray: float,
    closed: bool,
    generator: torch.Generator | None,
) -> PackedSamples:
    """Draw so many samples of each ray, where its candidates carry weight.

    One that stands for a candidate that is rarely drawn has the length 1 / wanted times the candidate's: on
    the mean over many draws, optical thickness is what all candidates together would give.

    Args:
        candidates: Of a march.
        rays: The rays marched, in the field's coordinates.
        looked_at: Densities of the candidates.
        samples_a_ray: Samples of each ray that has candidates.
        closed: Whether the last candidate of each ray stops all light that is left.
        generator: Draws lots and positions within intervals; None rounds at a half and takes the middles.
    """
    device = candidates.distances.device
    lots = _uniform(len(rays), generator, device)
    info = candidates.packed_info
    wanted, counts, totals = allot_samples(
        looked_at.sigmas, looked_at.light, candidates.deltas, info, lots, samples_a_ray, closed
    )
    packed_info, n_samples, _ = pack(totals, MOST_SAMPLES)
    jitter = _uniform(int(n_samples), generator, device)
    indices, distances, lengths, points = place_samples(
        candidates.distances,
        candidates.lengths,
        info,
        wanted,
        counts,
        rays.origins,
        rays.directions,
        packed_info,
        jitter,
    )
    return PackedSamples(points, indices, distances, lengths, packed_info)


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
    spread = distortion(weights, places, samples.packed_info).mean()
    (gradient,) = torch.autograd.grad(spread, leaf)
    return gradient.clamp_min(0), spread.detach()
