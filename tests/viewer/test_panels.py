"""The panels, by what a browser would send: what is typed and chosen is what counts."""

from __future__ import annotations

from typing import Any

import pytest
import viser

pytest.importorskip("viser", reason="needs the extra ui")

from sanerf_hq.viewer import panel_objects
from sanerf_hq.viewer.app import App
from sanerf_hq.viewer.page import Page
from support.chromium import until
from support.viewer_client import Client, joined


def page_of(app: App) -> Page:
    page = app.sessions[0].screen
    assert isinstance(page, Page)
    return page


def put(client: Client, handle: Any, value: object) -> None:
    """Set a value as a browser does, and wait until it stands."""
    client.send("GuiUpdateMessage", uuid=handle._impl.uuid, updates={"value": value})
    until(lambda: handle.value == value, "the value")


def test_a_new_name_is_one_step(app: App):
    joined(app)
    page = page_of(app)
    session = page.session
    session.edit(lambda state: state.with_object())
    session.edit(lambda state: state.renamed("mug"))
    assert len(session.history.past) == 2 and session.state.active == 1
    assert page.objects._active.value == "mug"
    session.undo()
    assert session.state.current.name == page.objects._active.value == "object 2"
    session.redo()
    assert session.state.current.name == page.objects._active.value == "mug"


def test_a_name_that_is_typed_comes_before_what_is_done_next(app: App, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(panel_objects, "TYPING_SECONDS", 240.0)
    (client,) = joined(app)
    page = page_of(app)
    session = page.session
    put(client, page.objects._name, " mug")
    until(lambda: session.is_waiting, "the name")
    page.kept.refresh()
    page.objects.refresh()
    assert page.objects._name.value == " mug", "it may go on"
    client.click(1)
    until(lambda: session.state.current.is_prompted, "the click")
    assert session.state.current.name == page.objects._name.value.strip() == "mug"
    put(client, page.objects._name, "cup")
    until(lambda: session.is_waiting, "the name")
    put(client, page.objects._colour, (1, 2, 3))
    until(lambda: session.state.current.colour == (1, 2, 3), "the colour")
    assert session.state.current.name == "cup"


def test_an_empty_name_is_no_name_yet(app: App, monkeypatch: pytest.MonkeyPatch):
    said: list[str] = []
    monkeypatch.setattr(
        viser.ClientHandle, "add_notification", lambda self, title, body, **_: said.append(body)
    )
    monkeypatch.setattr(panel_objects, "TYPING_SECONDS", 240.0)
    (client,) = joined(app)
    page = page_of(app)
    for text in ("", "old ", "old mug"):
        put(client, page.objects._name, text)
        until(lambda: page.session.is_waiting, "the name")
        page.session.settle()
        assert page.objects._name.value == text
    assert said == [] and page.session.state.current.name == "old mug"
    assert len(page.session.history.past) == 2


def test_a_file_name_that_is_typed_stays(app: App):
    (client,) = joined(app)
    page = page_of(app)
    session, panel = page.session, page.kept
    client.click(1)
    until(lambda: session.is_refined, "the refined field")
    put(client, panel._replace, True)
    page.files.save("first", replace=True)
    until(lambda: panel._name.value == "first", "what is saved")
    assert panel._known.value == "first"
    assert not panel._replace.value, "that was for one time"
    put(client, panel._name, "second")
    session.edit(lambda state: state.coloured((1, 2, 3)))
    assert panel._name.value == "second"
    page.files.save("second", replace=False)
    until(lambda: panel._known.value == "second", "what is saved")
    assert page.files.names == ["first", "second"]
