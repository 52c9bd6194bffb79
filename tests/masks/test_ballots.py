"""Ballots and guesses, against sums by hand on two balls."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
import torch

from sanerf_hq.masks.ballots import SIDES, Booth, count_ballots
from sanerf_hq.masks.candidates import candidates_of, share_answered, stability
from sanerf_hq.masks.consensus import Verdict
from sanerf_hq.masks.guess import guess_from, shares_in
from sanerf_hq.radiance import ViewSamples, load_view_samples, spread_order
from sanerf_hq.segmenters import Masks
from support.balls import BallField, ball_camera, ball_field, ball_photo

RED = {
    number: torch.from_numpy(ball_photo(ball_camera(view))[1].astype(np.int64)) == 1
    for number, view in ((2, 2), (3, 3))
}


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> BallField:
    return ball_field(tmp_path_factory.mktemp("balls"))


@pytest.fixture(scope="module")
def pool(field: BallField) -> ViewSamples:
    return load_view_samples(field)


def booths(field: BallField, pool: ViewSamples) -> dict[int, Booth]:
    return {number: Booth.of_view(pool, field.at_home().pixel_rays, number) for number in RED}


def test_votes_are_the_weights_that_rays_leave(field: BallField, pool: ViewSamples):
    ballots = count_ballots(booths(field, pool), list(RED.items()))
    assert ballots.views == (2, 3)
    for row, (number, mask) in enumerate(RED.items()):
        here = pool.of_view(number)
        pixels = pool.pixels[here] - int(field.at_home().pixel_rays.offsets[number])
        rays = pool.surfaces.take(torch.arange(here.start, here.stop))
        cells = (rays.unit_points * ballots.side).long().tolist()
        places = ballots.place[booths(field, pool)[number].numbers(ballots.side)].tolist()
        of = pixels.repeat_interleave(rays.packed_info[:, 1].long()).tolist()
        seen: dict[tuple[int, ...], float] = defaultdict(float)
        inside: dict[tuple[int, ...], float] = defaultdict(float)
        at: dict[tuple[int, ...], int] = {}
        for xyz, weight, pixel, place in zip(cells, rays.weights.tolist(), of, places, strict=True):
            cell = tuple(xyz)
            seen[cell] += weight
            inside[cell] += weight * float(mask.flatten()[pixel])
            assert at.setdefault(cell, place) == place, "a cell has one place"
        counted = {cell: place for cell, place in at.items() if place >= 0}
        assert len(set(counted.values())) == len(counted), "no two cells have the same"
        for cell, place in counted.items():
            assert float(ballots.seen[row, place]) == pytest.approx(seen[cell], rel=1e-5)
            assert float(ballots.inside[row, place]) == pytest.approx(inside[cell], rel=1e-5, abs=1e-7)
        assert all(inside[cell] == 0 for cell in at.keys() - counted.keys())
        assert float(ballots.seen[row].sum()) == pytest.approx(sum(seen[c] for c in counted), rel=1e-5)


def test_cells_are_as_coarse_as_rays_are_thin(field: BallField, pool: ViewSamples):
    few = count_ballots(booths(field, pool), list(RED.items()))
    assert few.side == SIDES[-1], "192 rays a view are too few for the finest"
    again = count_ballots(booths(field, pool), [(2, RED[2]), (2, RED[2]), (3, RED[3])])
    assert again.side == few.side, "more candidates of a view are no more rays"
    assert again.owner.tolist() == [0, 0, 1]


def test_a_guess_shows_the_object_in_another_view(field: BallField, pool: ViewSamples):
    ballots = count_ballots(booths(field, pool), list(RED.items()))
    known, votes = ballots.seen.sum(0), ballots.inside.sum(0)
    verdict = Verdict(torch.ones(2), torch.ones(2), votes / known.clamp_min(1e-6), known)
    number = 4  # the training views are numbered without the test view
    booth = Booth.of_view(pool, field.at_home().pixel_rays, number)
    guess = guess_from(shares_in(ballots, verdict, booth), booth, 64, 48)
    assert guess is not None
    truth = torch.from_numpy(ball_photo(ball_camera(number))[1].astype(np.int64)) == 1
    x, y = guess.xy[guess.mask].long().unbind(-1)
    assert float(truth[y, x].float().mean()) > 0.8
    assert guess.likeness(truth) > 0.5
    assert guess.likeness(~truth) < 0.1
    assert torch.equal(guess.logits() > 0, guess.mask)
    assert guess.logits().abs().min() >= 4, "a guess is sure of itself"
    points = guess.points(3)
    assert 1 <= len(points) <= 3
    assert bool(truth[points[:, 1].long(), points[:, 0].long()].all())
    x0, y0, x1, y1 = guess.box(64, 48).tolist()
    assert 0 <= x0 < float(x.min()) < float(x.max()) < x1 <= 64
    assert 0 <= y0 < float(y.min()) < float(y.max()) < y1 <= 48
    nothing = Verdict(torch.ones(2), torch.ones(2), torch.zeros_like(known), known)
    assert guess_from(shares_in(ballots, nothing, booth), booth, 64, 48) is None


def test_the_core_is_what_a_segmenter_is_surest_of():
    logits = torch.arange(-20.0, 21.0).expand(3, 41)
    masks = Masks(logits[None], torch.tensor([0.8]), logits[None])
    (one,) = candidates_of(0, masks, torch.zeros(0, 2), torch.zeros(0, dtype=torch.bool), "user")
    assert int(one.mask.sum()) == 3 * 20
    assert one.core is not None
    assert torch.equal(one.core, logits > 5), "three quarters of the mask"
    flat = Masks(torch.full((1, 3, 4), 2.0), torch.tensor([0.8]), logits[None])
    (one,) = candidates_of(0, flat, torch.zeros(0, 2), torch.zeros(0, dtype=torch.bool), "user")
    assert one.core is not None and bool(one.core.all())
    (one,) = candidates_of(0, flat, torch.zeros(0, 2), torch.zeros(0, dtype=torch.bool), "spread")
    assert one.core is None


def test_what_is_thought_of_a_mask_alone():
    logits = torch.tensor([[3.0, 0.5, -0.5, -3.0]])
    assert stability(logits) == pytest.approx(1 / 3)
    mask = logits > 0
    points = torch.tensor([[0.5, 0.5], [2.5, 0.5], [3.5, 0.5]])
    assert share_answered(mask, points, torch.tensor([True, True, False])) == pytest.approx(0.5)
    assert share_answered(mask, points[:1], torch.tensor([False])) == 0
    assert share_answered(mask, points[:0], torch.zeros(0, dtype=torch.bool)) == 1


def test_the_first_few_views_look_from_all_sides(field: BallField):
    home = field.at_home()
    order = spread_order(home, [2], list(range(11)), torch.zeros(3))
    assert order[0] == 2
    assert sorted(order) == list(range(11))
    towards = torch.stack([home.cameras[number].center for number in order[:3]])
    towards = torch.nn.functional.normalize(towards, dim=-1)
    cosines = (towards @ towards.T)[torch.triu(torch.ones(3, 3), 1) > 0]
    assert float(cosines.max()) < 0.3, "three of a ring of twelve are some 90 degrees apart or more"
    assert spread_order(home, [], [4], torch.zeros(3)) == [4]
    assert spread_order(home, [], [], torch.zeros(3)) == []
