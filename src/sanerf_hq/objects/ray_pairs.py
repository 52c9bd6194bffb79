"""The ray-pair RGB loss: rays that show one spot in like colours are to be of like identity (Eq. 9-11).

    L_RGB(R) = 1/S Σ_i 1/|K_i| Σ_{j ∈ K_i} f(q_i, M_j),   K_i = {j ∈ R, j ≠ i : ‖C_i - C_j‖ < τ}

R are the rays of one set, S of them references; a reference's q_i is M_i, detached, so that it moves the
others and is moved only as one of theirs. f grows with the angle between two probability vectors and is flat
where they are opposite, so rays are pulled to the many that look like them, not torn between few.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


def dissimilarity(
    q: Float[Tensor, "*n n_logits"], p: Float[Tensor, "*n n_logits"], alpha: float, epsilon: float
) -> Float[Tensor, "*n"]:
    """f(q, p) = exp(-α cos(q, p) - ε) of probability vectors (Eq. 11): from e^-(α + ε) to e^-ε."""
    return torch.exp(-alpha * torch.cosine_similarity(q, p, dim=-1) - epsilon)


def ray_pair_loss(
    probabilities: Float[Tensor, "n_rays n_logits"],
    colours: Float[Tensor, "n_rays 3"],
    counts: Int64[Tensor, "n_sets"],
    references: Int64[Tensor, "n_references"],
    tau: float,
    alpha: float,
    epsilon: float,
    places: Float[Tensor, "n_rays 3"] | None = None,
) -> Float[Tensor, ""]:
    """Σ over the sets of L_RGB (Eq. 9); pairs are formed within a set alone.

    Args:
        probabilities: M of each ray, set by set.
        colours: C of each ray, in [0, 1].
        counts: Rays of each set, at least one.
        references: Rays that are compared with all others of their set.
        tau: Difference in colour (Eq. 10) from which two rays are no pair.
        alpha: How sharply f tells angles apart.
        epsilon: The constant in its exponent.
        places: Where each ray ends, in lengths from which two rays are no pair, NaN: nowhere; None: however
            far apart.
    """
    first, second = pairs(colours, counts, references, tau, places)
    n_sets, n_references = len(counts), len(references)
    place = torch.full((len(colours),), -1, device=colours.device)
    place[references] = torch.arange(n_references, device=colours.device)
    alike = torch.bincount(place[first], minlength=n_references).clamp_min(1)
    ends = counts.cumsum(0)
    set_of = torch.searchsorted(ends, references, right=True)
    sizes = torch.bincount(set_of, minlength=n_sets)
    # index_select adds up gradients in one order always; indexing does not, on several threads.
    p = probabilities.index_select(0, second)
    f = dissimilarity(probabilities.detach()[first], p, alpha, epsilon)
    return (f / (alike * sizes[set_of])[place[first]]).sum()


def pairs(
    colours: Float[Tensor, "n_rays 3"],
    counts: Int64[Tensor, "n_sets"],
    references: Int64[Tensor, "n_references"],
    tau: float,
    places: Float[Tensor, "n_rays 3"] | None = None,
) -> tuple[Int64[Tensor, "n_pairs"], Int64[Tensor, "n_pairs"]]:
    """Each reference i with every j of its K_i; arguments as for :func:`ray_pair_loss`."""
    ends = counts.cumsum(0)
    set_of = torch.searchsorted(ends, references, right=True)
    each = counts[set_of]
    first = references.repeat_interleave(each)
    rank = torch.arange(len(first), device=first.device) - (each.cumsum(0) - each).repeat_interleave(each)
    second = (ends - counts)[set_of].repeat_interleave(each) + rank
    alike = ((colours[first] - colours[second]).square().sum(-1) < tau**2) & (first != second)
    if places is not None:
        alike &= (places[first] - places[second]).square().sum(-1) < 1
    return first[alike], second[alike]


def draw_references(
    counts: Int64[Tensor, "n_sets"], most: int, generator: torch.Generator
) -> Int64[Tensor, "n_references"]:
    """At most so many rays of each set, by lot."""
    n = int(counts.sum())
    set_of = torch.arange(len(counts)).repeat_interleave(counts)
    # Sorting by set and then by lot puts each set's rays in random order, one set after the other.
    order = torch.argsort(set_of + torch.rand(n, dtype=torch.float64, generator=generator))
    rank = torch.arange(n) - (counts.cumsum(0) - counts)[set_of]
    return order[rank < most]


def error_of(
    probabilities: Float[Tensor, "n_rays n_logits"],
    possible: Bool[Tensor, "n_rays n_logits"],
    alpha: float,
    epsilon: float,
) -> Float[Tensor, "n_rays"]:
    """E = f(y, M) (Eq. 12), detached; of a pixel that may be several identities, y is M among these alone."""
    p = probabilities.detach()
    allowed = torch.where(possible, p.clamp_min(1e-9), 0.0)
    return dissimilarity(allowed, p, alpha, epsilon)
