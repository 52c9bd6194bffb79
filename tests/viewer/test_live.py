"""A field in the browser while it trains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sanerf_hq.radiance import PRESETS, RadianceField, train_radiance_field
from sanerf_hq.scene import load_scene
from sanerf_hq.viewer.frames import Frame, Painter
from sanerf_hq.viewer.live import LiveApp
from sanerf_hq.viewer.overlay import picture_of
from support.balls import ball_field, write_ball_scene
from support.chromium import until
from support.moving_balls import MOMENTS, moving_field
from support.viewer_client import Client


def test_being_watched_changes_nothing_in_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sanerf_hq.radiance.train.WATCH_SECONDS", 0.0)
    torch.set_num_threads(1)
    scene, config = load_scene(write_ball_scene(tmp_path / "balls")), replace(PRESETS["draft"], steps=6)
    seen: list[RadianceField] = []
    watched = train_radiance_field(scene, tmp_path / "watched", config, watch=seen.append)
    plain = train_radiance_field(scene, tmp_path / "plain", config)
    assert len(seen) == 6
    assert torch.equal(watched.network.table, plain.network.table)
    assert torch.equal(seen[-1].network.table, plain.network.table)
    assert not torch.equal(seen[0].network.table, plain.network.table), "a copy, not the field itself"


def test_a_page_shows_the_newest_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    field = ball_field(tmp_path)
    shown: list[object] = []
    monkeypatch.setattr(
        "sanerf_hq.viewer.window.Window.show", lambda self, pixels, depth: shown.append(pixels)
    )
    app = LiveApp(field.at_home().scene, 0)
    client = Client(int(app.url.rsplit(":", 1)[1].strip("/")))
    try:
        client.look()
        app.show(field)
        until(lambda: shown, "a picture")
        many = len(shown)
        app.show(field)
        until(lambda: len(shown) > many, "the newer picture")
        client.socket.close()
        app.show(field)
    finally:
        app.stop()


def test_while_the_camera_moves_on_the_field_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    field, ahead, firsts = ball_field(tmp_path), [], []
    paint = Painter.paint

    def overtaken(*arguments: Any) -> Any:
        if ahead:
            ahead.pop()
            page.repaint()
        return paint(*arguments)

    def noted(frame: Frame, *more: Any) -> Tensor:
        if frame.is_first:
            firsts.append(frame)
        return picture_of(frame, *more)

    app = LiveApp(field.at_home().scene, 0)
    client = Client(int(app.url.rsplit(":", 1)[1].strip("/")))
    try:
        client.look()
        app.show(field)
        until(lambda: app._pages, "the page")
        (page,) = app._pages.values()
        client.look()
        until(lambda: page._window.viewpoint() and not page._worker.is_busy, "the end of its pictures")
        monkeypatch.setattr(Painter, "paint", overtaken)
        monkeypatch.setattr("sanerf_hq.viewer.live.picture_of", noted)
        ahead += [1, 2, 3]
        page.repaint()
        until(lambda: not ahead and not page._worker.is_busy, "the end of its pictures")
        client.socket.close()
    finally:
        app.stop()
    assert len(firsts) >= 4, "none was left out, though each was overtaken"


def test_a_scene_that_moves_is_shown_at_the_time_of_the_slider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    field = moving_field(tmp_path)
    times: list[float | None] = []
    monkeypatch.setattr(Painter, "paint", lambda self, field, *_: times.append(field.moment))
    app = LiveApp(field.at_home().scene, 0)
    client = Client(int(app.url.rsplit(":", 1)[1].strip("/")))
    try:
        client.look()
        app.show(field)
        until(lambda: times, "a picture")
        assert times[-1] == MOMENTS[0]
        (page,) = app._pages.values()
        slider = page._time._slider._impl.uuid
        client.send("GuiUpdateMessage", uuid=slider, updates={"value": MOMENTS[-1]})
        until(lambda: times[-1] == MOMENTS[-1], "the last moment")
        client.socket.close()
    finally:
        app.stop()
