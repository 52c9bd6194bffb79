from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sanerf_hq.geometry import contract, from_unit, to_unit, uncontract


@given(st.lists(st.tuples(*[st.floats(-1e3, 1e3)] * 3), max_size=20))
def test_there_and_back(points: list[tuple[float, ...]]):
    there = torch.tensor(points, dtype=torch.float64).reshape(-1, 3)
    inside = contract(there)
    assert (inside.abs() <= 2).all()
    assert torch.allclose(uncontract(inside), there, rtol=1e-9, atol=1e-9)


def test_the_inner_cube_is_left_as_it_is():
    points = torch.rand(100, 3) * 2 - 1
    assert torch.equal(contract(points), points)
    assert torch.equal(uncontract(points), points)


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((2.0, 0.0, 0.0), (1.5, 0.0, 0.0)),
        ((-4.0, 2.0, 1.0), (-1.75, 0.875, 0.4375)),
        ((0.0, 0.0, 1e9), (0.0, 0.0, 2.0)),
        ((10.0, -10.0, 10.0), (1.9, -1.9, 1.9)),
        ((1.0, 1.0, -1.0), (1.0, 1.0, -1.0)),
    ],
)
def test_known_points(point: tuple[float, ...], expected: tuple[float, ...]):
    assert contract(torch.tensor([point])).flatten().tolist() == pytest.approx(expected, abs=1e-6)


def test_value_and_slope_are_continuous_at_the_boundary():
    below = torch.tensor([[1 - 1e-6, 0.3, -0.2]], dtype=torch.float64)
    above = torch.tensor([[1 + 1e-6, 0.3, -0.2]], dtype=torch.float64)
    assert torch.allclose(contract(below), contract(above), atol=3e-6)
    slopes = [
        torch.autograd.functional.jacobian(lambda x: contract(x)[0], point)[0, 0, 0]
        for point in (below, above)
    ]
    assert slopes[0].item() == pytest.approx(slopes[1].item(), abs=1e-4) == pytest.approx(1.0, abs=1e-4)


def test_farther_stays_farther():
    reach = torch.logspace(-2, 5, 200, dtype=torch.float64)
    points = contract(reach[:, None] * torch.tensor([[0.2, -1.0, 0.7]], dtype=torch.float64))
    assert (points[:, 1].diff() < 0).all() and points[:, 1].min() > -2


def test_the_faces_of_the_cube_come_back_finite_and_far():
    far = uncontract(torch.tensor([[2.0, 0.0, 0.0], [2.0, -2.0, 2.0]], dtype=torch.float64))
    assert torch.isfinite(far).all() and (far[:, 0] > 1e5).all()


def test_unit_cube():
    corners = torch.tensor([[-2.0, -2.0, -2.0], [2.0, 2.0, 2.0], [0.0, 1.0, -1.0]])
    assert to_unit(corners).tolist() == [[0, 0, 0], [1, 1, 1], [0.5, 0.75, 0.25]]
    assert torch.equal(from_unit(to_unit(corners)), corners)
    assert to_unit(torch.tensor([[-2.1, 2.1, 9.0]])).tolist() == [[0, 1, 1]]


def test_nothing_in_nothing_out():
    for function in (contract, uncontract, to_unit, from_unit):
        assert function(torch.zeros(0, 3)).shape == (0, 3)
