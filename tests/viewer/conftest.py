"""A workshop on two balls that are known exactly, and a screen that remembers what it was told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sanerf_hq.objects import OBJECT_PRESETS
from sanerf_hq.radiance import GridConfig
from support.balls import ball_field

pytest.importorskip("viser", reason="needs the extra ui")

from sanerf_hq.viewer.app import App
from sanerf_hq.viewer.gate import Gate
from sanerf_hq.viewer.session import Session
from sanerf_hq.viewer.viewpoint import Viewpoint
from sanerf_hq.viewer.workshop import Workshop
from support.recorder import CANVAS, Recorder
from support.viewer_client import CLIENTS


@pytest.fixture
def small_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Object fields of a few steps: what is tested is what becomes of them."""
    grid = GridConfig(n_levels=2, n_features=2, log2_table=10, finest=32)
    small = replace(OBJECT_PRESETS["draft"], grid=grid, steps=4, steps_where_exact=4, rays=256)
    monkeypatch.setitem(OBJECT_PRESETS, "draft", small)


@pytest.fixture
def workshop(tmp_path: Path, small_objects: None) -> Workshop:
    """The balls, opened for viewing."""
    torch.set_num_threads(1)
    return Workshop(ball_field(tmp_path), "draft", "cpu")


@pytest.fixture
def new_session(workshop: Workshop) -> Iterator[Callable[[], tuple[Session, Recorder]]]:
    """Makes sessions that look from the third view; they are closed afterwards."""
    made: list[Session] = []

    def make() -> tuple[Session, Recorder]:
        screen = Recorder()
        session = Session(workshop, screen, "truth")
        made.append(session)
        view = workshop.home.scene.view("3")
        session.moved(Viewpoint.of_camera(view.camera, 3.0), CANVAS)
        return session, screen

    yield make
    for session in made:
        session.close()


@pytest.fixture
def app(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """The balls, served."""
    monkeypatch.setattr("sanerf_hq.viewer.app.ANSWER_SECONDS", 0.2)  # nobody answers for a local storage
    started = App(workshop, Gate.at("127.0.0.1"), 0, "truth")
    yield started
    for client in CLIENTS:
        client.socket.close()
    CLIENTS.clear()
    started.stop()
