"""Compositing identities, regions, and rays that hit nothing."""

from __future__ import annotations

from dataclasses import replace

import torch

from sanerf_hq.objects.composite import BACKGROUND_LOGIT, composite_identities, is_solid, restricted
from sanerf_hq.objects.region import SIDES, Region, find_regions
from sanerf_hq.radiance import SurfaceSamples


def three_rays() -> SurfaceSamples:
    """A ray of two samples, an empty one, and one of a single sample of weight 0.6."""
    return SurfaceSamples(
        torch.tensor([[0.2, 0.2, 0.2], [0.8, 0.8, 0.8], [0.25, 0.2, 0.2]]),
        torch.zeros(3, 4, dtype=torch.float16),
        torch.tensor([0.5, 0.5, 0.6]),
        torch.tensor([[0, 2], [0, 0], [2, 1]], dtype=torch.int32),
        torch.tensor([1.0, 0.0, 0.6]),
        torch.tensor([1.0, float("nan"), 1.0]),
    )


def test_logits_are_weighted_sums_and_what_is_left_is_background():
    identities = torch.tensor([[1.0, 2.0], [3.0, -4.0], [0.0, 5.0]], requires_grad=True)
    logits = composite_identities(identities, three_rays())
    left = 0.4 * BACKGROUND_LOGIT
    expected = torch.tensor([[2.0, -1.0], [BACKGROUND_LOGIT, 0.0], [left, 3.0]])
    assert torch.allclose(logits, expected, atol=1e-5)
    logits[:, 1].sum().backward()
    assert identities.grad is not None
    assert torch.allclose(identities.grad[:, 1], torch.tensor([0.5, 0.5, 0.6]))


def test_an_empty_ray_is_background():
    logits = composite_identities(torch.zeros(3, 2), three_rays())
    assert logits[1].argmax() == 0
    assert is_solid(three_rays()).tolist() == [True, False, True]


def test_samples_outside_the_region_become_background():
    near = restricted(three_rays(), Region.of(torch.arange(8).view(2, 2, 2) == 0))
    assert near.packed_info[:, 1].tolist() == [1, 0, 1]
    logits = composite_identities(torch.tensor([[0.0, 9.0], [0.0, 9.0]]), near)
    assert torch.allclose(logits[0], torch.tensor([0.5 * BACKGROUND_LOGIT, 4.5]), atol=1e-5)


def test_the_region_holds_what_the_labels_agree_on():
    inside = 0.5 + 0.05 * torch.rand(500, 3)
    outside = torch.rand(3000, 3) * 0.3
    points = torch.cat([inside, outside])
    n = len(points)
    surfaces = SurfaceSamples(
        points,
        torch.zeros(n, 4, dtype=torch.float16),
        torch.ones(n),
        torch.stack([torch.arange(n), torch.ones(n).long()], -1).int(),
        torch.ones(n),
        torch.ones(n),
    )
    label = torch.arange(n) < 500
    label[600:620] = True  # a few labels that fell on what lies behind
    lone = torch.tensor([[0.1, 0.9, 0.9]])  # a spot that only one labelled ray hit
    surfaces = SurfaceSamples.join([surfaces, replace(surfaces.take(torch.tensor([0])), unit_points=lone)])
    label = torch.cat([label, torch.tensor([True])])
    (region,) = find_regions(surfaces, label[:, None], torch.ones(n + 1))
    assert region is not None
    assert bool(region.inside(inside).all())
    assert not bool(region.inside(outside).any())
    assert not bool(region.inside(lone).any())
    assert max(high - low for low, high in zip(region.low, region.high, strict=True)) < 0.05 + 6 / SIDES[0]
    unit = region.to_unit(inside)
    assert float(unit.amin()) >= 0
    assert float(unit.amax()) <= 1
    nowhere = torch.zeros(n + 1, 1, dtype=torch.bool)
    assert find_regions(surfaces, nowhere, torch.ones(n + 1)) == [None]
