"""Flatness: planes cost nothing, clouds of one colour do, edges hardly; lines keep to what may be used."""

from __future__ import annotations

import torch
from torch import Tensor

from sanerf_hq.geometry import Camera, PixelRays, look_at
from sanerf_hq.radiance.flatness import CORE, SHARE, bent, lines_among, threes

SIDE = 40


def camera() -> Camera:
    """It looks at a table from above and aside."""
    pose = look_at(torch.tensor([0.0, -2.0, 1.5]), torch.zeros(3), torch.tensor([0.0, 0.0, 1.0]))
    half = SIDE / 2
    return Camera(torch.tensor([[45.0, 0.0, half], [0.0, 45.0, half], [0.0, 0.0, 1.0]]), pose, SIDE, SIDE)


def lines(n_rays: int = 900) -> tuple[PixelRays, Tensor, int]:
    """The camera's pixels, of which the first come in threes."""
    generator = torch.Generator().manual_seed(0)
    pixel_rays = PixelRays.of([camera()])
    drawn = torch.randint(SIDE * SIDE, (n_rays,), generator=generator)
    n = lines_among(n_rays)
    assert n == int(SHARE * n_rays / 3)
    pixels = threes(pixel_rays, drawn, n, None, generator)
    assert torch.equal(pixels[3 * n :], drawn[3 * n :])
    return pixel_rays, pixels, n


def loss_of(heights: Tensor, rgb: Tensor, opacity: float = 1.0) -> Tensor:
    """Of rays that end at these heights."""
    pixel_rays, pixels, n = lines()
    rays = pixel_rays.rays(pixels)
    distances = (heights[pixels] - rays.origins[:, 2]) / rays.directions[:, 2]
    full = torch.full((len(pixels),), opacity)
    return bent(opacity * distances, full, rays.cosines, rgb[pixels], n)


def test_a_plane_costs_nothing_and_a_bump_of_its_colour_does() -> None:
    white = torch.ones(SIDE * SIDE, 3)
    table = torch.zeros(SIDE * SIDE)
    assert float(loss_of(table, white)) < 1e-6
    bumps = 0.2 * torch.rand(SIDE * SIDE, generator=torch.Generator().manual_seed(1))
    assert float(loss_of(bumps, white)) > 0.3
    assert torch.isclose(loss_of(bumps, white, 0.7), loss_of(bumps, white), rtol=1e-4), "of what is opaque"
    assert float(loss_of(bumps, white, 0.4)) == 0, "what is hardly there has no surface"


def test_bumps_of_another_colour_may_stay() -> None:
    bumps = 0.2 * torch.rand(SIDE * SIDE, generator=torch.Generator().manual_seed(1))
    motley = torch.rand(SIDE * SIDE, 3, generator=torch.Generator().manual_seed(2))
    assert float(loss_of(bumps, motley)) < 0.01


def test_the_loss_is_the_formula() -> None:
    # Three rays along z with 1 / z of 1, 0.99 and 1: bend 0.02 / 0.99.
    inverse = torch.tensor([1.0, 0.99, 1.0])
    grey = torch.full((3, 3), 0.5)
    found = bent(1 / inverse, torch.ones(3), torch.ones(3), grey, 1)
    bend = 0.02 / 0.99
    assert torch.isclose(found, torch.tensor(bend**2 / (bend**2 + CORE**2)), rtol=1e-4)
    grey[2] += 0.06
    halved = bent(1 / inverse, torch.ones(3), torch.ones(3), grey, 1)
    assert torch.isclose(halved, found * torch.exp(torch.tensor(-1.0)), rtol=1e-3)


def test_descent_flattens_a_dent_but_leaves_a_step() -> None:
    distances = torch.tensor([2.0, 2.04, 2.0]).requires_grad_()
    bent(distances, torch.ones(3), torch.ones(3), torch.ones(3, 3), 1).backward()
    assert distances.grad is not None
    assert distances.grad[1] > 0 and distances.grad[0] < 0, "the middle comes nearer, its neighbours go"
    step = torch.tensor([2.0, 2.0, 5.0]).requires_grad_()
    bent(step, torch.ones(3), torch.ones(3), torch.ones(3, 3), 1).backward()
    assert step.grad is not None
    assert step.grad.abs().max() < 0.02 * distances.grad.abs().max()


def test_lines_through_pixels_that_may_not_be_used_shrink_to_a_point() -> None:
    pixel_rays = PixelRays.of([camera()])
    usable = torch.ones(SIDE * SIDE, dtype=torch.bool)
    usable[: SIDE * SIDE // 2] = False
    generator = torch.Generator().manual_seed(3)
    drawn = usable.nonzero()[:, 0][torch.randint(int(usable.sum()), (600,), generator=generator)]
    n = lines_among(600)
    pixels = threes(pixel_rays, drawn, n, usable, generator)
    assert bool(usable[pixels].all())
    ends = pixels[: 3 * n].view(3, n)
    shrunk = ends[0] == ends[2]
    assert 0 < int(shrunk.sum()) < n
    assert torch.equal(ends[1][shrunk], drawn[:n][shrunk])


def test_no_rays_no_lines() -> None:
    assert float(bent(torch.ones(2), torch.ones(2), torch.ones(2), torch.ones(2, 3), 0)) == 0
