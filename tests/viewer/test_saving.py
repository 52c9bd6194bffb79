"""Saving, opening and exporting while other things go on."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sanerf_hq.errors import InputError
from sanerf_hq.masks import MaskSet
from sanerf_hq.objects import OBJECT_PRESETS, recorded_names, train_object_field
from sanerf_hq.prompts import read_prompts
from sanerf_hq.runs import Progress, ProgressCallback
from sanerf_hq.viewer import workshop as module
from sanerf_hq.viewer.app import App
from sanerf_hq.viewer.files import Files
from sanerf_hq.viewer.page import Page
from sanerf_hq.viewer.saving import Wanted
from sanerf_hq.viewer.session import Session
from sanerf_hq.viewer.state import Box, Picture
from sanerf_hq.viewer.storage import load_session
from sanerf_hq.viewer.viewpoint import Viewpoint
from sanerf_hq.viewer.workshop import Workshop
from support.balls import ball_camera, ball_photo
from support.chromium import until
from support.pointing import place, refined
from support.recorder import Recorder
from support.viewer_client import joined

New = Callable[[], tuple[Session, Recorder]]


def files_of(session: Session) -> Files:
    return Files(session, lambda name, content: None)


def kept(session: Session, name: str, replace: bool = False) -> None:
    """Save, and wait for it."""
    said = len(session.screen.statuses)  # pyright: ignore
    files_of(session).save(name, replace)
    until(lambda: any(s.text.startswith("saved as") or s.is_error for s in session.screen.statuses[said:]))  # pyright: ignore


def covered(workshop: Workshop, name: str) -> set[int]:
    """The balls that a segmentation's field and masks cover, both alike."""
    found = load_session(workshop.field, name, "truth").outcome
    assert found.field is not None
    truth = torch.from_numpy(ball_photo(ball_camera(3))[1])
    known = [found.masks.mask("images/3.png", i + 1) for i in range(len(found.masks.names))]
    inside = torch.stack([mask for mask in known if mask is not None]).any(0)
    seen = found.field.render(ball_camera(3)).mask
    balls = {n for n in (1, 2) if float((seen & (truth == n)).sum() / (truth == n).sum()) > 0.5}
    assert balls == {n for n in (1, 2) if bool((inside & (truth == n)).any())}
    return balls


class Held:
    """Training that waits for leave."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.leave = threading.Event()
        self.begun = threading.Event()
        real = module.train_object_field

        def train(*args: Any) -> Any:
            self.begun.set()
            while not self.leave.wait(0.02):
                args[4](Progress("segmentations/work", 0, 1))
            return real(*args)

        monkeypatch.setattr(module, "train_object_field", train)


def test_a_save_is_dropped_where_another_is_opened_before_it_is_refined(
    new_session: New, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
):
    (first, said), (second, _) = new_session(), new_session()
    first.clicked(place(1), positive=True)
    kept(first, "x")
    second.clicked(place(2), positive=True)
    kept(second, "y")
    held, files = Held(monkeypatch), files_of(first)
    first.clicked(place(1), positive=True)
    assert held.begun.wait(240)
    files.save("x", replace=False)
    files.open("y")
    until(lambda: first.name == "y", "the other")
    until(lambda: said.errors, "the sentence")
    assert said.errors == ["x was not saved, for the objects were changed; save again"]
    held.leave.set()
    first.clicked(place(2), positive=True)
    refined(first)
    until(lambda: not first.is_busy and not files._tickets)
    assert covered(workshop, "x") == {1} and covered(workshop, "y") == {2}


def test_a_save_that_is_looked_at_once_another_is_open_says_that_the_objects_were_changed(
    new_session: New,
):
    (first, _), (second, _) = new_session(), new_session()
    first.clicked(place(1), positive=True)
    kept(first, "x")
    second.clicked(place(2), positive=True)
    kept(second, "y")
    wanted = Wanted.of(first, "x", replace=False)
    assert wanted.checked_moment(first) == "x"
    files_of(first).open("y")
    until(lambda: first.name == "y", "the other")
    with pytest.raises(InputError, match="x was not saved, for the objects were changed"):
        wanted.checked_moment(first)


def test_a_save_is_dropped_by_going_back_to_what_is_known(
    new_session: New, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
):
    session, screen = new_session()
    session.clicked(place(1), positive=True)
    refined(session)
    until(lambda: not session.is_busy)
    held, files = Held(monkeypatch), files_of(session)
    session.clicked(place(2), positive=False)
    assert held.begun.wait(240)
    files.save("z", replace=False)
    session.undo()
    until(lambda: screen.errors, "the sentence")
    assert screen.errors == ["z was not saved, for the objects were changed; save again"]
    until(lambda: not files._tickets, "its end")
    assert workshop.home.run.segmentation_names() == []


def test_what_cannot_be_refined_is_not_saved(new_session: New, workshop: Workshop):
    session, screen = new_session()
    session.clicked((0.02, 0.02), positive=True)
    files_of(session).save("mine", replace=False)
    until(lambda: len(screen.errors) > 1, "both sentences")
    assert any("hit only background" in error for error in screen.errors)
    assert screen.errors[-1] == "mine was not saved, for it is not refined; refine it, then save"
    assert workshop.home.run.segmentation_names() == []


def test_only_the_field_that_is_shown_is_saved(new_session: New, workshop: Workshop):
    session, _ = new_session()
    session.clicked(place(1), positive=True)
    refined(session)
    until(lambda: not session.is_busy)
    first = session.outcome
    session.edit(lambda state: state.without(0))
    session.clicked(place(2), positive=True)
    refined(session)
    until(lambda: not session.is_busy)
    session.undo()
    session.undo()
    assert session.outcome is first
    kept(session, "mine")
    assert covered(workshop, "mine") == {1}
    assert session.outcome is first, "what is known is saved as it is"


def test_nothing_is_trained_for_a_name_or_a_colour(
    new_session: New, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
):
    def never(*_: object) -> None:
        raise AssertionError("it is refined")

    session, _ = new_session()
    session.clicked(place(1), positive=True)
    refined(session)
    until(lambda: not session.is_busy)
    monkeypatch.setattr(module, "train_object_field", never)
    session.edit(lambda state: state.renamed("mug"))
    kept(session, "mine")
    other, said = new_session()
    files_of(other).open("mine")
    until(lambda: other.name == "mine", "the other")
    outcome = other.outcome
    other.edit(lambda state: state.coloured((1, 2, 3)))
    kept(other, "mine")
    assert said.errors == [] and other.outcome is outcome
    found = load_session(workshop.field, "mine", "truth")
    assert found.state.current.name == "mug" and found.state.current.colour == (1, 2, 3)
    assert covered(workshop, "mine") == {1}
    stage = workshop.home.run.stage("segmentations/mine")
    again = train_object_field(workshop.field, found.outcome.masks, "mine", OBJECT_PRESETS["draft"])
    assert stage is not None and again.names == ("mug",), "it counts as made of these masks and settings"


def test_what_was_kept_without_prompts_is_kept_beside_what_is_added(new_session: New, workshop: Workshop):
    views = [(view.name, ball_photo(workshop.home.sized(view))[1] == 1) for view in workshop.home.views]
    masks = MaskSet.of_masks("red", [(view, torch.from_numpy(mask)) for view, mask in views], "mine")
    train_object_field(workshop.field, masks, "api", OBJECT_PRESETS["draft"])
    session, said = new_session()
    files_of(session).open("api")
    until(lambda: session.name == "api", "what is opened")
    assert session.is_refined and session.outcome is not None and session.outcome.names == ("red",)
    session.edit(lambda state: state.with_object("green"))
    session.clicked(place(2), positive=True)
    refined(session)
    kept(session, "api")
    assert said.errors == [] and session.outcome.names == ("red", "green")
    assert recorded_names(workshop.home.run.segmentation("api")) == ("red", "green")
    assert covered(workshop, "api") == {1, 2}
    found = load_session(workshop.field, "api", "truth")
    assert found.state.objects[1] == session.state.objects[1] and found.state.objects[0].is_prompted
    session.edit(lambda state: state.with_active(0).with_part("subtract"))
    session.clicked(place(1), positive=True)
    until(lambda: said.errors, "the sentence")
    assert said.errors == ["nothing is left of red; undo the last part"]


def test_a_full_disk_leaves_what_was_there(
    new_session: New, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
):
    session, screen = new_session()
    session.clicked(place(1), positive=True)
    kept(session, "mine")
    run = workshop.home.run
    before = {
        path: path.read_bytes() for path in run.segmentation("mine").folder.rglob("*") if path.is_file()
    }
    stage = run.stage("segmentations/mine")
    session.clicked(place(2), positive=True)
    refined(session)
    real = os.replace

    def full(source: Path, target: Path) -> None:
        if target.name == "prompts.json":
            raise OSError(errno.ENOSPC, "No space left on device", target)
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    kept(session, "mine")
    assert "cannot be written, the disk is full" in screen.errors[-1]
    after = {path: path.read_bytes() for path in run.segmentation("mine").folder.rglob("*") if path.is_file()}
    assert after == before and run.stage("segmentations/mine") == stage
    left = [path.relative_to(run.segmentations) for path in run.segmentations.rglob("*") if path.is_file()]
    assert {path.parts[0] for path in left} == {"mine"}, "what was copied makes room again"


def test_saving_again_keeps_the_exports(new_session: New, workshop: Workshop):
    session, _ = new_session()
    session.clicked(place(1), positive=True)
    kept(session, "mine")
    folder = workshop.home.run.segmentation("mine")
    folder.exports.mkdir()
    (folder.exports / "mine.ply").write_text("points")
    session.edit(lambda state: state.without(0))
    session.clicked(place(2), positive=True)
    refined(session)
    kept(session, "mine")
    assert covered(workshop, "mine") == {2}
    assert (folder.exports / "mine.ply").read_text() == "points"
    stage = workshop.home.run.stage("segmentations/mine")
    assert stage is not None and stage.is_complete


def test_what_another_page_saved_since_is_not_replaced_unasked(new_session: New, workshop: Workshop):
    (one, said), (other, _) = new_session(), new_session()
    one.clicked(place(1), positive=True)
    kept(one, "ball")
    other.edit(lambda state: state.renamed("second"))
    other.clicked(place(2), positive=True)
    kept(other, "ball", replace=True)
    kept(one, "ball")
    assert "ball was saved anew from elsewhere" in said.errors[-1]
    assert recorded_names(workshop.home.run.segmentation("ball")) == ("second",)
    kept(one, "BALL", replace=True)
    assert workshop.home.run.segmentation_names() == ["ball"] and one.name == "ball"
    kept(other, "ball")
    assert recorded_names(workshop.home.run.segmentation("ball")) == ("object 1",)


def test_a_box_drawn_between_the_views_leaves_a_file_that_can_be_read(new_session: New, workshop: Workshop):
    session, screen = new_session()
    session.clicked(place(1), positive=True)
    camera = ball_camera(3)
    free = Picture("", Viewpoint.of_camera(camera, 3.0), camera.width, camera.height)
    session.edit(lambda state: state.with_object("boxed"))
    x, y = (part * size for part, size in zip(place(2), (camera.width, camera.height), strict=True))
    session.edit(lambda state: state.with_box(Box(free, (x - 9, y - 9, x + 9, y + 9))))
    refined(session)
    kept(session, "mine")
    assert screen.errors == []
    assert set(read_prompts(workshop.home.run.segmentation("mine").prompts)) == {"object 1"}
    assert load_session(workshop.field, "mine", "truth").state.objects == session.state.objects


class Exporting:
    """An export that goes on until it is stopped."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = 0

        def export(target: object, path: Path, progress: ProgressCallback) -> None:
            self.begun += 1
            while True:
                progress(Progress("points", 0, 1))

        monkeypatch.setattr("sanerf_hq.viewer.files.export_points", export)


def test_stop_reaches_what_waits_as_well(new_session: New, monkeypatch: pytest.MonkeyPatch):
    session, screen = new_session()
    session.clicked(place(1), positive=True)
    kept(session, "mine")
    exporting, files = Exporting(monkeypatch), files_of(session)
    files.export("points", "")
    files.export("points", "object 1")
    until(lambda: exporting.begun, "the first")
    files.stop()
    until(lambda: not files._tickets, "the end of both")
    assert exporting.begun == 1 and screen.statuses[-1].text == "stopped; nothing was written"


@pytest.mark.filterwarnings("ignore:Queued a .* on a closed connection")
def test_a_page_that_is_closed_stops_its_exports(app: App, monkeypatch: pytest.MonkeyPatch):
    (client,) = joined(app)
    (session,) = app.sessions
    page = session.screen
    assert isinstance(page, Page)
    client.click(1)
    until(lambda: session.is_refined, "the refined field")
    page.files.save("mine", replace=False)
    until(lambda: session.name == "mine", "what is saved")
    exporting = Exporting(monkeypatch)
    page.files.export("points", "")
    until(lambda: exporting.begun, "the export")
    client.socket.close()
    until(lambda: not page.files._tickets, "its end")
