"""The server, by a client that speaks its protocol but is no browser."""

from __future__ import annotations

import logging
import socket
import threading
import time
import urllib.error
import urllib.request
from http import HTTPStatus

import msgspec.msgpack
import pytest
import torch
import viser
from websockets.exceptions import ConnectionClosed, InvalidStatus

from sanerf_hq.errors import InputError
from sanerf_hq.viewer.app import App
from sanerf_hq.viewer.gate import Gate
from sanerf_hq.viewer.page import Page
from sanerf_hq.viewer.serving import start_server
from support.balls import CENTERS, RADIUS
from support.chromium import until
from support.viewer_client import Client, joined


def test_two_clients_click_and_neither_sees_the_other_s_prompts(app: App):
    one, other = joined(app, 2)
    one.click(1)
    until(lambda: sum(session.is_refined for session in app.sessions) == 1)
    other.click(2)
    until(lambda: all(session.is_refined for session in app.sessions))
    places = {session.state.current.parts[0].clicks[0].xy for session in app.sessions}
    assert len(places) == 2
    assert [len(session.state.current.parts[0].clicks) for session in app.sessions] == [1, 1]
    other.click(1, "shift")
    until(lambda: sorted(len(s.state.current.parts[0].clicks) for s in app.sessions) == [1, 2])


def test_a_click_that_overtakes_its_camera_waits_for_it(app: App, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sanerf_hq.viewer.page.CATCH_UP_SECONDS", 20.0)
    (client,) = joined(app)
    (session,) = app.sessions
    client.click(1, index=4)
    time.sleep(0.5)
    assert not session.state.current.is_prompted, "where from is not known yet"
    client.look(4)
    until(lambda: session.state.current.is_prompted)
    click = session.state.current.parts[0].clicks[0]
    assert click.picture.view == "images/4.png"
    assert click.point is not None
    assert (torch.tensor(click.point) - CENTERS[0]).norm() == pytest.approx(RADIUS, abs=0.05)


@pytest.mark.parametrize("touched", [True, False])
def test_a_reload_finds_what_was_closed_last_unless_nothing_was_made_of_it(
    touched: bool, app: App, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sanerf_hq.viewer.app.stored_keys", lambda client: list(app._waiting))
    clients = joined(app, 2)
    one, other = (app._live[key][1] for key in sorted(app._live))
    closed = [one, other] if touched else [other, one]
    for session in closed if touched else closed[:1]:
        session.edit(lambda state: state.renamed("mug"))
    for session in closed:
        clients[[one, other].index(session)].socket.close()
        until(lambda session=session: session not in app.sessions)
    joined(app)
    assert app.sessions == [closed[-1] if touched else closed[0]]


def test_no_words_stop_nothing(app: App, monkeypatch: pytest.MonkeyPatch):
    (client,) = joined(app)
    (session,) = app.sessions
    page = session.screen
    assert isinstance(page, Page)
    looked: list[object] = []
    monkeypatch.setattr(session, "look_for", lambda *words: looked.append(words))
    known = page.client.gui._gui_input_handle_from_uuid.values()
    (button,) = (one for one in known if getattr(one._impl.props, "label", "") == "Find by words")
    client.send("GuiUpdateMessage", uuid=button._impl.uuid, updates={"value": True})
    until(lambda: "the text is empty" in page._status.content, "the sentence")
    assert looked == []


def test_keys_show_otherwise_and_hide_the_cameras(app: App):
    joined(app)
    (session,) = app.sessions
    page = session.screen
    assert isinstance(page, Page)
    page.show.next_mode()
    assert session.look.mode == "colour"
    page.show.toggle_frusta()
    assert not any(one.visible for one in page.window._frusta.values())
    page.show.toggle_frusta()
    assert all(one.visible for one in page.window._frusta.values())


def wait_for(event: threading.Event) -> None:
    assert event.wait(240)


def test_a_click_and_a_box_are_kept_in_the_view_that_they_were_made_in(app: App):
    (client,) = joined(app)
    (session,) = app.sessions
    page = session.screen
    assert isinstance(page, Page)
    free = threading.Event()
    page.later(lambda: wait_for(free))
    client.click(1)
    client.send(
        "ScenePointerMessage",
        event_type="rect-select",
        ray_origin=None,
        ray_direction=None,
        screen_pos=((0.4, 0.4), (0.6, 0.7)),
        modifier="cmd/ctrl",
    )
    client.look(4)
    until(lambda: page.here() is app.workshop.home.scene.view("4"), "the other view")
    free.set()
    until(lambda: session.state.current.parts[0].boxes, "the box")
    (part,) = session.state.current.parts
    assert {one.picture.view for one in (*part.clicks, *part.boxes)} == {"images/3.png"}


def test_a_click_that_fits_no_camera_is_refused(app: App, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sanerf_hq.viewer.page.CATCH_UP_SECONDS", 0.0)
    (client,) = joined(app)
    (session,) = app.sessions
    page = session.screen
    assert isinstance(page, Page)
    client.click(1, index=4)
    until(lambda: "the camera moved while you clicked" in page._status.content, "the sentence")
    assert not session.state.current.is_prompted


@pytest.mark.parametrize(
    "noise",
    [
        b"",
        b"\xff" * 40,
        b"\x00" * 8,
        msgspec.msgpack.encode([1, 2]),
        msgspec.msgpack.encode({"no": "type"}),
        msgspec.msgpack.encode({"type": "NoSuchMessage"}),
        msgspec.msgpack.encode({"type": "ViewerCameraMessage", "wxyz": "north"}),
        "words",
    ],
)
def test_what_is_no_message_ends_its_own_connection_only(
    noise: bytes | str, app: App, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING)
    (good,) = joined(app)
    bad = Client(app.server.get_port())
    bad.socket.send(noise)
    with pytest.raises(ConnectionClosed):
        while True:
            bad.socket.recv(timeout=20)
    assert "Traceback" not in caplog.text
    good.click(1)
    until(lambda: app.sessions[0].is_refined)


@pytest.mark.filterwarnings("ignore:\\[viser\\]")
def test_well_formed_messages_that_mean_nothing_are_survived(app: App, caplog: pytest.LogCaptureFixture):
    (client,) = joined(app)
    camera = {"near": 0.1, "far": 9.0, "look_at": (0, 0, 0), "up_direction": (0, 0, 1)}
    size = {"image_width": 10, "image_height": 10}
    nan = float("nan")
    for wxyz, position, fov in (
        ((nan,) * 4, (0, 0, 0), 1.0),
        ((0,) * 4, (0, 0, 0), 1.0),
        ((1, 0), (0,), -1.0),
    ):
        client.send("ViewerCameraMessage", wxyz=wxyz, position=position, fov=fov, **size, **camera)
    client.send("GuiUpdateMessage", uuid="nobody", updates={"value": 1})
    client.send(
        "ScenePointerMessage",
        event_type="click",
        ray_origin=None,
        ray_direction=None,
        screen_pos=(),
        modifier=None,
    )
    client.look(4)
    client.look(3)
    client.click(1)
    until(lambda: app.sessions[0].is_refined)
    assert "Traceback" not in caplog.text


def test_a_tab_that_is_closed_in_the_middle_of_training_leaves_the_others_alone(app: App):
    going, staying = joined(app, 2)
    going.click(1)
    going.socket.close()
    until(lambda: len(app.sessions) == 1)
    staying.click(2)
    until(lambda: app.sessions[0].is_refined)


def test_an_error_stands_beside_the_line_that_goes_on(app: App, monkeypatch: pytest.MonkeyPatch):
    shown: list[str] = []
    monkeypatch.setattr(
        viser.ClientHandle, "add_notification", lambda self, title, body, **_: shown.append(body)
    )
    (client,) = joined(app)
    client.click(1, "shift")
    until(lambda: shown, "the error")
    assert shown[0].startswith("click on the object first")
    client.click(1)
    until(lambda: app.sessions[0].is_refined)
    assert len(shown) == 1, "what goes well is said in the line alone"


def test_an_app_that_ends_stops_what_its_pages_do(app: App, monkeypatch: pytest.MonkeyPatch):
    joined(app)
    page = app.sessions[0].screen
    assert isinstance(page, Page)
    stopped: list[object] = []
    monkeypatch.setattr(page.files, "stop", lambda: stopped.append(page))
    session = page.session
    app.stop()
    assert stopped == [page]
    until(lambda: session._closed, "its end")


def test_a_foreign_origin_is_refused_and_the_own_one_is_not(app: App):
    port = app.server.get_port()
    with pytest.raises(InvalidStatus) as refused:
        Client(port, {"Origin": "http://evil.example"})
    assert refused.value.response.status_code == HTTPStatus.FORBIDDEN
    Client(port, {"Origin": f"http://127.0.0.1:{port}"}).socket.close()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as page:
        assert page.headers["X-Frame-Options"] == "DENY"


def test_without_the_token_neither_page_nor_connection_is_served():
    server = start_server(Gate("127.0.0.1", "sesame42"), 0, "guarded")
    try:
        address = f"http://127.0.0.1:{server.get_port()}"
        for path in ("/", "/?token=wrong"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(address + path)
            assert refused.value.code == HTTPStatus.FORBIDDEN
            refused.value.close()
        with pytest.raises(InvalidStatus):
            Client(server.get_port())
        with urllib.request.urlopen(f"{address}/?token=sesame42") as page:
            cookie = page.headers["Set-Cookie"].split(";")[0]
        Client(server.get_port(), {"Cookie": cookie}).socket.close()
    finally:
        server.stop()


def test_an_address_that_is_none_is_refused():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="cannot be used"):
            start_server(Gate.at("127.0.0.1"), taken.getsockname()[1], "x")
    with pytest.raises(InputError, match="cannot be used"):
        start_server(Gate.at("203.0.113.7"), 0, "x")
