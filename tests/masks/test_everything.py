"""All things of a scene without a prompt: two balls and what segmenters make of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sanerf_hq.errors import Cancelled, InputError
from sanerf_hq.masks import find_everything
from sanerf_hq.masks.pieces import ALONG, pieces_of
from sanerf_hq.runs import Key, Progress
from sanerf_hq.segmenters import DecoderPrompt, Embedding, Masks
from support.balls import SIZE, BallField, ball_camera, ball_field, ball_photo, box_of
from support.clicked import Clicked

SHELL = 0


@pytest.fixture(scope="module")
def balls(tmp_path_factory: pytest.TempPathFactory) -> BallField:
    return ball_field(tmp_path_factory.mktemp("balls"))


def truth(index: int, number: int) -> Tensor:
    return torch.from_numpy(ball_photo(ball_camera(index))[1].astype(np.int64)) == number


def test_both_balls_are_found_and_nothing_of_the_shell(balls: BallField):
    found = find_everything(balls, Clicked())
    assert list(found) == ["thing 1", "thing 2"]
    numbers = set()
    for (prompt,) in found.values():
        assert isinstance(prompt.view, str)
        index = int(Path(prompt.view).stem)
        (click,) = prompt.positive
        number = next(n for n in (1, 2) if bool(truth(index, n)[int(click[1]), int(click[0])]))
        assert prompt.box == tuple(map(float, box_of(index, number)))
        numbers.add(number)
    assert numbers == {1, 2}


def test_parts_that_one_view_is_sure_of_lose_to_wholes_that_others_see(balls: BallField):
    found = find_everything(balls, Clicked(halves=("images/1.png", "images/7.png")))
    assert len(found) == 2
    for (prompt,) in found.values():
        assert isinstance(prompt.view, str)
        index = int(Path(prompt.view).stem)
        assert prompt.box in [
            tuple(map(float, box_of(index, n))) for n in (1, 2) if bool(truth(index, n).any())
        ]


def test_large_pictures_are_kept_small(balls: BallField, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sanerf_hq.masks.pieces.LARGEST", SIZE[0] // 2)
    shown = set()
    for (prompt,) in find_everything(balls, Clicked()).values():  # coarse masks may part a ball
        assert isinstance(prompt.view, str)
        index = int(Path(prompt.view).stem)
        seen = [number for number in (1, 2) if bool(truth(index, number).any())]
        boxes = {n: zip(prompt.box, box_of(index, n), strict=True) for n in seen}
        off = {n: max(abs(a - b) for a, b in pairs) for n, pairs in boxes.items()}
        nearest = min(off, key=lambda n: off[n])
        assert off[nearest] <= 2
        shown.add(nearest)
    assert shown == {1, 2}


def test_clicks_are_saved_where_sure_masks_lie(balls: BallField):
    home = balls.at_home()
    segmenter = Clicked()
    photo = torch.from_numpy(ball_photo(ball_camera(3))[0])
    pieces = pieces_of(segmenter, segmenter.embed(photo, "a"), 3, Key(home.run.seed, "test", 0))
    again = pieces_of(segmenter, segmenter.embed(photo, "b"), 3, Key(home.run.seed, "test", 0))
    assert segmenter.clicks["a"] == segmenter.clicks["b"] < ALONG * ALONG * SIZE[1] / SIZE[0]
    assert all(torch.equal(one.mask, other.mask) for one, other in zip(pieces, again, strict=True))
    for number in (1, 2):
        assert sum(torch.equal(piece.mask, truth(3, number)) for piece in pieces) == 1


def test_views_that_agree_on_nothing_say_so(balls: BallField):
    with pytest.raises(InputError, match="8 views agree upon no thing"):
        find_everything(balls, Nothing())


def test_it_tells_its_progress_and_can_be_stopped(balls: BallField):
    told: list[Progress] = []
    find_everything(balls, Clicked(), n_views=9, progress=told.append)
    assert [(one.done, one.total) for one in told if one.stage == "everything"] == [(n, 9) for n in range(10)]

    def stop(_: Progress) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        find_everything(balls, Clicked(), progress=stop)


class Nothing(Clicked):
    """A segmenter that is sure of nothing."""

    def decode(self, embedding: Embedding, prompts: list[DecoderPrompt]) -> list[Masks]:
        logits = torch.full((1, embedding.height, embedding.width), -4.0)
        return [Masks(logits, torch.tensor([0.2]), logits)]
