"""Soak: random events for a viewer, for an hour, and what becomes of its memory.

    python benchmarks/viewer_soak.py RUN --minutes 60

Clients that are no browsers join, look round, click, press buttons, send nonsense and leave. At the end:
the process's memory at each eighth of the time, once all that was asked is done, threads, and tracebacks
in the log. RUN is copied first, so nothing of it changes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import random
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec.msgpack
import torch
import viser
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from sanerf_hq.objects import OBJECT_PRESETS
from sanerf_hq.radiance import load_radiance_field
from sanerf_hq.viewer.app import App
from sanerf_hq.viewer.gate import Gate
from sanerf_hq.viewer.overlay import Look
from sanerf_hq.viewer.session import Session
from sanerf_hq.viewer.viewpoint import Viewpoint
from sanerf_hq.viewer.workshop import Workshop

CANVAS = (96, 64)
CLIENTS = 3
PAUSE = 0.01
EIGHTHS = 8
LEAVE = 0.01  # chance an event
REST, REST_SECONDS = 0.008, 20.0  # chance that all work is let come to its end, and how long at most


@dataclass(frozen=True)
class Memory:
    """Resident memory in MB and the number of threads."""

    mb: float
    threads: int

    @staticmethod
    def now() -> Memory:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return Memory(pages * 4096 / 1e6, threading.active_count())


class Client:
    """A connection, read by a thread of its own so that it never holds the server up."""

    def __init__(self, port: int) -> None:
        words = Subprotocol(f"viser-v{viser.__version__}")
        self.socket = connect(f"ws://127.0.0.1:{port}", subprotocols=[words], max_size=None, close_timeout=1)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.socket.recv()

    def send(self, kind: str, **fields: object) -> None:
        self.socket.send(msgspec.msgpack.encode({"type": kind, **fields}))

    def look(self, point: Viewpoint) -> None:
        self.send(
            "ViewerCameraMessage",
            wxyz=point.wxyz,
            position=point.position,
            fov=point.fov,
            image_width=CANVAS[0],
            image_height=CANVAS[1],
            near=0.01,
            far=1000.0,
            look_at=point.look_at,
            up_direction=point.up,
        )

    def point(self, kind: str, places: tuple[tuple[float, float], ...], modifier: str | None) -> None:
        self.send(
            "ScenePointerMessage",
            event_type=kind,
            ray_origin=(0, 0, 0) if kind == "click" else None,
            ray_direction=(0, 0, 1) if kind == "click" else None,
            screen_pos=places,
            modifier=modifier,
        )


def one_event(draw: random.Random, client: Client, session: Session, points: list[Viewpoint]) -> None:
    """Something that a user, or an accident, may do."""
    place = (draw.random(), draw.random())
    what = draw.random()
    if what < 0.45:
        client.look(draw.choice(points))
    elif what < 0.65:
        client.point("click", (place,), draw.choice([None, None, "shift"]))
    elif what < 0.72:
        other = (draw.random(), draw.random())
        low, high = (tuple(pick(a, b) for a, b in zip(place, other, strict=True)) for pick in (min, max))
        client.point("rect-select", (low, high), "cmd/ctrl")  # pyright: ignore[reportArgumentType]
    elif what < 0.80:
        draw.choice([session.undo, session.redo])()
    elif what < 0.86:
        mode = draw.choice(["overlay", "colour", "depth", "object", "removed"])
        session.looked(Look(mode, draw.uniform(-0.5, 0.5)))  # pyright: ignore[reportArgumentType]
    elif what < 0.90:
        session.edit(lambda state: state.with_object() if len(state.objects) < 4 else state.without(0))
    elif what < 0.94:
        session.part(draw.choice(["new", "add", "subtract", "intersect"]))  # pyright: ignore[reportArgumentType]
    elif what < 0.97:
        draw.choice([session.cancel, session.refine])()
    else:
        client.send("GuiUpdateMessage", uuid="nobody", updates={"value": draw.random()})


def soak(app: App, seconds: float, seed: int) -> tuple[list[Memory], int, int]:
    """Memory at the eighths of the time, how many events there were, how many clients came and went."""
    draw = random.Random(seed)
    port = app.server.get_port()
    views = app.workshop.home.views
    points = [Viewpoint.of_camera(view.camera, 3.0) for view in views[:: max(1, len(views) // 12)]]
    clients: list[Client] = []
    marks, events, joined = [Memory.now()], 0, 0
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        while len(clients) < CLIENTS:
            clients.append(Client(port))
            clients[-1].look(points[0])
            joined += 1
        client = draw.choice(clients)
        sessions = app.sessions
        if sessions:
            with contextlib.suppress(ConnectionClosed):
                one_event(draw, client, draw.choice(sessions), points)
        events += 1
        if draw.random() < LEAVE:
            with contextlib.suppress(ConnectionClosed):
                client.socket.send(b"\xff\x00" if draw.random() < 0.5 else "words")
            client.socket.close()
            clients.remove(client)
        time.sleep(PAUSE)
        if draw.random() < REST:
            rest(app)
        if time.monotonic() - started > len(marks) * seconds / EIGHTHS:
            rest(app)
            marks.append(Memory.now())
    for client in clients:
        client.socket.close()
    return marks, events, joined


def rest(app: App) -> None:
    """Wait until nothing is under way, so that some of what was asked is also answered."""
    end = time.monotonic() + REST_SECONDS
    while any(session.is_busy for session in app.sessions) and time.monotonic() < end:
        time.sleep(0.05)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    words = parser.parse_args()
    torch.set_num_threads(1)
    log = io.StringIO()
    logging.basicConfig(stream=log, level=logging.WARNING)
    OBJECT_PRESETS["draft"] = replace(OBJECT_PRESETS["draft"], steps=4, rays=256)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(log):
        shutil.copytree(words.run, Path(folder) / "run")
        workshop = Workshop(load_radiance_field(Path(folder) / "run"), "draft", "cpu")
        workshop.encode_views("compact")
        app = App(workshop, Gate.at("127.0.0.1"), 0, "compact")
        started = time.monotonic()
        marks, events, joined = soak(app, words.minutes * 60, words.seed)
        seconds = time.monotonic() - started
        app.stop()
        time.sleep(2)
        end = Memory.now()
    said = log.getvalue()
    shown = {
        "events": events,
        "seconds": round(seconds),
        "clients": joined,
        "mb": [round(mark.mb) for mark in marks],
        "threads": [mark.threads for mark in marks],
        "after": [round(end.mb), end.threads],
        "tracebacks": said.count("Traceback"),
    }
    print(json.dumps(shown))
    if "Traceback" in said:
        print(said[said.index("Traceback") - 500 :][:4000], file=sys.stderr)
    return int("Traceback" in said)


if __name__ == "__main__":
    raise SystemExit(main())
