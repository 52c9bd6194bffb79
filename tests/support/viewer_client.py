"""A connection to the viewer that sends what a browser would, without being one."""

from __future__ import annotations

import msgspec.msgpack
import torch
import viser
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from sanerf_hq.viewer.app import App
from sanerf_hq.viewer.viewpoint import Viewpoint
from support.balls import CENTERS, ball_camera
from support.chromium import until
from support.recorder import CANVAS

CLIENTS: list[Client] = []


class Client:
    """A connection that sends what a browser would."""

    def __init__(self, port: int, headers: dict[str, str] | None = None) -> None:
        self.socket: ClientConnection = connect(
            f"ws://127.0.0.1:{port}",
            subprotocols=[Subprotocol(f"viser-v{viser.__version__}")],
            additional_headers=headers,
            max_size=None,
            close_timeout=0.5,  # what was sent to it is not read, so neither is the farewell
        )
        CLIENTS.append(self)

    def send(self, kind: str, **fields: object) -> None:
        self.socket.send(msgspec.msgpack.encode({"type": kind, **fields}))

    def look(self, index: int = 3) -> None:
        point = Viewpoint.of_camera(ball_camera(index), 3.0)
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

    def click(self, number: int, modifier: str | None = None, index: int = 3) -> None:
        """On the middle of a ball, as seen by camera ``index``."""
        window = Viewpoint.of_camera(ball_camera(index), 3.0).camera(*CANVAS)
        x, y = window.project(CENTERS[number - 1 : number]).xy[0].tolist()
        ray = window.rays(torch.tensor([[x, y]]))
        self.send(
            "ScenePointerMessage",
            event_type="click",
            ray_origin=tuple(ray.origins[0].tolist()),
            ray_direction=tuple(ray.directions[0].tolist()),
            screen_pos=((x / CANVAS[0], y / CANVAS[1]),),
            modifier=modifier,
        )


def joined(app: App, count: int = 1) -> list[Client]:
    """Connections to an app, each with a page that shows a picture."""
    clients = [Client(app.server.get_port()) for _ in range(count)]
    for client in clients:
        client.look()
    until(lambda: len(app.sessions) == count and all(s.viewpoint for s in app.sessions))
    for client in clients:
        client.look()
    until(lambda: all(session.frame is not None for session in app.sessions))
    return clients
