"""Gaps: the missing light has the colour of the nearest solid pixel."""

from __future__ import annotations

import torch

from sanerf_hq.radiance.gaps import fill_gaps

WHITE = (1.0, 1.0, 1.0)
RED, BLUE = torch.tensor([0.8, 0.1, 0.1]), torch.tensor([0.1, 0.1, 0.6])


def test_a_gap_has_the_colour_of_the_nearest_solid_pixel() -> None:
    rgb, opacity = torch.zeros(4, 9, 3), torch.zeros(4, 9)
    rgb[:, 0], opacity[:, 0] = RED, 1.0
    rgb[:, 8], opacity[:, 8] = 0.6 * BLUE, 0.6
    rgb[:, 7], opacity[:, 7] = 0.3 * RED, 0.3  # thin, so the rest of it is as its neighbour
    filled = fill_gaps(rgb, opacity, WHITE)
    assert torch.allclose(filled[:, :4], RED.expand(4, 4, 3))
    assert torch.allclose(filled[:, 5:7], BLUE.expand(4, 2, 3))
    assert torch.allclose(filled[:, 8], BLUE.expand(4, 3)), "a solid pixel lends itself what is missing"
    assert torch.allclose(filled[:, 7], (0.3 * RED + 0.7 * BLUE).expand(4, 3))


def test_pictures_without_gaps_or_without_anything() -> None:
    rgb = torch.rand(3, 5, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(fill_gaps(rgb, torch.ones(3, 5), WHITE), rgb)
    nothing = fill_gaps(torch.zeros(3, 5, 3), torch.zeros(3, 5), (0.2, 0.4, 0.6))
    assert torch.allclose(nothing, torch.tensor([0.2, 0.4, 0.6]).expand(3, 5, 3))
