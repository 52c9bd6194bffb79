from __future__ import annotations

import pytest
import torch

from sanerf_hq.evaluate.pictures import (
    EXTRA_COLOUR,
    MASK_COLOUR,
    MISSED_COLOUR,
    PALETTE,
    RIGHT_COLOUR,
    contact_sheet,
    difference,
    draw_object_view,
    overlay,
    overlay_all,
    resize,
    window,
)


def grey(height: int, width: int, value: int = 100) -> torch.Tensor:
    return torch.full((height, width, 3), value, dtype=torch.uint8)


def rectangle(height: int, width: int, rows: slice, columns: slice) -> torch.Tensor:
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[rows, columns] = True
    return mask


def test_overlay_outlines_tints_and_darkens() -> None:
    mask = rectangle(20, 30, slice(5, 15), slice(6, 20))
    picture = overlay(grey(20, 30), mask, MASK_COLOUR)
    assert picture[5, 6].tolist() == list(MASK_COLOUR)
    assert picture[10, 12].tolist() == [round(65 + 0.35 * value) for value in MASK_COLOUR]
    assert picture[0, 0].tolist() == [45, 45, 45]


def test_overlay_of_nothing_and_of_everything() -> None:
    nothing = torch.zeros(6, 9, dtype=torch.bool)
    assert overlay(grey(6, 9), nothing, MASK_COLOUR).unique().tolist() == [45]
    assert overlay(grey(6, 9), ~nothing, MASK_COLOUR)[0, 4].tolist() == list(MASK_COLOUR)


def test_each_object_is_tinted_in_its_own_colour() -> None:
    labels = torch.zeros(20, 30, dtype=torch.int64)
    labels[2:12, 2:12], labels[2:12, 15:28] = 1, len(PALETTE) + 2
    picture = overlay_all(grey(20, 30), labels)
    for column, colour in ((6, PALETTE[0]), (20, PALETTE[1])):
        assert picture[6, column].tolist() == [round(65 + 0.35 * value) for value in colour]
    assert picture[2, 2].tolist() == list(PALETTE[0])
    assert picture[15, 13].tolist() == [45, 45, 45]
    assert torch.equal(
        overlay_all(grey(20, 30), (labels == 1).long()), overlay(grey(20, 30), labels == 1, PALETTE[0])
    )


def test_difference_colours_each_kind_of_pixel() -> None:
    prediction = torch.tensor([[1, 1, 0, 0]], dtype=torch.bool)
    truth = torch.tensor([[1, 0, 1, 0]], dtype=torch.bool)
    right, extra, missed, rest = difference(grey(1, 4), prediction, truth)[0].tolist()
    assert right == [round(30 + 0.7 * value) for value in RIGHT_COLOUR]
    assert extra == list(EXTRA_COLOUR)
    assert missed == list(MISSED_COLOUR)
    assert rest == [35, 35, 35]


def test_colours_differ_in_lightness_and_from_blue_to_yellow() -> None:
    right, extra, missed = (
        torch.tensor(colour).float() @ torch.tensor([0.2126, 0.7152, 0.0722])
        for colour in (RIGHT_COLOUR, EXTRA_COLOUR, MISSED_COLOUR)
    )
    assert right - extra > 50 and extra - missed > 50
    assert EXTRA_COLOUR[2] < 50 and MISSED_COLOUR[2] > 200


def test_window_holds_the_mask_and_keeps_the_proportions() -> None:
    mask = rectangle(60, 90, slice(30, 40), slice(80, 90))
    rows, columns = window(mask)
    assert (rows.stop - rows.start, columns.stop - columns.start) == (18, 27)  # 0.3 of either side
    assert columns.stop == 90 and rows.start <= 30 and rows.stop >= 40
    assert int(mask[rows, columns].sum()) == int(mask.sum())


def test_window_grows_with_the_mask_up_to_the_image() -> None:
    wide = rectangle(60, 90, slice(30, 32), slice(20, 60))  # 40 of 90 columns, and half as many again: 2 / 3
    rows, columns = window(wide)
    assert (rows.stop - rows.start, columns.stop - columns.start) == (40, 60)
    assert window(torch.ones(60, 90, dtype=torch.bool)) == (slice(0, 60), slice(0, 90))
    assert window(torch.zeros(60, 90, dtype=torch.bool)) == (slice(0, 60), slice(0, 90))


def test_object_view_shows_the_same_part_in_every_panel() -> None:
    truth = rectangle(60, 90, slice(30, 40), slice(40, 50))
    prediction = rectangle(60, 90, slice(30, 40), slice(40, 45))
    view = draw_object_view("a.jpg", grey(60, 90), prediction, truth, truth)
    assert view.iou == pytest.approx(0.5)
    assert view.photo.shape == (60, 90, 3) and view.photo.max() == 255  # the frame
    assert view.segmenter is not None and view.truth is not None and view.difference is not None
    assert view.mask.shape == view.segmenter.shape == view.truth.shape == view.difference.shape == (18, 27, 3)
    missed = (view.difference == torch.tensor(MISSED_COLOUR, dtype=torch.uint8)).all(-1)
    assert int(missed.sum()) == 50


def test_object_view_shows_where_the_segmenter_went_astray() -> None:
    truth = rectangle(60, 90, slice(5, 10), slice(5, 10))
    astray = rectangle(60, 90, slice(50, 60), slice(80, 90))
    view = draw_object_view("a.jpg", grey(60, 90), truth, truth, astray)
    assert view.mask.shape == (60, 90, 3)
    assert torch.equal(view.photo, grey(60, 90))  # no frame around all of it


def test_object_view_without_truth_or_object() -> None:
    nothing = torch.zeros(60, 90, dtype=torch.bool)
    view = draw_object_view("a.jpg", grey(60, 90), nothing, None, None)
    assert view.segmenter is view.truth is view.difference is view.iou is None
    assert draw_object_view("a.jpg", grey(60, 90), nothing, nothing, None).iou is None


def test_contact_sheet_places_pictures_row_by_row() -> None:
    sheet = contact_sheet([grey(4, 6, value) for value in (10, 20, 30)], columns=2, gap=2)
    assert sheet.shape == (10, 14, 3)
    assert [int(sheet[y, x, 0]) for y, x in ((0, 0), (3, 13), (6, 0), (9, 13), (4, 0))] == [
        10,
        20,
        30,
        255,
        255,
    ]


def test_contact_sheet_fits_pictures_of_other_shapes_into_their_places() -> None:
    sheet = contact_sheet([grey(4, 6, 10), grey(8, 4, 20), grey(2, 12, 30)], columns=5, gap=0)
    assert sheet.shape == (4, 18, 3)
    assert sheet[:, 8:10].unique().tolist() == [20], "upright: half its size, in the middle"
    assert sheet[:, [6, 7, 10, 11]].unique().tolist() == [255]
    assert sheet[1:2, 12:].unique().tolist() == [30], "wide: half its size, too"
    assert sheet[[0, 2, 3], 12:].unique().tolist() == [255]
    with pytest.raises(ValueError, match="contact sheet"):
        contact_sheet([], columns=2)


def test_resize_keeps_the_mean() -> None:
    stripes = grey(8, 12, 0)
    stripes[:, ::2] = 200
    assert resize(stripes, 2, 3).float().mean() == pytest.approx(100, abs=2)
    assert torch.equal(resize(stripes, 8, 12), stripes)
