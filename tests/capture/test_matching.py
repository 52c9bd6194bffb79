from __future__ import annotations

import itertools

import pytest

from sanerf_hq.capture.config import CaptureConfig, Pairing
from sanerf_hq.capture.matching import choose_pairs, joining_pairs
from sanerf_hq.errors import InputError


@pytest.mark.parametrize(("n", "is_video", "pairing"), [(150, False, "auto"), (40, True, "exhaustive")])
def test_every_pair_once(n: int, is_video: bool, pairing: Pairing):
    pairs = choose_pairs(n, is_video, CaptureConfig(pairing=pairing))
    assert sorted(pairs) == list(itertools.combinations(range(n), 2))


@pytest.mark.parametrize(
    ("n", "is_video", "pairing", "neighbours"),
    [
        (151, False, "auto", 65),  # what is left of 150 photos' pairs
        (151, True, "auto", 10),
        (151, False, "sequential", 10),
    ],
)
def test_neighbours_and_a_spread_out_few(n: int, is_video: bool, pairing: Pairing, neighbours: int):
    pairs = set(choose_pairs(n, is_video, CaptureConfig(pairing=pairing)))
    near = {(i, j) for i, j in itertools.combinations(range(n), 2) if j - i <= neighbours}
    spread = set(itertools.combinations(range(0, n, 3), 2))  # every third: 51 images
    assert pairs == near | spread


@pytest.mark.parametrize("n", [151, 300, 900])
def test_more_photos_than_150_take_about_as_long_not_less(n: int):
    assert 0.7 * 11175 < len(choose_pairs(n, False, CaptureConfig())) <= 11175


def test_the_few_that_fit_nowhere_are_compared_with_all():
    compared = choose_pairs(203, False, CaptureConfig(pairing="sequential"))
    pairs = joining_pairs([200, 201, 202], 203, compared)
    every = {(i, j) for j in (200, 201, 202) for i in range(j)}
    assert set(pairs) == every - set(compared)
    assert len(pairs) == len(set(pairs))
    assert joining_pairs([], 203, compared) == []


def test_many_that_fit_nowhere_are_compared_with_a_spread_that_is_affordable():
    assert 100 * 200 / 2 < len(joining_pairs(range(100, 300), 300, [])) <= 200 * 60
    assert len(joining_pairs(range(3000), 3000, [])) <= 3000 * 60


def test_a_long_walk_stays_affordable_and_closes_its_loop():
    pairs = choose_pairs(3000, True, CaptureConfig())
    assert len(pairs) < 3000 * 10 + 60 * 60 / 2
    assert (0, 2950) in pairs


def test_pairs_of_a_tile_stand_together():
    pairs = choose_pairs(60, False, CaptureConfig())
    tiles = [(i // 10, j // 10) for i, j in pairs]
    assert len([tile for tile, _ in itertools.groupby(tiles)]) == len(set(tiles)) == 21


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("longest", 99, "--longest is 99"),
        ("longest", 9000, "8000 or less"),
        ("frames", 2, "--frames"),
        ("features", 10, "--features"),
        ("threads", -1, "--threads"),
        ("seed", -1, "--seed"),
    ],
)
def test_settings_that_make_no_sense_are_named(field: str, value: int, named: str):
    with pytest.raises(InputError, match=named):
        CaptureConfig(**{field: value})
