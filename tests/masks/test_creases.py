"""Creases: boxes on a floor, of points that are seen from above, with votes that err."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sanerf_hq.masks.creases import _flattened, _minimiser, crust_round

SIDE = 1.0
STEP = 0.02
EYE = torch.tensor([3.0, -4.0, 5.0])
GREY, RED = torch.full((3,), 0.5), torch.tensor([0.8, 0.2, 0.2])


def sheet(corner: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Points of a parallelogram, ``STEP`` apart."""
    a = torch.arange(STEP / 2, 1, STEP / float(u.norm()))
    b = torch.arange(STEP / 2, 1, STEP / float(v.norm()))
    return (corner + a[:, None, None] * u + b[None, :, None] * v).reshape(-1, 3)


def faces(left: float) -> list[Tensor]:
    """Top, front and right-hand side of a box that stands on the floor."""
    x, y, z = SIDE * torch.eye(3)
    corner = torch.tensor([left, 0.0, 0.0])
    return [sheet(corner + z, x, y), sheet(corner, x, z), sheet(corner + x, y, z)]


def floor() -> Tensor:
    points = sheet(torch.tensor([-2.0, -2.0, 0.0]), torch.tensor([6.0, 0, 0]), torch.tensor([0, 5.0, 0]))
    under = ((points[:, :2] >= 0) & (points[:, :2] <= SIDE)).all(-1)
    return points[~under]


def evened(parts: list[tuple[Tensor, float, Tensor]]) -> list[float]:
    """Share of each part that is the object's once votes are evened out; parts are points, votes, colour."""
    points = torch.cat([p for p, _, _ in parts])
    points = points + 0.003 * torch.randn(points.shape, generator=torch.Generator().manual_seed(0))
    shares = torch.cat([torch.full((len(p),), vote) for p, vote, _ in parts])
    colours = torch.cat([colour.expand(len(p), 3) for p, _, colour in parts])
    towards = torch.nn.functional.normalize(EYE - points, dim=-1)
    crust = crust_round(points, towards, colours, shares > 0.5)
    assert crust is not None
    found = (crust.evened(shares) > 0.5).float()
    return [float(one.mean()) for one in found.split([len(p) for p, _, _ in parts])]


def test_a_face_that_few_masks_took_in_is_won_over_by_the_rest_of_its_box():
    top, front, side = faces(0.0)
    shares = evened([(top, 1.0, GREY), (front, 1.0, RED), (side, 0.3, GREY), (floor(), 0.0, GREY)])
    assert min(shares[:3]) > 0.85, "the faces meet in edges, whatever their colours"
    assert shares[3] < 0.02, "the floor meets them in a crease, although it has the colour of two of them"


def test_a_neighbour_that_half_of_the_masks_took_in_is_lost_again():
    here, there = torch.cat(faces(0.0)), torch.cat(faces(1.3))
    ground = floor()
    near = (ground[:, 0] - 1.15).abs() < 0.12
    parts = [(here, 0.95, GREY), (there, 0.4, GREY), (ground[near], 0.6, GREY), (ground[~near], 0.0, GREY)]
    shares = evened(parts)
    assert shares[0] > 0.97
    assert shares[1] < 0.02
    assert shares[2] < 0.2, "what runs over to the floor between them"


@pytest.mark.parametrize(("colour", "stays"), [(RED, True), (GREY, False)])
def test_what_lies_flat_is_told_from_the_floor_by_its_colour_alone(colour: Tensor, stays: bool):
    ground = sheet(torch.tensor([-2.0, -2.0, 0.0]), torch.tensor([4.0, 0, 0]), torch.tensor([0, 4.0, 0]))
    disc = ground[:, :2].norm(dim=-1) < 0.5
    shares = evened([(ground[disc], 0.7, colour), (ground[~disc], 0.0, GREY)])
    assert (shares[0] > 0.9) == stays
    assert shares[1] < 0.02


def test_points_without_a_surface_keep_their_votes():
    points = torch.cat([*faces(0.0), torch.full((5, 3), torch.nan), torch.full((5, 3), 100.0)])
    shares = torch.full((len(points),), 0.8)
    shares[-10:] = torch.linspace(0, 1, 10)
    crust = crust_round(
        points, torch.nn.functional.normalize(EYE - points.nan_to_num(), dim=-1), points, shares > 0.5
    )
    assert crust is not None
    assert torch.equal(crust.evened(shares)[-10:], shares[-10:])


def test_of_few_points_or_a_single_place_nothing_is_told():
    few = torch.rand(20, 3)
    assert crust_round(few, few, few, torch.ones(20, dtype=torch.bool)) is None
    one = torch.ones(200, 3)
    assert crust_round(one, one, one, torch.ones(200, dtype=torch.bool)) is None


def test_evening_out_solves_its_equations():
    generator = torch.Generator().manual_seed(1)
    values, trust = torch.rand(6, generator=generator), torch.rand(6, generator=generator) + 0.1
    pairs = torch.tensor([[0, 1], [1, 2], [2, 3], [0, 3], [4, 5]])
    bonds = torch.rand(5, generator=generator)
    system = torch.diag(trust)
    for (a, b), bond in zip(pairs.tolist(), bonds.tolist(), strict=True):
        apart = torch.zeros(6)
        apart[a], apart[b] = 1, -1
        system = system + bond * apart[:, None] * apart
    expected = torch.linalg.solve(system, trust * values)
    assert torch.allclose(_minimiser(values, trust, pairs, bonds, values, 1e-6), expected, atol=1e-5)


@pytest.mark.parametrize(("bond", "high", "low"), [(0.2, 0.8, 0.2), (0.4, 0.6, 0.4), (0.9, 0.5, 0.5)])
def test_values_move_towards_each_other_by_their_bond_until_they_meet(bond: float, high: float, low: float):
    pair, both = torch.tensor([[0, 1]]), torch.ones(2)
    found = _flattened(torch.tensor([1.0, 0.0]), both, pair, torch.tensor([bond]))
    assert torch.allclose(found, torch.tensor([high, low]), atol=0.02)


def test_a_chain_is_cut_at_its_weakest_link():
    values, pairs = torch.linspace(1, 0, 10), torch.tensor([[i, i + 1] for i in range(9)])
    bonds = torch.full((9,), 3.0)
    bonds[6] = 0.05
    found = _flattened(values, torch.ones(10), pairs, bonds)
    assert float(found[:7].min()) > 0.6, "each side comes to its own mean"
    assert float(found[7:].max()) < 0.2
    assert abs(float(found[:7].mean()) - (float(values[:7].mean()) - 0.05 / 7)) < 0.02


@pytest.mark.parametrize(("n", "stray", "behind"), [(70, 7, 2.0), (60, 4, 1.0)])
def test_of_a_small_object_with_a_few_points_far_astray_nothing_is_told(n: int, stray: int, behind: float):
    generator = torch.Generator().manual_seed(0)
    ball = 0.05 * torch.nn.functional.normalize(torch.randn(n, 3, generator=generator), dim=-1)
    wall = torch.tensor([0.0, behind, 0.0]) + 0.3 * torch.randn(stray, 3, generator=generator)
    points = torch.cat([ball, wall])
    assert crust_round(points, points, points, torch.ones(len(points), dtype=torch.bool)) is None
