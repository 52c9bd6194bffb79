"""Detail: edges have full chance, plain parts little, and pixels are kept by their chance."""

from __future__ import annotations

import torch
from torch import Tensor

from sanerf_hq.geometry import Camera, look_at
from sanerf_hq.radiance.detail import SPARE, WINDOW, chances, prefer
from sanerf_hq.scene import TrainingPixels

SIZES = ((40, 30), (24, 32))


def pixels_of(pictures: list[Tensor]) -> TrainingPixels:
    """Training pixels of grey pictures, [height, width] each."""
    pose = look_at(torch.tensor([0.0, -2.0, 1.5]), torch.zeros(3), torch.tensor([0.0, 0.0, 1.0]))
    cameras = tuple(Camera(torch.eye(3), pose, one.shape[1], one.shape[0]) for one in pictures)
    rgb = torch.cat([one.flatten()[:, None].expand(-1, 3) for one in pictures]).byte()
    offsets = torch.tensor([0, *(one.numel() for one in pictures)]).cumsum(0)
    return TrainingPixels(rgb, None, offsets, cameras, None)


def test_pixels_at_an_edge_have_full_chance_and_plain_ones_the_least() -> None:
    pictures = [torch.full((height, width), 90.0) for width, height in SIZES]
    pictures[1][:, 8:] = 200.0
    found = chances(pixels_of(pictures), 0.25).float() / 255
    first, second = found.split([one.numel() for one in pictures])
    second = second.view(32, 24)
    assert bool((first - 0.25).abs().max() < 0.003), "a photo without anything has no detail"
    assert bool((second[:, 7:9] > 0.99).all())
    reach = 2 * (WINDOW // 2)
    assert bool(((second[:, 8 + reach :] - 0.25).abs() < 0.003).all()), "far from the edge it is plain"
    assert bool((second[:, 8 + reach - 1] > 0.3).all())


def test_contrast_counts_beside_what_photos_usually_have() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(60, 60, generator=generator)
    weak = 100 + 8 * noise
    mixed = torch.cat([weak, 100 + 120 * noise], 1)
    alone = chances(pixels_of([weak]), 0.25).float() / 255
    beside = chances(pixels_of([mixed]), 0.25).view(60, 120)[:, :50].float() / 255
    assert alone.mean() > 0.8
    assert beside.mean() < 0.4
    assert bool((chances(pixels_of([mixed]), 1.0) == 255).all()), "all alike"
    faint = chances(pixels_of([100 + 0.4 * noise.round()]), 0.25)
    assert bool((faint == round(0.25 * 255)).all()), "rounding noise of a plain photo is no detail"


def test_pixels_are_kept_by_their_chance() -> None:
    generator = torch.Generator().manual_seed(0)
    chance = torch.tensor([255, 51]).byte()
    drawn = torch.randint(2, (SPARE * 20000,), generator=generator)
    kept = prefer(drawn, 20000, chance, generator)
    assert kept.shape == (20000,)
    share = float((kept == 1).float().mean())
    assert abs(share - 0.2 / 1.2) < 0.01
    all_alike = torch.full((2,), 255).byte()
    assert torch.equal(prefer(drawn, 20000, all_alike, generator), drawn[:20000])


def test_where_too_few_come_through_others_fill_up() -> None:
    generator = torch.Generator().manual_seed(0)
    chance = torch.zeros(100).byte()
    chance[7] = 255
    drawn = torch.arange(100)
    kept = prefer(drawn, 40, chance, generator)
    assert kept[0] == 7
    assert len(kept.unique()) == 40
