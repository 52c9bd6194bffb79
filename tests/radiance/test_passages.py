"""Passages: empty is what lies before a walk between like cameras, unless a photo can tell."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sanerf_hq.geometry import Camera, WorldTransform, contract, look_at, to_unit
from sanerf_hq.radiance.coarse_cells import SIDE as COARSE
from sanerf_hq.radiance.coarse_cells import cell_middles
from sanerf_hq.radiance.passages import FEW, INNER, NEARBY, before_ways, passages, ways

SIDE = 32
Z = torch.tensor([0.0, 0.0, 1.0])
WORLD = WorldTransform((1.0, 0.0, 0.0), 2.0)  # not the identity, so that frames cannot be confused


def ring(n: int, field_of_view: float = 30.0) -> list[Camera]:
    """Cameras 2 field units from the field's origin, in a circle that begins at x = 2."""
    focal = SIDE / 2 / math.tan(math.radians(field_of_view) / 2)
    K = torch.tensor([[focal, 0.0, SIDE / 2], [0.0, focal, SIDE / 2], [0.0, 0.0, 1.0]])
    places = WORLD.to_scene(torch.stack([on_ring(2 * math.pi * i / n) for i in range(n)]))
    return [Camera(K, look_at(place, WORLD.to_scene(torch.zeros(3)), Z), SIDE, SIDE) for place in places]


def on_ring(angle: float, radius: float = 2.0) -> Tensor:
    return radius * torch.tensor([math.cos(angle), math.sin(angle), 0.0])


def seen(cameras: list[Camera]) -> tuple[Tensor, Tensor, Tensor]:
    """Centres in the field's frame, axes, and a reach that ends at the origin."""
    centers = WORLD.to_field(torch.stack([camera.center for camera in cameras]))
    return centers, torch.stack([camera.forward for camera in cameras]), torch.full((len(cameras),), 2.0)


def is_empty(cells: Tensor, point: Tensor) -> bool:
    i, j, k = (to_unit(contract(point)) * len(cells)).long().tolist()
    return bool(cells[i, j, k])


def test_one_walks_to_neighbours_that_look_at_the_same() -> None:
    centers, forwards, reaches = seen(ring(12))
    found = {tuple(sorted(pair)) for pair in ways(centers, forwards, reaches).tolist()}
    assert found == {tuple(sorted((i, (i + 1) % 12))) for i in range(12)}
    forwards[0] = -forwards[0]
    assert all(0 not in pair for pair in ways(centers, forwards, reaches).tolist()), "it looks elsewhere"
    assert not len(ways(centers, forwards, reaches / 2)), "with things so near, that is far"
    assert not len(ways(centers[:1], forwards[:1], reaches[:1]))


def test_before_a_way_is_close_to_it_on_its_line_of_sight() -> None:
    centers, forwards, reaches = seen(ring(12))
    half = math.pi / 12
    asked = {
        "close before the middle": (on_ring(half, 1.5), True),
        "too deep": (on_ring(half, 0.5), False),
        "behind": (on_ring(half, 2.5), False),
        "aside": (on_ring(half, 1.5) + 0.8 * Z, False),
        "somewhat aside": (on_ring(half, 1.5) + 0.1 * Z, True),
    }
    points = torch.stack([point for point, _ in asked.values()])
    told = before_ways(points, centers, forwards, reaches).tolist()
    assert dict(zip(asked, told, strict=True)) == {name: truth for name, (_, truth) in asked.items()}


def test_what_a_photo_can_tell_is_left_to_it() -> None:
    cameras, narrow = ring(12, 60.0), ring(12, 10.0)
    reaches = torch.full((12,), 2.0)
    middle = on_ring(math.pi / 12, 1.3)
    empty = passages(narrow, WORLD, reaches, 128)
    assert is_empty(empty, middle), "no photo has it in view"
    assert not is_empty(empty, on_ring(0.0, 1.3)), "a photo has it in view nearby"
    assert not is_empty(passages(cameras, WORLD, reaches, 128), middle), "here too"
    assert not is_empty(empty, torch.zeros(3))
    assert not is_empty(empty, on_ring(math.pi / 12, 2.5))


def test_few_that_see_it_from_afar_are_not_asked_and_many_are() -> None:
    middle = on_ring(math.pi / 12, 1.3)
    for n_far, empty in ((1, True), (4, False)):
        # Cameras far behind the ring's other side, that look at nothing but the middle.
        far = [
            Camera(
                camera.K,
                look_at(WORLD.to_scene(on_ring(math.pi + 0.05 * i, 6.0)), WORLD.to_scene(middle), Z),
                SIDE,
                SIDE,
            )
            for i, camera in enumerate(ring(n_far, 5.0))
        ]
        both = ring(12, 10.0) + far
        cells = passages(both, WORLD, torch.full((len(both),), 2.0), 128)
        assert is_empty(cells, middle) == empty


def test_a_cell_that_many_have_in_view_need_not_be_asked_of_the_others() -> None:
    cameras = [*ring(12, 15.0), *ring(30, 8.0)[1::2]]
    reaches = torch.linspace(1.5, 2.5, len(cameras))
    centers, forwards, _ = seen(cameras)
    middles = cell_middles()
    empty = (middles.abs().amax(-1) < INNER) & before_ways(middles, centers, forwards, reaches)
    viewers = torch.zeros(len(middles))
    for one, center, reach in zip(cameras, centers, reaches, strict=True):
        nearby = (middles - center).norm(dim=-1) < NEARBY * reach
        in_view = one.project(WORLD.to_scene(middles)).on_screen
        viewers += torch.where(nearby, float(len(cameras)), 1.0) * in_view
    plain = empty & (viewers < FEW * len(cameras))
    assert 0 < int(plain.sum()) < int(empty.sum())
    assert torch.equal(passages(cameras, WORLD, reaches, COARSE).flatten(), plain)
