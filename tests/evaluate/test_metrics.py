from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from sanerf_hq.evaluate.metrics import (
    MOST_PSNR,
    Confusion,
    PixelError,
    boundary,
    boundary_radius,
    count_view,
    depth_error,
    erode,
    psnr,
)


def rectangle(height: int, width: int, top: int, left: int, bottom: int, right: int) -> torch.Tensor:
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[top:bottom, left:right] = True
    return mask


def disc(height: int, width: int, radius: float) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (y - height / 2) ** 2 + (x - width / 2) ** 2 < radius**2


def slow_erosion(mask: torch.Tensor, times: int) -> torch.Tensor:
    """3x3 erosion, `times` times, pixel by pixel, on a copy with one ring of background around it."""
    height, width = mask.shape
    grid = [[False] * (width + 2) for _ in range(height + 2)]
    for y in range(height):
        for x in range(width):
            grid[y + 1][x + 1] = bool(mask[y, x])
    for _ in range(times):
        eroded = [[False] * (width + 2) for _ in range(height + 2)]
        for y in range(1, height + 1):
            for x in range(1, width + 1):
                eroded[y][x] = all(grid[y + v][x + u] for v in (-1, 0, 1) for u in (-1, 0, 1))
        grid = eroded
    return torch.tensor([row[1:-1] for row in grid[1:-1]])


@st.composite
def masks(draw: st.DrawFn) -> torch.Tensor:
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 13))
    seed, density = draw(st.integers(0, 2**31)), draw(st.sampled_from([0.0, 0.5, 0.9, 0.98, 1.0]))
    return torch.rand(height, width, generator=torch.Generator().manual_seed(seed)) < density


@settings(max_examples=60, deadline=None, derandomize=True)
@given(mask=masks(), radius=st.integers(0, 8))
def test_erosion_equals_repeated_small_erosions(mask: torch.Tensor, radius: int) -> None:
    assert torch.equal(erode(mask, radius), slow_erosion(mask, radius))


def test_the_image_border_counts_as_outside() -> None:
    full = torch.ones(7, 10, dtype=torch.bool)
    assert torch.equal(erode(full, 2), rectangle(7, 10, 2, 2, 5, 8))
    assert int(boundary(full, 2).sum()) == 7 * 10 - 3 * 6


def test_boundary_width_is_two_percent_of_the_diagonal() -> None:
    assert boundary_radius(360, 480) == 12  # diagonal 600
    assert boundary_radius(3, 4) == 1  # never nothing


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**31))
def test_boundary_iou_equals_a_slow_one(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    # 2 % of the diagonal of 60 x 80 is 2 pixels; blobs reach the border
    coarse = torch.rand(2, 1, 6, 8, generator=generator)
    prediction, truth = torch.nn.functional.interpolate(coarse, (60, 80), mode="bilinear")[:, 0] > 0.5
    a = prediction & ~slow_erosion(prediction, 2)
    b = truth & ~slow_erosion(truth, 2)
    expected = int((a & b).sum()) / int((a | b).sum())
    assert Confusion().add(prediction, truth).boundary_iou == pytest.approx(expected, abs=1e-12)


def test_perfect_masks_score_one() -> None:
    truth = rectangle(30, 40, 5, 6, 20, 33)
    confusion = Confusion().add(truth, truth)
    assert (confusion.iou, confusion.accuracy, confusion.mean_view_iou) == (1.0, 1.0, 1.0)
    assert (confusion.boundary_iou, confusion.boundary_iou_3px) == (1.0, 1.0)


def test_the_complement_scores_nothing() -> None:
    truth = rectangle(30, 40, 5, 6, 20, 33)
    confusion = Confusion().add(~truth, truth)
    assert (confusion.iou, confusion.accuracy, confusion.mean_view_iou) == (0.0, 0.0, 0.0)
    assert (confusion.boundary_iou, confusion.boundary_iou_3px) == (0.0, 0.0)


def test_an_empty_prediction_scores_nothing_however_accurate() -> None:
    truth = rectangle(30, 40, 5, 6, 8, 10)  # 12 of 1200 pixels
    confusion = Confusion().add(torch.zeros_like(truth), truth)
    assert (confusion.iou, confusion.boundary_iou, confusion.mean_view_iou) == (0.0, 0.0, 0.0)
    assert confusion.accuracy == pytest.approx(0.99)


def test_one_pixel_shift() -> None:
    truth, shifted = rectangle(40, 60, 10, 10, 30, 40), rectangle(40, 60, 10, 11, 30, 41)
    confusion = Confusion().add(shifted, truth)
    assert confusion.iou == pytest.approx(29 / 31)
    assert confusion.accuracy == pytest.approx(1 - 2 * 20 / (40 * 60))
    # band of 3 pixels: 20 x 30 minus 14 x 24 = 264 pixels; shifted by one, a row of the upper and lower bands
    # keeps 29 of 30, a row between keeps 2 of 3 at either side
    shared = 6 * 29 + 14 * 4
    assert confusion.boundary_iou_3px == pytest.approx(shared / (2 * 264 - shared))


def test_counts_by_hand() -> None:
    prediction = torch.tensor([[1, 1, 0], [0, 1, 0]], dtype=torch.bool)
    truth = torch.tensor([[1, 0, 0], [0, 1, 1]], dtype=torch.bool)
    counts = count_view(prediction, truth)
    assert (counts.region.intersection, counts.region.union) == (2, 4)
    assert (counts.correct, counts.pixels) == (4, 6)


def test_views_are_summed_before_the_division() -> None:
    large, small = rectangle(20, 30, 0, 0, 10, 10), rectangle(20, 30, 0, 0, 1, 2)
    confusion = Confusion().add(large, large).add(torch.zeros_like(small), small)
    assert confusion.iou == pytest.approx(100 / 102)
    assert confusion.mean_view_iou == pytest.approx(0.5)


def test_views_of_different_sizes() -> None:
    confusion = Confusion().add(rectangle(4, 6, 0, 0, 2, 2), rectangle(4, 6, 0, 0, 2, 4))
    confusion = confusion.add(rectangle(10, 7, 0, 0, 2, 2), rectangle(10, 7, 0, 0, 2, 2))
    assert confusion.iou == pytest.approx(8 / 12)
    assert confusion.accuracy == pytest.approx((24 + 70 - 4) / (24 + 70))


def test_a_view_without_the_object_neither_helps_nor_hides_a_false_alarm() -> None:
    nothing, half = torch.zeros(8, 12, dtype=torch.bool), rectangle(8, 12, 0, 0, 2, 2)
    seen = Confusion().add(half, rectangle(8, 12, 0, 0, 2, 4))
    assert seen.add(nothing, nothing).mean_view_iou == pytest.approx(0.5)
    assert seen.add(nothing, nothing).iou == pytest.approx(0.5)
    assert seen.add(half, nothing).mean_view_iou == pytest.approx(0.25)
    assert seen.add(half, nothing).iou == pytest.approx(4 / 12)


def test_an_object_in_no_view_is_not_measured() -> None:
    nothing = torch.zeros(8, 12, dtype=torch.bool)
    confusion = Confusion().add(nothing, nothing)
    assert confusion.iou is confusion.boundary_iou is confusion.mean_view_iou is None
    assert confusion.accuracy == 1.0


@pytest.mark.parametrize("score", ["iou", "accuracy", "boundary_iou", "boundary_iou_3px", "mean_view_iou"])
def test_no_view_at_all_is_an_error(score: str) -> None:
    with pytest.raises(ValueError, match="no view"):
        getattr(Confusion(), score)


def test_boundary_iou_feels_a_rim_that_iou_forgives() -> None:
    truth = disc(200, 260, 90)
    for loss in (2, 4, 8):
        confusion = Confusion().add(disc(200, 260, 90 - loss), truth)
        assert confusion.iou is not None and confusion.boundary_iou is not None
        assert confusion.boundary_iou_3px is not None
        assert 1 - confusion.boundary_iou > 3 * (1 - confusion.iou)
        assert confusion.boundary_iou_3px < confusion.boundary_iou


def test_boundary_iou_forgives_what_lies_inside() -> None:
    truth = disc(200, 260, 90)
    holed = truth & ~disc(200, 260, 3)
    confusion = Confusion().add(holed, truth)
    band = int(boundary(truth, boundary_radius(200, 260)).sum())
    extra = int(boundary(holed, boundary_radius(200, 260)).sum()) - band
    assert confusion.boundary_iou == pytest.approx(band / (band + extra))


def test_masks_of_different_size_are_refused() -> None:
    with pytest.raises((ValueError, TypeCheckError)):
        count_view(torch.zeros(4, 5, dtype=torch.bool), torch.zeros(5, 4, dtype=torch.bool))


def test_a_view_of_no_pixels_is_an_error() -> None:
    with pytest.raises(ValueError, match="one size"):
        count_view(torch.zeros(0, 5, dtype=torch.bool), torch.zeros(0, 5, dtype=torch.bool))


def test_psnr_of_a_constant_difference() -> None:
    truth = torch.rand(5, 7, 3, generator=torch.Generator().manual_seed(0)) * 0.5
    assert psnr(truth + 0.1, truth) == pytest.approx(20.0, abs=1e-4)
    assert psnr(truth + 0.01, truth) == pytest.approx(40.0, abs=1e-3)


def test_psnr_of_bytes_and_of_floats_agree() -> None:
    generator = torch.Generator().manual_seed(1)
    a, b = torch.randint(0, 256, (2, 6, 5, 3), generator=generator, dtype=torch.uint8)
    assert psnr(a, b) == pytest.approx(psnr(a.float() / 255, b), abs=1e-4)
    assert psnr(a, a) == pytest.approx(MOST_PSNR)
    black = torch.zeros(4, 6, 3, dtype=torch.uint8)
    assert psnr(black, black + 255) == pytest.approx(0.0)  # as wrong as can be


def test_psnr_looks_at_the_mask_only() -> None:
    truth = torch.zeros(4, 6, 3)
    image = truth.clone()
    image[:, 3:] = 1.0
    image[:, :3] = 0.1
    assert psnr(image, truth, rectangle(4, 6, 0, 0, 4, 3)) == pytest.approx(20.0, abs=1e-4)
    with pytest.raises(ValueError, match="nothing to score"):
        psnr(image, truth, torch.zeros(4, 6, dtype=torch.bool))


def test_pixel_error_pools_pixels_of_several_views() -> None:
    truth = torch.zeros(4, 6, 3)
    error = PixelError().add(truth + 0.2, truth, rectangle(4, 6, 0, 0, 1, 3)).add(truth, truth)
    expected = -10 * math.log10(0.04 * 3 / (3 + 24))
    assert error.psnr == pytest.approx(expected, abs=1e-4)
    assert error.add(truth + 0.5, truth, torch.zeros(4, 6, dtype=torch.bool)) == error
    assert PixelError().psnr is None


@pytest.mark.parametrize("wrong", [math.nan, math.inf, 1.5, -0.5, 200.0])
def test_psnr_refuses_values_that_are_no_colour(wrong: float) -> None:
    truth = torch.zeros(4, 6, 3)
    image = truth.clone()
    image[2, 3, 1] = wrong
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        psnr(image, truth)


def test_depth_error_is_the_median_where_both_are_known() -> None:
    truth = torch.full((3, 3), 2.0)
    truth[0, 0] = 0.0  # not known
    depth = truth * torch.tensor([[9.0, 1.01, 1.02], [1.03, 0.96, 1.05], [0.5, 1.0, 1.0]])
    depth[2, 2] = math.nan
    assert depth_error(depth, truth) == pytest.approx(0.03, abs=1e-6)
    assert depth_error(truth / 3, truth) == pytest.approx(2 / 3)
    assert depth_error(depth, torch.zeros(3, 3)) is None
