"""Words to boxes on two balls, with a detector that sees colours and errs on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sanerf_hq.errors import Cancelled, InputError
from sanerf_hq.prompts import find_by_text
from sanerf_hq.prompts.text import MOST_PROMPTS, placed
from sanerf_hq.runs import Progress
from support.balls import CENTERS, RADIUS, BallField, ball_camera, ball_field, box_of
from support.sees_colours import NUMBERS, SeesColours


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> BallField:
    return ball_field(tmp_path_factory.mktemp("balls"))


@pytest.mark.parametrize("colour", ["red", "green"])
def test_what_most_views_agree_upon_is_meant_not_what_one_likes_best(field: BallField, colour: str):
    prompts = find_by_text(field, SeesColours(), colour)
    assert len({prompt.view for prompt in prompts}) == len(prompts) == MOST_PROMPTS
    for prompt in prompts:
        assert isinstance(prompt.view, str)
        assert prompt.box == tuple(map(float, box_of(int(Path(prompt.view).stem), NUMBERS[colour])))


def test_a_few_views_will_do_and_progress_is_told(field: BallField):
    told: list[Progress] = []
    detector = SeesColours()
    assert find_by_text(field, detector, "red", n_views=2, progress=told.append)
    assert detector.pictures == 2
    assert [(one.done, one.total) for one in told] == [(0, 2), (1, 2), (2, 2)]

    def stop(_: Progress) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        find_by_text(field, detector, "red", progress=stop)


def test_what_fits_nothing_is_said_with_the_likeliest_score(field: BallField):
    with pytest.raises(InputError, match=r"nothing in 11 training views fits the text 'a blue cube'.*0\.05"):
        find_by_text(field, SeesColours(), "a blue cube")
    assert find_by_text(field, SeesColours(), "a blue cube", least_score=0.04)
    with pytest.raises(
        InputError, match=r"the least score \(--least-score\) is 2; give a number from 0 to 1"
    ):
        find_by_text(field, SeesColours(), "red", least_score=2)


def test_the_middle_of_a_thing_is_found_from_all_sides(field: BallField):
    for number in (2, 3, 8):
        view = field.at_home().scene.view(str(number))
        found = placed(field, view, torch.tensor(box_of(number, 1)).float())
        assert found is not None
        middle, size = found
        assert float((middle - CENTERS[0]).norm()) < 0.35 * RADIUS
        assert size == pytest.approx(2 * RADIUS, rel=0.15)
    assert ball_camera(2).width == 64


def test_boxes_of_nothing_have_no_place(field: BallField, tmp_path: Path):
    view = field.at_home().scene.view("3")
    assert placed(field, view, torch.tensor([10.0, 10, 10.5, 30])) is None
    empty = ball_field(tmp_path, shell=False)
    assert placed(empty, empty.at_home().scene.view("3"), torch.tensor([0.0, 0, 6, 6])) is None
