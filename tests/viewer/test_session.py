"""A session's whole life on two balls, without a page."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sanerf_hq.export import find_target
from sanerf_hq.geometry import Camera
from sanerf_hq.radiance import RadianceField
from sanerf_hq.runs import quiet
from sanerf_hq.viewer import workshop as module
from sanerf_hq.viewer.crop import CropBox, cropped
from sanerf_hq.viewer.cut import cut_field
from sanerf_hq.viewer.files import Files
from sanerf_hq.viewer.frames import Frame, Painter
from sanerf_hq.viewer.overlay import labels_of
from sanerf_hq.viewer.pointing import Pointing
from sanerf_hq.viewer.session import Session
from sanerf_hq.viewer.state import SPACE, Click, SessionState
from sanerf_hq.viewer.storage import load_session
from sanerf_hq.viewer.viewpoint import Viewpoint
from sanerf_hq.viewer.warp import warped
from sanerf_hq.viewer.workshop import Outcome, Request, Workshop
from support.balls import CENTERS, RADIUS, BallField, ball_camera, ball_photo
from support.chromium import until
from support.pointing import place, refined
from support.recorder import CANVAS, Recorder

New = Callable[[], tuple[Session, Recorder]]


def iou(session: Session, number: int) -> float:
    """Of the overlay and a ball, in the picture that is shown."""
    frame, outcome = session.frame, session.outcome
    assert frame is not None and outcome is not None
    shown = labels_of(outcome, frame, session.look.threshold) > 0
    truth = torch.from_numpy(ball_photo(frame.camera)[1]) == number
    return float((shown & truth).sum() / (shown | truth).sum())


def test_a_click_is_previewed_refined_and_shown(new_session: New):
    session, screen = new_session()
    until(lambda: session.frame is not None and session.frame.is_final)
    plain = screen.pictures[-1][0]
    session.clicked(place(1), positive=True)
    (click,) = session.state.current.parts[0].clicks
    assert click.picture.view == "images/3.png"
    refined(session)
    assert screen.errors == []
    assert {"preview", "refined", "coarse", "sharp"} <= set(session.times)
    assert session.outcome is not None and session.outcome.names == ("object 1",)
    assert iou(session, 1) > 0.8
    until(lambda: not torch.equal(screen.pictures[-1][0], plain))
    session.undo()
    assert session.outcome is None and torch.equal(screen.pictures[-1][0], plain)
    session.redo()
    assert session.is_refined, "what is known is not computed again"


def test_the_threshold_moves_without_recomputing(new_session: New):
    session, screen = new_session()
    session.clicked(place(1), positive=True)
    refined(session)
    until(lambda: session.frame is not None and session.frame.is_final)
    outcome, frame = session.outcome, session.frame
    session.looked(replace(session.look, threshold=0.5))
    assert session.outcome is outcome and session.frame is frame
    assert screen.pictures[-1][1] is frame


def test_objects_and_parts_are_joined(new_session: New):
    session, screen = new_session()
    session.clicked(place(1), positive=True)
    session.part("add")
    session.clicked(place(2), positive=True)
    refined(session)
    masks = session.outcome.masks if session.outcome else None
    assert masks is not None and masks.names == ("object 1",)
    both = masks.mask("images/3.png")
    assert both is not None
    truth = torch.from_numpy(ball_photo(ball_camera(3))[1])
    assert torch.equal(both, truth > 0)
    session.part("subtract")
    session.clicked(place(2), positive=True)
    refined(session)
    left = session.outcome.masks.mask("images/3.png") if session.outcome else None
    assert left is not None and torch.equal(left, truth == 1)
    session.edit(lambda state: state.with_object("green"))
    session.clicked(place(2), positive=True)
    refined(session)
    assert session.outcome is not None and session.outcome.names == ("object 1", "green")
    assert screen.errors == []


def test_what_cannot_be_done_is_said_in_a_sentence(new_session: New):
    session, screen = new_session()
    session.clicked(place(1), positive=False)
    assert screen.errors[-1].startswith("click on the object first")
    session.clicked((0.02, 0.02), positive=True)
    until(lambda: len(screen.errors) > 1)
    assert "hit only background" in screen.errors[-1]
    session.chose("magic")
    until(lambda: len(screen.errors) > 2)
    assert "there is no segmenter 'magic'" in screen.errors[-1]


def test_two_sessions_keep_their_prompts_apart(new_session: New):
    (one, _), (other, _) = new_session(), new_session()
    one.clicked(place(1), positive=True)
    other.clicked(place(2), positive=True)
    refined(one)
    refined(other)
    for session in (one, other):
        until(lambda session=session: session.frame is not None and session.frame.is_final)
    assert iou(one, 1) > 0.8 and iou(other, 2) > 0.8


def test_saved_it_is_a_segmentation_and_opened_again_it_is_as_it_was(new_session: New, workshop: Workshop):
    session, screen = new_session()
    sent: list[tuple[str, bytes]] = []
    files = Files(session, lambda name, content: sent.append((name, content)))
    files.export("points", "")
    until(lambda: screen.errors)
    assert "save the objects first" in screen.errors[-1]
    session.clicked(place(1), positive=True)
    session.edit(lambda state: state.renamed("red"))
    session.looked(replace(session.look, threshold=0.1))
    files.save("mine", replace=False)
    until(lambda: session.name == "mine")
    run = workshop.home.run
    folder = run.segmentation("mine")
    assert json.loads(folder.identities.read_text()) == {"identities": ["red"]}
    record = json.loads(folder.prompts.read_text())
    assert record["objects"][0]["prompts"][0]["view"] == "images/3.png"
    stage = run.stage("segmentations/mine")
    assert stage is not None and stage.is_complete
    target = find_target(workshop.field, "mine/red")
    kept = target.field.render(ball_camera(3)).mask
    assert session.outcome is not None and session.outcome.field is not None
    assert torch.equal(kept, session.outcome.field.render(ball_camera(3)).mask)

    other, said = new_session()
    again = Files(other, lambda name, content: sent.append((name, content)))
    assert again.names == ["mine"]
    again.open("mine")
    until(lambda: other.name == "mine")
    assert other.state == session.state and other.look.threshold == 0.1 and other.is_refined
    again.export("masks", "red")
    until(lambda: sent or said.errors)
    assert said.errors == [] and sent[0][0] == "red-masks.zip"
    assert (folder.exports / "red-masks").is_dir()

    third, refused = new_session()
    third.clicked(place(2), positive=True)
    Files(third, lambda name, content: None).save("mine", replace=False)
    until(lambda: refused.errors)
    assert "is taken" in refused.errors[-1]


def test_a_part_without_clicks_is_no_reason_to_refine_again(new_session: New, workshop: Workshop):
    session, screen = new_session()
    session.clicked(place(1), positive=True)
    refined(session)
    session.part("add")
    Files(session, lambda name, content: None).save("mine", replace=False)
    until(lambda: session.name == "mine", "what is saved")
    other, _ = new_session()
    Files(other, lambda name, content: None).open("mine")
    until(lambda: other.name == "mine", "what is opened")
    assert other.is_refined and screen.errors == []


def test_undo_goes_back_over_an_opened_file(new_session: New, workshop: Workshop):
    other, _ = new_session()
    other.clicked(place(2), positive=True)
    other.looked(replace(other.look, threshold=0.2))
    refined(other)
    Files(other, lambda name, content: None).save("b", replace=False)
    until(lambda: other.name == "b", "what is saved")
    session, screen = new_session()
    session.chose("damaged:seed=1")
    session.clicked(place(1), positive=True)
    refined(session)
    until(lambda: not session.is_busy)
    files = Files(session, lambda name, content: None)
    files.open("b")
    until(lambda: session.name == "b", "what is opened")
    assert session.segmenter == "truth" and session.look.threshold == 0.2
    session.edit(lambda state: state.with_object())
    session.undo()
    assert session.name == "b"
    session.undo()
    assert session.name is None and session.is_refined
    assert session.segmenter == "damaged:seed=1" and session.look.threshold == 0.0
    files.save("b", replace=False)
    until(lambda: screen.errors, "the sentence")
    assert "is taken" in screen.errors[-1]
    session.redo()
    assert session.name == "b" and session.state == other.state and session.look.threshold == 0.2


def test_what_ends_while_it_is_undone_is_not_shown(new_session: New, monkeypatch: pytest.MonkeyPatch):
    session, screen = new_session()
    session.clicked(place(1), positive=True)
    refined(session)
    until(lambda: not session.is_busy)
    known, trained, leave = session.outcome, threading.Event(), threading.Event()
    train = module.train_object_field

    def held(*given: object) -> object:
        found = train(*given)  # pyright: ignore
        trained.set()
        assert leave.wait(240)
        return found

    def slowly(pixels: torch.Tensor, depth: torch.Tensor, frame: Frame) -> None:
        if session.outcome is known and not leave.is_set():
            leave.set()
            until(lambda: session.outcome is not known or not session.segmenting.is_busy)

    monkeypatch.setattr(module, "train_object_field", held)
    session.edit(lambda state: state.with_object())
    session.clicked(place(2), positive=True)
    assert trained.wait(240)
    monkeypatch.setattr(screen, "picture", slowly)
    session.undo()
    until(lambda: not session.is_busy)
    assert session.outcome is known and session.is_refined


class GreenAlone(BallField):
    """Where the green ball is, as if the red one were cut away."""

    def depth_at(self, camera: Camera, xy: torch.Tensor) -> torch.Tensor:
        rays = camera.rays(xy)
        away = rays.origins - CENTERS[1]
        along = (away * rays.directions).sum(-1)
        inside = along.square() - away.square().sum(-1) + RADIUS**2
        distance = -along - inside.clamp_min(0).sqrt()
        return torch.where(inside > 0, distance * rays.cosines, torch.nan)


def test_clicks_go_to_what_is_shown(new_session: New, workshop: Workshop, monkeypatch: pytest.MonkeyPatch):
    assert isinstance(workshop.field, BallField)
    alone = GreenAlone(**{one.name: getattr(workshop.field, one.name) for one in fields(workshop.field)})
    session, screen = new_session()
    session.moved(Viewpoint.of_camera(ball_camera(0), 3.0), CANVAS)
    hidden = place(2, index=0)
    session.clicked(hidden, positive=True)
    (click,) = session.state.current.parts[0].clicks
    assert click.point is not None and click.picture.view == "images/0.png", "the red one hides it"
    assert (torch.tensor(click.point) - CENTERS[0]).norm() == pytest.approx(RADIUS, abs=0.01)
    session.undo()
    monkeypatch.setattr("sanerf_hq.viewer.cut.cropped", lambda field, box: alone)
    session.cropped_to(CropBox((0, -1, -1), (2, 1, 1)))
    session.boxed((hidden[0] - 0.05, hidden[1] - 0.05), (hidden[0] + 0.05, hidden[1] + 0.05))
    assert screen.errors == [
        "something that is cut away hides what the box holds; click on it instead, or draw the box "
        "without crop box, in the mode overlay"
    ]
    session.clicked(hidden, positive=True)
    (click,) = session.state.current.parts[0].clicks
    assert click.point is not None and click.picture == SPACE
    assert (torch.tensor(click.point) - CENTERS[1]).norm() == pytest.approx(RADIUS, abs=0.01)
    session.undo()
    session.moved(Viewpoint.of_camera(ball_camera(3), 3.0), CANVAS)
    session.clicked(place(2), positive=True)
    (click,) = session.state.current.parts[0].clicks
    assert click.picture.view == "images/3.png", "nothing hides it there"


def test_of_no_object_nothing_is_shown(new_session: New, workshop: Workshop):
    session, _ = new_session()
    session.clicked(place(1), positive=True)
    refined(session)
    assert session.outcome is not None
    nothing = cut_field(workshop.field, session.outcome, "object", ())
    assert not bool(nothing.occupancy.occupied.any()) and not nothing.closed
    assert cut_field(workshop.field, session.outcome, "removed", ()) is workshop.field


def test_modes_and_the_crop_box_show_other_pictures(new_session: New):
    session, screen = new_session()
    session.clicked(place(1), positive=True)
    refined(session)
    until(lambda: session.frame is not None and session.frame.is_final)
    pictures = {}
    for mode in ("overlay", "colour", "depth"):
        session.looked(replace(session.look, mode=mode))
        pictures[mode] = screen.pictures[-1][0]
    assert not torch.equal(pictures["overlay"], pictures["colour"])
    assert not torch.equal(pictures["depth"], pictures["colour"])
    before = session.frame
    session.cropped_to(CropBox((-2, -2, -2), (2, 2, 2)))
    until(lambda: session.frame is not before and session.frame is not None and session.frame.is_final)


def near(session: Session, steps: int) -> Viewpoint:
    """A little beside where it looks from."""
    assert session.viewpoint is not None
    x, y, z = session.viewpoint.position
    return replace(session.viewpoint, position=(x + 0.004 * steps, y, z))


def at_rest(session: Session) -> None:
    until(lambda: session.frame is not None and session.frame.is_final and not session.is_busy)


@pytest.mark.parametrize("warps", [True, False])
def test_while_the_camera_moves_on_its_pictures_are_shown(
    warps: bool, new_session: New, monkeypatch: pytest.MonkeyPatch
):
    session, screen = new_session()
    at_rest(session)
    points = [near(session, steps) for steps in range(1, 5)]
    ahead = points[1:]

    def overtaken(act: Callable[..., Any]) -> Callable[..., Any]:
        def acted(*arguments: Any) -> Any:
            if ahead:
                session.moved(ahead.pop(0), CANVAS)
            return act(*arguments)

        return acted

    if warps:
        monkeypatch.setattr("sanerf_hq.viewer.session.warped", overtaken(warped))
    else:
        monkeypatch.setattr("sanerf_hq.viewer.session.warped", lambda *_: None)
        monkeypatch.setattr(Painter, "paint", overtaken(Painter.paint))
    before = len(screen.pictures)
    session.moved(points[0], CANVAS)
    until(lambda: session.frame is not None and session.frame.viewpoint == points[-1])
    at_rest(session)
    shown = dict.fromkeys(frame.viewpoint for _, frame in screen.pictures[before:])
    assert list(shown) == points, "none was left out, though each was overtaken"


def test_a_session_that_is_paused_is_given_no_picture_any_more(
    new_session: New, monkeypatch: pytest.MonkeyPatch
):
    session, screen = new_session()
    at_rest(session)
    paused: list[int] = []

    def pausing(*arguments: Any) -> Frame | None:
        session.pause()
        paused.append(len(screen.pictures))
        return warped(*arguments)

    monkeypatch.setattr("sanerf_hq.viewer.session.warped", pausing)
    session.moved(near(session, 1), CANVAS)
    until(lambda: paused and not session.is_busy)
    assert session.frame is None and len(screen.pictures) == paused[0]


@pytest.mark.parametrize("crops", [True, False])
def test_what_was_looked_at_before_is_not_shown_from_elsewhere(
    crops: bool, new_session: New, monkeypatch: pytest.MonkeyPatch
):
    session, screen = new_session()
    session.clicked(place(1), positive=True)
    refined(session)
    at_rest(session)
    monkeypatch.setattr(Painter, "paint", lambda *_: None)
    if crops:
        session.cropped_to(CropBox((-2, -2, -2), (2, 2, 2)))
    else:
        session.looked(replace(session.look, mode="object"))
    until(lambda: not session.is_busy)
    before = len(screen.pictures)
    session.moved(near(session, 1), CANVAS)
    until(lambda: not session.is_busy)
    assert len(screen.pictures) == before


def test_what_is_looked_at_changes_while_it_is_rendered(new_session: New, monkeypatch: pytest.MonkeyPatch):
    session, _ = new_session()
    session.clicked(place(1), positive=True)
    refined(session)
    at_rest(session)
    session.looked(replace(session.look, mode="object"))
    at_rest(session)
    cuts: list[frozenset[str]] = []
    paint = Painter.paint

    def hiding(self: Painter, field: RadianceField, *arguments: Any) -> None:
        if not cuts:
            session.history = session.history.then(session.state.shown(0, False))
        cuts.append(frozenset(one.name for one in session.state.objects if one.visible))
        paint(self, field, *arguments)

    monkeypatch.setattr(Painter, "paint", hiding)
    session.repaint()
    until(lambda: len(cuts) == 2, "it is begun anew, though nobody asked")
    at_rest(session)


def test_a_box_is_cut_out_once_not_at_each_move(new_session: New, monkeypatch: pytest.MonkeyPatch):
    session, _ = new_session()
    at_rest(session)
    boxes: list[CropBox] = []

    def counted(field: RadianceField, box: CropBox) -> RadianceField:
        boxes.append(box)
        return cropped(field, box)

    monkeypatch.setattr("sanerf_hq.viewer.cut.cropped", counted)
    session.cropped_to(CropBox((-2, -2, -2), (2, 2, 2)))
    for steps in (1, 2, 3):
        session.moved(near(session, steps), CANVAS)
        at_rest(session)
    assert len(boxes) == 1


def test_a_session_that_is_closed_in_the_middle_of_training_ends(
    new_session: New, workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    session, _ = new_session()
    session.clicked(place(1), positive=True)
    until(lambda: list(tmp_path.glob("sanerf-view-*")), "the training")
    session.close()
    until(lambda: not list(tmp_path.glob("sanerf-view-*")), "its end")
    other, screen = new_session()
    other.clicked(place(1), positive=True)
    refined(other)
    assert screen.errors == []


@pytest.mark.parametrize("operation", ["add", "subtract", "intersect"])
def test_a_part_needs_something_to_be_joined_with(operation: str, new_session: New):
    session, screen = new_session()
    session.part(operation)  # pyright: ignore[reportArgumentType]
    assert f"nothing to {operation} yet" in screen.errors[-1]


def test_a_new_name_is_taken_over_without_training(new_session: New, workshop: Workshop):
    session, screen = new_session()
    session.clicked(place(1), positive=True)
    refined(session)
    until(lambda: not session.is_busy)
    outcome, said = session.outcome, len(screen.statuses)
    assert outcome is not None and outcome.field is not None
    session.edit(lambda state: state.renamed("mug"))
    assert session.is_refined and session.outcome is not None and session.outcome.field is not None
    assert session.outcome.names == session.outcome.masks.names == session.outcome.field.names == ("mug",)
    assert session.outcome.field.network is outcome.field.network
    assert all(status.share is None for status in screen.statuses[said:])
    session.undo()
    assert session.is_refined and session.outcome is outcome
    session.redo()
    Files(session, lambda name, content: None).save("cup", replace=False)
    until(lambda: session.name == "cup")
    kept = load_session(workshop.field, "cup", "truth").outcome
    assert kept.field is not None and kept.field.names == kept.masks.names == ("mug",)


def test_a_preview_keeps_its_overlay_under_a_new_name(new_session: New, workshop: Workshop):
    session, _ = new_session()
    request = Request.of(SessionState().with_click(pointed(session, 1)).objects, "truth")
    shown: list[Outcome] = []
    workshop.segment(request, shown.append, quiet, refine=False)
    renamed = replace(request, objects=(("mug", request.objects[0][1]),))
    assert renamed.is_renaming_of(request)
    preview = shown[0].renamed(renamed)
    assert preview.preview is not None and preview.preview.names == preview.names == ("mug",)


def pointed(session: Session, number: int) -> Click:
    """A click on a ball."""
    viewpoint = session.viewpoint
    assert viewpoint is not None
    return Pointing.of(session.workshop.field, viewpoint, CANVAS).click(place(number), positive=True)


def test_training_is_called_training(new_session: New):
    session, screen = new_session()
    session.clicked(place(1), positive=True)
    refined(session)
    texts = {status.text for status in screen.statuses}
    assert "training" in texts and not any("segmentations/" in text for text in texts)
