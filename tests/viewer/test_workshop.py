"""A workshop: what objects of one session tell each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("viser", reason="needs the extra ui")

from sanerf_hq.masks import MaskSet
from sanerf_hq.runs import quiet
from sanerf_hq.viewer import workshop as module
from sanerf_hq.viewer.state import Click, Part, Picture
from sanerf_hq.viewer.workshop import Outcome, Request, Workshop
from support.balls import ball_camera, ball_photo, center_pixel
from support.greedy import Greedy

PICTURE = Picture("3", None, 64, 48)


def clicked(number: int) -> Part:
    return Part("new", (Click(PICTURE, center_pixel(3, number), True),))


def truth(number: int) -> torch.Tensor:
    return torch.from_numpy(ball_photo(ball_camera(3))[1].astype(np.int64)) == number


def test_what_was_clicked_for_an_object_is_none_of_the_next(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(module, "load_segmenter", lambda *_: Greedy())
    shown: list[Outcome] = []

    def ask(*objects: tuple[str, Part]) -> MaskSet:
        request = Request(tuple((name, (part,)) for name, part in objects), "greedy")
        workshop.segment(request, tmp_path / "scratch", shown.append, quiet, refine=False)
        return shown[-1].masks

    red, green = ("red", clicked(1)), ("green", clicked(2))
    alone = ask(green)
    together = ask(red, green)
    lone, parted = alone.mask("images/3.png"), together.mask("images/3.png", 2)
    assert lone is not None and parted is not None
    assert torch.equal(lone, truth(1) | truth(2)), "by itself it takes in the other"
    assert torch.equal(parted, truth(2))
    first = [s.mask for s in ask(red).segments]
    again = [s.mask for s in together.segments if s.identity == 1]
    assert len(first) == len(again), "what is prompted later leaves the views of the first alone"
