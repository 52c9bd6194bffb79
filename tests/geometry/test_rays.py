from __future__ import annotations

import pytest
import torch

from sanerf_hq.geometry import Rays, concatenate_rays


def some_rays(count: int, times: bool = False) -> Rays:
    directions = torch.nn.functional.normalize(torch.randn(count, 3), dim=-1)
    return Rays(torch.randn(count, 3), directions, torch.rand(count), torch.rand(count) if times else None)


@pytest.mark.parametrize("times", [False, True])
def test_joining_undoes_splitting(times: bool):
    rays = some_rays(7, times)
    joined = concatenate_rays([rays[:3], rays[3:3], rays[3:]])
    assert len(joined) == 7
    assert torch.equal(joined.origins, rays.origins) and torch.equal(joined.directions, rays.directions)
    assert torch.equal(joined.cosines, rays.cosines)
    assert joined.times is None if rays.times is None else torch.equal(joined.times, rays.times)


def test_chosen_by_mask_and_by_index():
    rays = some_rays(4, times=True)
    mask = torch.tensor([True, False, False, True])
    assert torch.equal(rays[mask].origins, rays[torch.tensor([0, 3])].origins)
    assert torch.equal(rays[mask].times, rays.times[mask])


def test_with_and_without_times_cannot_be_joined():
    with pytest.raises(ValueError, match="times"):
        concatenate_rays([some_rays(2), some_rays(2, times=True)])


def test_to_another_device(device: torch.device):
    moved = some_rays(3, times=True).to(device)
    tensors = (moved.origins, moved.directions, moved.cosines, moved.times)
    assert all(tensor.device.type == device.type for tensor in tensors)
