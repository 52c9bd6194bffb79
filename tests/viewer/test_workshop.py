"""A workshop: what objects of one session tell each other."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import viser

pytest.importorskip("viser", reason="needs the extra ui")

from sanerf_hq.masks import MaskSet
from sanerf_hq.runs import quiet
from sanerf_hq.viewer import workshop as module
from sanerf_hq.viewer.panel_find import FindPanel
from sanerf_hq.viewer.session import Session
from sanerf_hq.viewer.state import Click, Part, Picture
from sanerf_hq.viewer.workshop import Outcome, Request, Workshop
from support.balls import ball_camera, ball_photo, center_pixel
from support.chromium import until
from support.clicked import Clicked
from support.greedy import Greedy
from support.recorder import Recorder
from support.sees_colours import SeesColours

PICTURE = Picture("3", None, 64, 48)


def clicked(number: int) -> Part:
    return Part("new", (Click(PICTURE, center_pixel(3, number), True),))


def truth(number: int) -> torch.Tensor:
    return torch.from_numpy(ball_photo(ball_camera(3))[1].astype(np.int64)) == number


def test_what_was_clicked_for_an_object_is_none_of_the_next(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "load_segmenter", lambda *_: Greedy())
    shown: list[Outcome] = []

    def ask(*objects: tuple[str, Part]) -> MaskSet:
        request = Request(tuple((name, (part,)) for name, part in objects), "greedy")
        workshop.segment(request, shown.append, quiet, refine=False)
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


class Gui(viser.GuiApi):
    """A panel's handles without a page."""

    def __init__(self) -> None:
        self.acts: dict[str, Callable[[object], None]] = {}
        self.words = ""

    def add_button(self, label: str, **_: object) -> Any:
        def on_click(act: Callable[[object], None]) -> None:
            self.acts[label] = act

        return SimpleNamespace(on_click=on_click)

    def add_text(self, *_: object, **__: object) -> Any:
        return SimpleNamespace(value=self.words)


def overlap(masks: MaskSet, number: int) -> float:
    """The best IoU of an object's mask in a view with a ball."""
    found = [masks.mask("images/3.png", identity) for identity in range(1, len(masks.names) + 1)]
    scores = [float((m & truth(number)).sum() / (m | truth(number)).sum()) for m in found if m is not None]
    return max(scores)


def test_all_things_are_found_without_a_click(workshop: Workshop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "load_segmenter", lambda *_: Clicked())
    gui, screen = Gui(), Recorder()
    session = Session(workshop, screen, "clicked")
    FindPanel(gui, session)
    gui.acts["Find all things"](None)
    until(lambda: session.is_refined or screen.errors, "the things")
    assert screen.errors == [] and session.outcome is not None
    assert [one.name for one in session.state.objects] == ["thing 1", "thing 2"]
    assert overlap(session.outcome.masks, 1) > 0.9 and overlap(session.outcome.masks, 2) > 0.9
    gui.acts["Find all things"](None)
    until(lambda: len(session.state.objects) == 4, "them again")
    assert session.state.objects[2].name == "thing 1 2", "what is there keeps its name"
    session.close()


def test_words_find_what_they_say(workshop: Workshop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "load_detector", lambda *_: SeesColours())
    gui, screen = Gui(), Recorder()
    gui.words = " green "
    session = Session(workshop, screen, "truth")
    FindPanel(gui, session)
    gui.acts["Find by words"](None)
    until(lambda: session.is_refined or screen.errors, "the ball")
    assert screen.errors == [] and session.outcome is not None
    assert session.outcome.names == ("green",)
    assert overlap(session.outcome.masks, 2) > 0.95
    assert all(box.picture.view for box in session.state.current.parts[0].boxes)
    session.close()


def test_what_cannot_be_looked_for_is_said(workshop: Workshop):
    gui, screen = Gui(), Recorder()
    session = Session(workshop, screen, "truth")
    FindPanel(gui, session)
    gui.acts["Find all things"](None)
    until(lambda: screen.errors)
    assert "truth answers no clicks" in screen.errors[0]
    gui.acts["Find by words"](None)
    until(lambda: len(screen.errors) == 2)
    assert "the text is empty" in screen.errors[1]
    assert session.state.prompted == ()
    session.close()
