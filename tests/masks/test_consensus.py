"""Which masks agree: votes with a known answer."""

from __future__ import annotations

import torch

from sanerf_hq.masks.ballots import Ballots
from sanerf_hq.masks.consensus import settle

CELLS = 12
RIGHT = torch.tensor([1.0] * 4 + [0.0] * 8)
WRONG = torch.tensor([0.0] * 8 + [1.0] * 4)
RAYS = 5.0  # that each view leaves in each cell it sees


def votes(masks: list[tuple[int, torch.Tensor]], blind: dict[int, list[int]] | None = None) -> Ballots:
    """Views that see every cell but those they are blind to."""
    views = tuple(sorted({view for view, _ in masks}))
    seen = torch.full((len(views), CELLS), RAYS)
    for view, cells in (blind or {}).items():
        seen[views.index(view), cells] = 0
    owner = torch.tensor([views.index(view) for view, _ in masks])
    inside = torch.stack([mask for _, mask in masks]) * seen[owner]
    return Ballots(32, torch.zeros(0, dtype=torch.int64), views, owner, seen, inside)


def ones(n: int) -> torch.Tensor:
    return torch.ones(n)


def at(n: int, *chosen: int) -> torch.Tensor:
    return torch.isin(torch.arange(n), torch.tensor(chosen))


def test_a_majority_that_agrees_on_another_object_stands_against_the_users_views():
    masks = [(0, RIGHT), (1, RIGHT)] + [(view, WRONG) for view in range(2, 9)]
    verdict = settle(votes(masks), ones(9), at(9, 0, 1))
    assert verdict.weights.tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0]
    assert torch.equal(verdict.shares, RIGHT)
    equal = settle(votes(masks), ones(9), at(9, 0, 1), weigh=False, reject=False, choose=False)
    assert equal.weights.tolist() == [1.0] * 9
    assert torch.allclose(equal.shares, (2 * RIGHT + 7 * WRONG) / 9)


def test_agreement_is_the_iou_with_the_other_views():
    half = RIGHT * torch.tensor([1.0, 1.0, 0.0, 0.0] + [0.0] * 8)
    verdict = settle(votes([(0, RIGHT), (1, RIGHT), (2, half)]), ones(3), at(3, 0, 1, 2), reject=False)
    slight = 2.0  # rays that are too few to say that masks differ
    expected = (2 * RAYS + slight) / (4 * RAYS + slight)
    assert abs(float(verdict.agreement[2]) - expected) < 1e-5
    assert float(verdict.weights[2]) < float(verdict.weights[0])


def test_a_large_neighbour_that_some_masks_take_in_is_not_held_against_the_others():
    right = torch.tensor([1.0] + [0.0] * 11)
    masks = [(view, torch.ones(CELLS) if view in (0, 3, 6) else right) for view in range(10)]
    verdict = settle(votes(masks), ones(10), at(10, 0, 1, 2))
    assert verdict.weights.tolist() == [0, 1, 1, 0, 1, 1, 0, 1, 1, 1]
    assert torch.equal(verdict.shares, right)


def test_trust_grows_from_view_to_view_round_an_object():
    front = torch.tensor([1.0, 1.0, 0, 0] + [0.0] * 8)
    middle = torch.tensor([0.0, 1.0, 1.0, 0] + [0.0] * 8)
    back = torch.tensor([0.0, 0, 1.0, 1.0] + [0.0] * 8)
    blind = {0: [2, 3], 1: [0, 3], 2: [0, 1], 3: [0, 1]}
    masks = [(0, front), (1, middle), (2, back), (3, WRONG)]
    verdict = settle(votes(masks, blind), ones(4), at(4, 0))
    assert (verdict.weights[:3] > 0.5).all(), "the back shares no cell with the front but one with the middle"
    assert float(verdict.weights[3]) == 0


def test_the_reading_that_agrees_is_chosen_over_the_one_that_is_praised():
    group = RIGHT + torch.tensor([0.0] * 4 + [1.0] * 2 + [0.0] * 6)
    other = RIGHT + torch.tensor([0.0] * 6 + [1.0] * 2 + [0.0] * 4)
    masks = [(0, RIGHT), (1, group), (1, RIGHT), (2, other), (2, RIGHT), (3, RIGHT)]
    trust = torch.tensor([0.8, 0.9, 0.8, 0.9, 0.8, 0.8])
    chosen = settle(votes(masks), trust, at(6, 0, 3)).weights > 0
    assert chosen.tolist() == [True, False, True, False, True, True]
    praised = settle(votes(masks), trust, at(6, 0, 3), choose=False).weights > 0
    assert praised.tolist() == [True, True, False, True, False, True]


def test_a_lone_view_counts_as_far_as_it_is_trusted():
    verdict = settle(votes([(0, RIGHT)]), torch.tensor([0.8]), at(1, 0))
    assert float(verdict.weights[0]) > 0
    assert torch.equal(verdict.shares, RIGHT)


def test_a_mask_that_misses_every_click_is_left_out():
    verdict = settle(
        votes([(0, RIGHT), (1, RIGHT), (2, RIGHT)]), torch.tensor([1.0, 1.0, 0.0]), at(3, 0, 1, 2)
    )
    assert verdict.weights.tolist() == [1, 1, 0]


def test_a_view_that_rightly_sees_nothing_is_kept():
    empty = torch.zeros(CELLS)
    verdict = settle(votes([(0, RIGHT), (1, RIGHT), (2, empty)], {2: [0, 1, 2, 3]}), ones(3), at(3, 0, 1))
    assert float(verdict.weights[2]) > 0
