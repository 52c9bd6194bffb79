"""A field in the browser while it trains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sanerf_hq.radiance import PRESETS, RadianceField, train_radiance_field
from sanerf_hq.scene import load_scene
from sanerf_hq.viewer.frames import Painter
from sanerf_hq.viewer.live import LiveApp
from support.balls import write_ball_scene
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
    from support.balls import ball_field

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
