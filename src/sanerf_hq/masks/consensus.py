"""Consensus: which masks of many views agree on one object, and how much each is to count.

A view's mask is compared with what the *other* views say of the cells that it sees. It starts from the views
that answer the user's own prompt and grows from there: many views that agree on a wrong object stand against
few that agree with the user.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sanerf_hq.masks.ballots import Ballots

ROUNDS = 8
NOT_SAID, SAID = 0.25, 0.75  # shares of the other views up to which, and from which on, they are of one mind
HEARD = 0.5  # weight of other views below which nothing is known of a cell
COVERED = 0.15  # share of what a view and the others claim that both must know of to be compared
DISAGREES, AGREES = 0.25, 0.6  # agreements at which a view begins to count, and counts in full
REJECTED = 0.5  # IoU with what the others say below which a mask is rejected ...
OF_USUAL = 0.75  # ... unless that is what is usual: share of the median agreement
BARELY = 0.05  # how far a mask counts at least that is not rejected
LEAST = 1e-9  # so that a view of which every mask is distrusted still has a best one
SLIGHT = 2.0  # rays that are too few to say that masks differ
UNCHECKED = 0.3  # how far a mask counts that no other view can confirm


@dataclass(frozen=True)
class Verdict:
    """What became of masks.

    Attributes:
        weights: How far each counts; 0: rejected, or another of its view was chosen.
        agreement: Soft IoU with what the other views say; NaN where they say nothing.
        shares: How far each cell is the object's, by the masks that count.
        known: Weight of the views that have seen each cell.
    """

    weights: Float[Tensor, "n_masks"]
    agreement: Float[Tensor, "n_masks"]
    shares: Float[Tensor, "n_cells"]
    known: Float[Tensor, "n_cells"]


def settle(
    ballots: Ballots,
    trust: Float[Tensor, "n_masks"],
    anchored: Bool[Tensor, "n_masks"],
    weigh: bool = True,
    reject: bool = True,
    choose: bool = True,
) -> Verdict:
    """Weigh masks by how they agree in space.

    Args:
        ballots: Their votes.
        trust: What is thought of each mask on its own, in [0, 1].
        anchored: Masks that answer a visible prompt of the user's.
        weigh: Whether trust and agreement count; else every mask that is kept weighs the same.
        reject: Whether masks that disagree are rejected.
        choose: Whether agreement chooses among a view's masks; else trust alone does.
    """
    trust = trust.clamp(0, 1)
    start = anchored if bool((anchored & (trust > 0)).any()) else torch.ones_like(anchored)
    weights = _best(ballots, torch.where(start, trust, 0.0))
    agreement = torch.full_like(trust, torch.nan)
    if not (weigh or reject or choose):
        return _verdict(ballots, (_best(ballots, trust + LEAST) > 0).float(), agreement)
    worth = trust
    for _ in range(ROUNDS):
        agreement, heard = _agreement(ballots, weights)
        compared = heard & agreement.isfinite()
        ramp = ((agreement - DISAGREES) / (AGREES - DISAGREES)).clamp(0, 1)
        worth = torch.where(compared, trust * ramp, torch.where(start, UNCHECKED * trust, 0.0))
        rank = worth * torch.where(compared, agreement, UNCHECKED) if choose else trust
        before = weights
        weights = torch.where(_best(ballots, rank) > 0, worth, 0.0)
        if bool((weights - before).abs().max() < 1e-3):
            break
    kept = _best(ballots, (trust * agreement.nan_to_num(UNCHECKED) if choose else trust) + LEAST) > 0
    if reject:
        counted = agreement[(weights > 0) & agreement.isfinite()]
        usual = float(counted.median()) if len(counted) else 1.0
        kept &= ~(agreement < min(REJECTED, OF_USUAL * usual)) & (trust > 0)
        kept &= agreement.isfinite() | start
    if not bool(kept.any()):
        kept = weights > 0
    final = torch.where(kept, worth.clamp_min(BARELY) if weigh else torch.ones_like(trust), 0.0)
    return _verdict(ballots, final, agreement)


def _agreement(
    ballots: Ballots, weights: Float[Tensor, "n_masks"]
) -> tuple[Float[Tensor, "n_masks"], Bool[Tensor, "n_masks"]]:
    """Soft IoU of each mask with what other views say of the cells it sees, and whether they know enough.

    What a third of the views say by mistake must not count against those that are right: over a large
    neighbour that some masks take in, it would weigh more than the object itself.
    """
    own = _by_view(ballots, weights)
    votes = torch.zeros_like(ballots.seen).index_add_(0, ballots.owner, weights[:, None] * ballots.inside)
    known = (own[:, None] * ballots.seen).sum(0) - own[:, None] * ballots.seen
    share = (votes.sum(0) - votes) / known.clamp_min(1e-6)
    said = ((share - NOT_SAID) / (SAID - NOT_SAID)).clamp(0, 1)
    heard = (known >= HEARD).float()
    expected = (ballots.seen * said)[ballots.owner]
    heard = heard[ballots.owner]
    larger = torch.maximum(ballots.inside, expected)
    union = (heard * larger).sum(-1)
    both = (heard * torch.minimum(ballots.inside, expected)).sum(-1)
    every = larger.sum(-1)
    covered = (union + SLIGHT) / (every + SLIGHT)
    return (both + SLIGHT) / (union + SLIGHT), covered >= COVERED


def _by_view(ballots: Ballots, weights: Float[Tensor, "n_masks"]) -> Float[Tensor, "n_views"]:
    return weights.new_zeros(len(ballots.views)).index_add_(0, ballots.owner, weights)


def _best(ballots: Ballots, rank: Float[Tensor, "n_masks"]) -> Float[Tensor, "n_masks"]:
    """The rank of each view's best mask, 0 for its others."""
    best: dict[int, int] = {}
    values = rank.tolist()
    for index, view in enumerate(ballots.owner.tolist()):
        if values[index] > 0 and (view not in best or values[index] > values[best[view]]):
            best[view] = index
    chosen = torch.tensor(sorted(best.values()), dtype=torch.int64)
    return torch.zeros_like(rank).index_copy_(0, chosen, rank[chosen])


def _verdict(
    ballots: Ballots, weights: Float[Tensor, "n_masks"], agreement: Float[Tensor, "n_masks"]
) -> Verdict:
    known = (_by_view(ballots, weights)[:, None] * ballots.seen).sum(0)
    votes = (weights[:, None] * ballots.inside).sum(0)
    return Verdict(weights, agreement, votes / known.clamp_min(1e-6), known)
