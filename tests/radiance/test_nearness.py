"""How near to each camera its own rays are quieted."""

from __future__ import annotations

import torch

from sanerf_hq.radiance.nearness import NEARER, SHARE, Nearness, quieted


def test_gradients_are_quieted_near_the_camera_growth_most() -> None:
    near = torch.tensor([0.2, 0.4, 0.65, 0.65, 1.4, 3.0])
    grad = torch.tensor([-8.0, 8.0, -8.0, 8.0, -8.0, 8.0])
    assert torch.allclose(quieted(grad, near), torch.tensor([0.0, 0.0, -0.5, 4.0, -8.0, 8.0]), atol=1e-5)


def test_each_camera_learns_where_its_nearer_things_are() -> None:
    generator = torch.Generator().manual_seed(0)
    nearness = Nearness.unknown(3, 1.0)
    ranges = torch.tensor([[0.4, 0.8], [2.0, 6.0]])  # uniform distances; the third camera has no rays
    for _ in range(400):
        views = torch.randint(2, (100,), generator=generator)
        low, high = ranges[views].unbind(-1)
        distances = low + torch.rand(100, generator=generator) * (high - low)
        ended = torch.rand(100, generator=generator) < 0.9
        nearness.learn(views, torch.where(ended, distances, torch.nan), ended)
    quarter = ranges[:, 0] + NEARER * (ranges[:, 1] - ranges[:, 0])
    assert torch.allclose(nearness.log_reach[:2].exp(), quarter, rtol=0.05)
    near = nearness.of(torch.tensor([0, 1, 2]), most=torch.ones(3))
    assert torch.allclose(near, torch.tensor([SHARE * quarter[0], 1.0, 1.0]), rtol=0.05)
