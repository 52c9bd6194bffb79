"""Painting in a page: what is begun, mended and written."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("viser", reason="needs the extra ui")

import viser

from sanerf_hq.viewer.app import App
from sanerf_hq.viewer.page import Page
from sanerf_hq.viewer.paint import Canvas
from sanerf_hq.viewer.painting import Painting
from sanerf_hq.viewer.session import Session
from support.chromium import until
from support.viewer_client import Client, joined


def page_of(session: Session) -> Page:
    assert isinstance(session.screen, Page)
    return session.screen


def pages_of(app: App) -> list[Page]:
    """In the order in which their clients came."""
    return sorted(map(page_of, app.sessions), key=lambda page: page.client.client_id)


def press(client: Client, button: object) -> None:
    client.send("GuiUpdateMessage", uuid=button._impl.uuid, updates={"value": True})  # pyright: ignore


def begin(client: Client, page: Page, folder: Path) -> None:
    page.paint._folder.value = str(folder)
    press(client, page.paint._start)
    until(lambda: page.paint.is_painting, "the canvas")


def dab(page: Page, name: str, xy: tuple[float, float]) -> None:
    page.paint._object.value = name
    page.paint.clicked(xy)


def painted(page: Page) -> Painting:
    found = page.session.painting
    assert found is not None
    return found


def drag(client: Client, page: Page, columns: tuple[float, ...]) -> None:
    """A stroke over the sheet, along the window's middle row."""
    for number, x in enumerate(columns):
        phase = "start" if number == 0 else "end" if number + 1 == len(columns) else "update"
        client.send(
            "SceneNodeDragMessage",
            phase=phase,
            name="/sheet",
            instance_index=None,
            start_position=(0.0, 0.0, 0.0),
            end_position=(0.0, 0.0, 0.0),
            start_screen_pos=(x, 0.5),
            end_screen_pos=(x, 0.5),
            button="left",
            modifier=None,
            owner=page.client.scene._owner_id,
        )


def written(client: Client, page: Page) -> None:
    page._status.content = ""
    press(client, page.paint._save)
    until(lambda: page._status.content, "what became of it")
    press(client, page.paint._end)
    until(lambda: not page.paint.is_painting, "the end")


def test_a_view_that_is_painted_again_begins_with_what_is_there(app: App, tmp_path: Path):
    (client,) = joined(app)
    page, folder = page_of(app.sessions[0]), tmp_path / "truth"
    begin(client, page, folder)
    page.paint._turn(lambda canvas: Canvas(canvas.view, canvas.labels * 0))
    dab(page, "mug", (0.4, 0.5))
    written(client, page)
    assert page._status.content.startswith("saved")
    begin(client, page, folder)
    dab(page, "vase", (0.8, 0.5))
    written(client, page)
    known = json.loads((folder / "scene.json").read_text())["objects"]
    assert {one["name"]: one["id"] for one in known} == {"mug": 3, "vase": 4}, "1 and 2 are the scene's own"
    kept = np.asarray(Image.open(folder / "instances" / "3.png"))
    assert set(kept.flat) == {0, 3, 4}


def test_another_folder_s_truth_is_not_written_over(app: App, tmp_path: Path):
    (client,) = joined(app)
    page = page_of(app.sessions[0])
    begin(client, page, tmp_path / "one")
    root = app.workshop.home.scene.root
    before = (root / "instances" / "3.png").read_bytes()
    dab(page, "red", (0.5, 0.5))
    page.paint._folder.value = str(root)
    press(client, page.paint._save)
    until(lambda: "holds truth of images/3.png already" in page._status.content, "the refusal")
    assert (root / "instances" / "3.png").read_bytes() == before


def test_what_is_not_saved_is_let_go_at_the_second_word(app: App, tmp_path: Path):
    (client,) = joined(app)
    page = page_of(app.sessions[0])
    begin(client, page, tmp_path / "truth")
    dab(page, "red", (0.5, 0.5))
    press(client, page.paint._end)
    until(lambda: "is not saved" in page._status.content, "the sentence")
    assert page.paint.is_painting
    dab(page, "red", (0.4, 0.5))  # other work than what was spoken of
    press(client, page.paint._end)
    press(client, page.paint._end)
    until(lambda: not page.paint.is_painting, "the end")


def test_the_mask_of_an_object_that_is_not_segmented_is_refused_in_a_sentence(app: App, tmp_path: Path):
    (client,) = joined(app)
    (session,) = app.sessions
    page = page_of(session)
    client.click(1)
    until(lambda: session.is_refined, "the refined field")
    session.edit(lambda state: state.with_object())
    begin(client, page, tmp_path / "truth")
    press(client, page.paint._take)
    until(lambda: "object 2 is not segmented yet" in page._status.content, "the sentence")


def test_a_stroke_is_drawn_beside_the_connection(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (client,) = joined(app)
    page = page_of(app.sessions[0])
    begin(client, page, tmp_path / "truth")
    drawn: list[int] = []
    stroked = Canvas.stroked

    def noted(self: Canvas, *args: object) -> Canvas:
        drawn.append(threading.get_ident())
        return stroked(self, *args)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Canvas, "stroked", noted)
    connection: list[int] = []
    app.server.get_event_loop().call_soon_threadsafe(lambda: connection.append(threading.get_ident()))
    drag(client, page, (0.4, 0.5, 0.6))
    until(lambda: drawn and connection, "the stroke")
    assert drawn[0] != connection[0]


def test_what_is_painted_outlives_a_reload(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sanerf_hq.viewer.app.stored_keys", lambda client: list(app._waiting))
    (client,) = joined(app)
    (session,) = app.sessions
    begin(client, page_of(session), tmp_path / "truth")
    dab(page_of(session), "mug", (0.4, 0.5))
    labels = painted(page_of(session)).canvas.labels
    client.socket.close()
    until(lambda: not app.sessions, "the end of the page")
    (client,) = joined(app)
    assert app.sessions == [session]
    page = page_of(session)
    assert page.paint.is_painting and page.paint._sheet is not None
    assert torch.equal(painted(page).canvas.labels, labels)
    dab(page, "vase", (0.8, 0.5))
    written(client, page)
    assert page._status.content == f"saved {tmp_path / 'truth' / 'instances' / '3.png'}"


def test_strokes_that_are_not_saved_are_not_begun_over(app: App, tmp_path: Path):
    (client,) = joined(app)
    page = page_of(app.sessions[0])
    begin(client, page, tmp_path / "truth")
    dab(page, "mug", (0.4, 0.5))
    labels = painted(page).canvas.labels
    press(client, page.paint._start)
    until(lambda: "images/3.png is not saved" in page._status.content, "the sentence")
    assert painted(page).canvas.labels is labels
    press(client, page.paint._save)
    until(lambda: page._status.content.startswith("saved"), "the file")
    press(client, page.paint._start)
    until(lambda: page._status.content.startswith("painting images/3.png"), "a new beginning")


def test_while_painting_undo_and_redo_are_of_strokes(app: App, tmp_path: Path):
    (client,) = joined(app)
    (session,) = app.sessions
    page = page_of(session)
    session.edit(lambda state: state.renamed("before"))
    begin(client, page, tmp_path / "truth")
    first = painted(page).canvas.labels
    dab(page, "mug", (0.4, 0.5))
    labels = painted(page).canvas.labels
    page._undo()
    assert torch.equal(painted(page).canvas.labels, first) and session.state.current.name == "before"
    page._redo()
    assert torch.equal(painted(page).canvas.labels, labels)
    press(client, page.paint._end)
    press(client, page.paint._end)
    until(lambda: not page.paint.is_painting, "the end")
    page._undo()
    assert session.state.current.name == "object 1"
    page._redo()
    assert session.state.current.name == "before"


def test_of_two_pages_that_paint_one_view_the_later_is_told(app: App, tmp_path: Path):
    one, other = joined(app, 2)
    first, second = pages_of(app)
    folder = tmp_path / "truth"
    begin(one, first, folder)
    begin(other, second, folder)
    dab(first, "mug", (0.4, 0.5))
    dab(second, "vase", (0.8, 0.5))
    written(one, first)
    before = (folder / "instances" / "3.png").read_bytes(), (folder / "scene.json").read_bytes()
    press(other, second.paint._save)
    until(lambda: "was painted elsewhere in the meantime" in second._status.content, "the sentence")
    assert before == ((folder / "instances" / "3.png").read_bytes(), (folder / "scene.json").read_bytes())
    second.paint._folder.value = str(tmp_path / "another")
    written(other, second)
    assert second._status.content.startswith("saved"), "what was painted can be kept"


def test_ids_that_no_object_has_are_written_back(app: App):
    (client,) = joined(app)
    page, root = page_of(app.sessions[0]), app.workshop.home.scene.root
    image = root / "instances" / "3.png"
    pixels = np.asarray(Image.open(image)).copy()
    pixels[:4] = 7
    Image.fromarray(pixels).save(image)
    begin(client, page, root)
    dab(page, "mug", (0.5, 0.5))
    written(client, page)
    assert page._status.content == f"saved {image}"
    kept = np.asarray(Image.open(image))
    assert (kept[:4] == 7).all() and (kept == 8).any()
    known = json.loads((root / "scene.json").read_text())["objects"]
    assert [(one["id"], one["name"]) for one in known][-1] == (8, "mug") and len(known) == 3


def test_a_drag_from_elsewhere_is_refused_once(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shown: list[str] = []
    monkeypatch.setattr(
        viser.ClientHandle, "add_notification", lambda self, title, body, **_: shown.append(body)
    )
    (client,) = joined(app)
    page = page_of(app.sessions[0])
    begin(client, page, tmp_path / "truth")
    labels = painted(page).canvas.labels
    client.look(5)
    until(lambda: page.here() is not painted(page).view, "the other view")
    drag(client, page, (0.4, 0.5, 0.6, 0.7, 0.8))
    press(client, page.paint._take)
    until(lambda: any("nothing is segmented yet" in one for one in shown), "what came after the drag")
    done = threading.Event()
    page.later(done.set)
    assert done.wait(240)
    assert sum("the camera has moved away" in one for one in shown) == 1
    assert painted(page).canvas.labels is labels


def test_a_page_that_draws_keeps_no_other_waiting(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    one, other = joined(app, 2)
    painter, looker = pages_of(app)
    begin(one, painter, tmp_path / "truth")
    begun, leave = threading.Event(), threading.Event()

    def slow(self: Canvas, window: object) -> torch.Tensor:
        begun.set()
        assert leave.wait(240)
        return torch.zeros(4, 4, 3, dtype=torch.uint8)

    monkeypatch.setattr(Canvas, "seen_by", slow)
    one.look(4)
    assert begun.wait(240)
    one.look(5)
    other.look(6)
    home = app.workshop.home
    until(
        lambda: looker.session.viewpoint and looker.session.viewpoint.is_at(home.scene.view("6").camera, 3.0)
    )
    leave.set()
