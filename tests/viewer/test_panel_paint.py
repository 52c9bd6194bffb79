"""Painting in a page: what is begun, mended and written."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("viser", reason="needs the extra ui")

from sanerf_hq.viewer.app import App
from sanerf_hq.viewer.page import Page
from sanerf_hq.viewer.paint import Canvas
from sanerf_hq.viewer.session import Session
from support.chromium import until
from support.viewer_client import Client, joined


def page_of(session: Session) -> Page:
    assert isinstance(session.screen, Page)
    return session.screen


def press(client: Client, button: object) -> None:
    client.send("GuiUpdateMessage", uuid=button._impl.uuid, updates={"value": True})  # pyright: ignore


def begin(client: Client, page: Page, folder: Path) -> None:
    page.paint._folder.value = str(folder)
    press(client, page.paint._start)
    until(lambda: page.paint.is_painting, "the canvas")


def dab(page: Page, name: str, xy: tuple[float, float]) -> None:
    page.paint._object.value = name
    page.paint.clicked(xy)


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
    canvas = page.paint._canvas
    assert canvas is not None
    page.paint._canvas = Canvas(canvas.view, canvas.labels * 0)
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
    written(client, page)
    assert "holds truth of images/3.png already" in page._status.content
    assert (root / "instances" / "3.png").read_bytes() == before


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
    sheet = page.paint._sheet
    assert sheet is not None
    for phase, x in (("start", 0.4), ("update", 0.5), ("end", 0.6)):
        place = {"start_screen_pos": (x, 0.5), "end_screen_pos": (x, 0.5)}
        client.send(
            "SceneNodeDragMessage",
            phase=phase,
            name="/sheet",
            instance_index=None,
            start_position=(0.0, 0.0, 0.0),
            end_position=(0.0, 0.0, 0.0),
            button="left",
            modifier=None,
            owner=page.client.scene._owner_id,
            **place,
        )
    until(lambda: drawn and connection, "the stroke")
    assert drawn[0] != connection[0]
