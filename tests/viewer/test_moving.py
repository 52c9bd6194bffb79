"""A scene that moves in the viewer: one moment of it, and what is cut out there followed through time."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import viser

from sanerf_hq.errors import InputError
from sanerf_hq.objects import ObjectField, load_moving_masks, load_moving_object
from sanerf_hq.objects.train import fuse
from sanerf_hq.radiance import nearest_moment
from sanerf_hq.viewer.app import App
from sanerf_hq.viewer.files import Files
from sanerf_hq.viewer.gate import Gate
from sanerf_hq.viewer.page import Page
from sanerf_hq.viewer.panel_time import TimePanel, step_between
from sanerf_hq.viewer.pointing import view_at
from sanerf_hq.viewer.screen import Status
from sanerf_hq.viewer.session import Session
from sanerf_hq.viewer.storage import load_session
from sanerf_hq.viewer.viewpoint import Viewpoint
from sanerf_hq.viewer.workshop import Workshop
from support.chromium import until
from support.moving_balls import (
    MOMENTS,
    N_CAMERAS,
    PROMPTED,
    MovingBallField,
    centers_at,
    moving_camera,
    moving_field,
    moving_truth,
    name_of,
)
from support.recorder import CANVAS, Recorder
from support.viewer_client import CLIENTS, Client, joined

NOW, LATER = 0.5, 1.0
AWAY = 4.0  # of the cameras from what they look at


@pytest.fixture
def field(tmp_path: Path, small_objects: None) -> MovingBallField:
    torch.set_num_threads(1)
    return moving_field(tmp_path)


@pytest.fixture
def opened(field: MovingBallField) -> Iterator[tuple[Session, Recorder, Files]]:
    """The middle moment, seen from a camera that both balls are in sight of."""
    screen = Recorder()
    session = Session(Workshop(field.at(NOW), "draft", "cpu"), screen, "truth")
    session.moved(Viewpoint.of_camera(moving_camera(PROMPTED, NOW), AWAY), CANVAS)
    yield session, screen, Files(session, lambda name, content: None)
    session.close()


def click(session: Session, number: int) -> None:
    window = Viewpoint.of_camera(moving_camera(PROMPTED, NOW), AWAY).camera(*CANVAS)
    x, y = window.project(centers_at(NOW)[number - 1 : number]).xy[0].tolist()
    session.clicked((x / CANVAS[0], y / CANVAS[1]), positive=True)


def saved(screen: Recorder) -> None:
    until(lambda: screen.errors or screen.statuses[-1].text.startswith("saved as"), "what is kept")


def test_only_views_of_its_time_are_shown(field: MovingBallField):
    home = field.at(NOW).at_home()
    assert [view.name for view in home.shown] == [name_of(index, NOW) for index in range(N_CAMERAS)]
    assert len(home.views) == N_CAMERAS - 1, "the last camera is for tests"
    for time in MOMENTS:
        here = view_at(field.at(time).at_home(), Viewpoint.of_camera(moving_camera(2, NOW), AWAY), AWAY)
        assert here is not None and here.name == name_of(2, time), "cameras stand still, photos do not"
    assert len(field.at_home().shown) == len(MOMENTS) * N_CAMERAS


def test_what_is_saved_is_of_its_time(opened: tuple[Session, Recorder, Files], field: MovingBallField):
    session, screen, files = opened
    click(session, 1)
    files.save("ball", replace=False)
    saved(screen)
    assert screen.errors == []
    assert set(load_moving_object(field, "ball").fields) == {NOW}
    record = json.loads(field.at_home().run.segmentation("ball").prompts.read_text())
    assert record["time"] == NOW
    (asked,) = record["objects"]
    assert asked["prompts"][0]["view"] == name_of(PROMPTED, NOW)
    kept = load_session(field.at(NOW), "ball", "compact")
    assert kept.state == session.state and kept.outcome.request == session.request


def test_followed_through_time(
    opened: tuple[Session, Recorder, Files], field: MovingBallField, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sanerf_hq.objects.through_time.LEAST_LIKENESS", 0.0)
    session, screen, files = opened
    click(session, 1)
    files.follow("ball", replace=False)
    saved(screen)
    assert screen.errors == []
    assert screen.statuses[-1].text.endswith("object 1 at 3 of 3 times")
    assert session.name == "ball" and session.outcome is not None and session.outcome.field is not None
    for time, masks in load_moving_masks(field, "ball").items():
        found = masks.mask(name_of(PROMPTED, time))
        assert found is not None
        truth = moving_truth(moving_camera(PROMPTED, time), 1)
        assert float((found & truth).sum() / (found | truth).sum()) > 0.9
    files.save("ball", replace=False)
    until(lambda: screen.errors)
    assert "ball also holds other times" in screen.errors[-1]
    assert set(load_moving_object(field, "ball").fields) == set(MOMENTS)
    later = load_session(field.at(LATER), "ball", "compact")
    assert later.outcome.field is not None
    assert not later.state.prompted, "what was clicked at another time says nothing of this one"


def test_following_that_is_stopped_leaves_what_was_there(
    opened: tuple[Session, Recorder, Files], field: MovingBallField, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sanerf_hq.objects.through_time.LEAST_LIKENESS", 0.0)
    session, screen, files = opened
    click(session, 1)
    files.follow("ball", replace=False)
    saved(screen)
    folder = field.at_home().run.segmentation("ball").folder
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    fused: list[ObjectField] = []

    def stopped_at_the_second(*given: Any) -> ObjectField:
        if fused:
            files.stop()
        fused.append(fuse(*given))
        return fused[-1]

    monkeypatch.setattr("sanerf_hq.objects.through_time.fuse", stopped_at_the_second)
    session.edit(lambda state: state.with_object())
    click(session, 2)
    files.follow("ball", replace=True)
    until(lambda: screen.statuses[-1].text == "stopped; nothing was written", "the stop")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert set(load_moving_object(field, "ball").fields) == set(MOMENTS)
    assert len(fused) == 1


def test_each_moment_keeps_what_was_clicked_in_it(
    opened: tuple[Session, Recorder, Files], monkeypatch: pytest.MonkeyPatch
):
    session, screen, files = opened
    click(session, 1)
    until(lambda: session.is_refined, "the refined field")
    before, outcome, first = session.state, session.outcome, session.workshop
    later = first.at(0.9)
    pictures = [workshop.pictures("truth") for workshop in (first, later)]
    assert pictures[0] is pictures[1], "what answers is loaded once for all moments"
    session.go_to(later)
    assert session.workshop.field.moment == LATER and session.workshop.home.moment == LATER
    assert not session.state.prompted and session.outcome is None
    until(lambda: session.frame is not None and session.frame.is_final, "the other moment's picture")
    here = view_at(session.workshop.home, Viewpoint.of_camera(moving_camera(0, NOW), AWAY), AWAY)
    assert here is not None and here.name == name_of(0, LATER)
    click(session, 2)
    until(lambda: session.is_refined, "a refined field")
    (asked,) = session.state.current.parts[0].clicks
    assert asked.picture.view == name_of(PROMPTED, LATER)
    second = session.outcome
    session.go_to(first)
    assert session.state == before and session.outcome is outcome
    monkeypatch.setattr("sanerf_hq.viewer.session.KEPT_OUTCOMES", 1)
    session.go_to(first.at(0.1))  # what was made of the clicks of LATER is let go, the clicks are not
    session.go_to(first.at(LATER))
    assert session.state.prompted and session.outcome is None
    until(lambda: session.is_refined, "it is segmented again")
    assert second is not None and session.request == second.request
    session.go_to(first)
    until(lambda: session.is_refined, "the first moment again")
    files.save("ball", replace=False)
    saved(screen)
    assert screen.errors == [], "what was left is saved as it is"
    assert set(load_moving_object(session.workshop.field.whole(), "ball").fields) == {NOW}


def test_the_slider_knows_moments_and_the_latest_counts():
    class Slider:
        value = 0.0

        def on_update(self, act: Callable[[object], None]) -> None:
            self.act = act

    class Gui(viser.GuiApi):
        def __init__(self) -> None:
            """Not a server's."""

        def add_slider(
            self, label: str, low: float, high: float, step: float, at: float, hint: str
        ) -> Slider:
            self.given = low, high, step, at
            self.slider = Slider()
            return self.slider

    gui: Any = Gui()
    gone: list[float] = []
    panel = TimePanel(gui, (0.0, 0.2, 1.0), 0.2, gone.append)
    assert gui.given == (0.0, 1.0, 0.2, 0.2)
    for value in (0.15, 0.7, 0.9, 0.05):
        gui.slider.value = value
        gui.slider.act(None)
    assert gone == [1.0, 0.0], "0.15 is nearest to the one that is shown, 0.9 to the one after it"
    assert panel.wanted == 0.0
    panel.stay(1.0)
    assert gui.slider.value == 1.0 and panel.wanted == 1.0


@pytest.mark.parametrize(
    "moments",
    [
        (0.0, 0.5, 1.0),
        (0.0, 0.01, 0.02, 1.0),
        (0.0, 0.3, 1.0),
        (0.1, 0.15, 0.2, 0.9, 0.97),
        (0.0, 1 / 3, 0.7, 1.0),
    ],
)
def test_the_slider_comes_to_every_moment(moments: tuple[float, ...]):
    step = step_between(moments)
    places = [moments[0] + n * step for n in range(round((moments[-1] - moments[0]) / step) + 1)]
    assert places[-1] == pytest.approx(moments[-1])
    assert {nearest_moment(moments, one) for one in places} == set(moments)


def test_the_page_goes_to_another_time(moving_app: App):
    (client,) = joined(moving_app)
    page = page_of(moving_app)
    assert set(page.window._frusta) == {name_of(index, NOW) for index in range(N_CAMERAS - 1)}
    slide(client, page, 0.9)
    until(lambda: name_of(0, LATER) in page.window._frusta, "cameras of that time")
    until(lambda: len(page.window._frusta) == N_CAMERAS - 1, "all of them")
    assert page.session.workshop.field.moment == LATER
    assert set(page.window._frusta) == {name_of(index, LATER) for index in range(N_CAMERAS - 1)}
    assert page.show._view.options == tuple(name_of(index, LATER) for index in range(N_CAMERAS))


def test_what_keeps_the_page_from_another_time_is_said(moving_app: App, monkeypatch: pytest.MonkeyPatch):
    (client,) = joined(moving_app)
    page = page_of(moving_app)

    def unreadable(self: Workshop, time: float) -> Workshop:
        raise InputError("its samples cannot be read; train it again")

    monkeypatch.setattr(Workshop, "at", unreadable)
    slide(client, page, 0.9)
    until(lambda: "its samples cannot be read" in page._status.content, "the sentence")
    assert page._time.wanted == NOW == page.session.workshop.field.moment


def test_a_page_that_is_closed_on_the_way_stays_where_it_was(
    moving_app: App, monkeypatch: pytest.MonkeyPatch
):
    (client,) = joined(moving_app)
    page = page_of(moving_app)
    session = page.session
    begun, go_on = threading.Event(), threading.Event()
    real = Workshop.at

    def held(self: Workshop, time: float) -> Workshop:
        begun.set()
        assert go_on.wait(240)
        return real(self, time)

    monkeypatch.setattr(Workshop, "at", held)
    slide(client, page, 0.9)
    assert begun.wait(240)
    client.socket.close()
    until(lambda: not moving_app.sessions, "the end of the page")
    go_on.set()
    page._events.shutdown(wait=True)
    assert session.workshop.field.moment == NOW


def test_a_page_goes_after_its_session(moving_app: App):
    joined(moving_app)
    page = page_of(moving_app)
    page.session.go_to(page.session.workshop.at(LATER))
    assert page._time.wanted == LATER
    assert page.show._view.options == tuple(name_of(index, LATER) for index in range(N_CAMERAS))


@pytest.fixture
def moving_app(field: MovingBallField, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    monkeypatch.setattr("sanerf_hq.viewer.app.ANSWER_SECONDS", 0.2)  # nobody answers for a local storage
    app = App(Workshop(field.at(NOW), "draft", "cpu"), Gate.at("127.0.0.1"), 0, "truth")
    yield app
    for one in CLIENTS:
        one.socket.close()
    CLIENTS.clear()
    app.stop()


def page_of(app: App) -> Page:
    page = app.sessions[0].screen
    assert isinstance(page, Page)
    return page


def slide(client: Client, page: Page, time: float) -> None:
    client.send("GuiUpdateMessage", uuid=page._time._slider._impl.uuid, updates={"value": time})


def test_others_of_a_segmentation_are_not_lost_by_saving_one_at_another_time(
    opened: tuple[Session, Recorder, Files], field: MovingBallField, monkeypatch: pytest.MonkeyPatch
):
    session, screen, files = opened
    click(session, 1)
    session.edit(lambda state: state.with_object())
    click(session, 2)
    files.save("both", replace=False)
    saved(screen)
    session.edit(lambda state: state.without(0))
    files.save("both", replace=False)
    until(lambda: screen.errors)
    assert "both also holds object 1, not clicked at this time" in screen.errors[-1]
    assert load_moving_object(field, "both").names == ("object 1", "object 2")


def test_nothing_is_followed_from_nothing(opened: tuple[Session, Recorder, Files], field: MovingBallField):
    _, screen, files = opened
    files.follow("ball", replace=False)
    until(lambda: screen.errors)
    assert "there is nothing to save" in screen.errors[-1]
    assert field.at_home().run.segmentation_names() == []


def test_what_is_followed_is_not_cut_to_a_moment_by_an_earlier_save(
    opened: tuple[Session, Recorder, Files], field: MovingBallField, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sanerf_hq.objects.through_time.LEAST_LIKENESS", 0.0)
    session, screen, files = opened
    click(session, 1)
    files.save("ball", replace=False)
    files.follow("ball", replace=False)
    until(lambda: any("of 3 times" in status.text for status in screen.statuses), "what is followed")
    until(lambda: not files._tickets, "the end of both")
    assert set(load_moving_object(field, "ball").fields) == set(MOMENTS)


def test_what_cannot_be_followed_is_said_before_any_work(
    opened: tuple[Session, Recorder, Files], field: MovingBallField, monkeypatch: pytest.MonkeyPatch
):
    def never(*_: object) -> None:
        raise AssertionError("nothing is to be followed")

    session, screen, files = opened
    monkeypatch.setattr(Workshop, "follow", never)
    click(session, 1)
    session.part("add")
    click(session, 2)
    files.follow("both", replace=False)
    until(lambda: screen.errors, "the sentence")
    assert "object 1 is joined from several parts, which cannot be followed" in screen.errors[-1]
    assert field.at_home().run.segmentation_names() == []


def test_what_was_followed_stays_in_sight_where_nothing_is_clicked(
    opened: tuple[Session, Recorder, Files], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sanerf_hq.objects.through_time.LEAST_LIKENESS", 0.0)
    session, screen, files = opened
    click(session, 1)
    files.follow("ball", replace=False)
    saved(screen)
    session.go_to(session.workshop.at(LATER))
    files.open("ball")
    until(lambda: session.outcome is not None, "what was followed")
    followed = session.outcome
    session.refine()
    assert session.outcome is followed
    session.chose("compact")
    assert session.outcome is followed


def test_what_is_left_is_no_longer_told_of(opened: tuple[Session, Recorder, Files]):
    session, screen, _ = opened
    click(session, 1)
    until(lambda: screen.statuses[-1].share is not None or session.is_refined, "work under way")
    session.go_to(session.workshop.at(LATER))
    assert screen.statuses[-1] == Status("click on an object")


def test_a_moment_that_is_opened_too_late_does_not_replace_what_was_clicked(
    opened: tuple[Session, Recorder, Files],
):
    session, screen, files = opened
    click(session, 1)
    files.save("ball", replace=False)
    saved(screen)
    with files._busy:
        files.open("ball")
        click(session, 2)
        state = session.state
    until(lambda: screen.errors, "the sentence")
    assert "ball was not opened, for the objects were changed meanwhile" in screen.errors[-1]
    assert session.state == state
