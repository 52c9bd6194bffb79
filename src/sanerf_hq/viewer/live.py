"""Live: a field in the browser while it trains. One only looks; to segment, it must be trained."""

from __future__ import annotations

import threading

import viser

from sanerf_hq.geometry import WorldTransform
from sanerf_hq.radiance import RadianceField
from sanerf_hq.radiance.moments import moments_of
from sanerf_hq.scene import Scene, View
from sanerf_hq.viewer.frames import Frame, Painter
from sanerf_hq.viewer.gate import Gate
from sanerf_hq.viewer.overlay import Look, picture_of
from sanerf_hq.viewer.panel_time import TimePanel
from sanerf_hq.viewer.pointing import CAMERA_RADIUS, frame_size
from sanerf_hq.viewer.serving import start_server
from sanerf_hq.viewer.state import SessionState
from sanerf_hq.viewer.viewpoint import Viewpoint
from sanerf_hq.viewer.window import Window, set_up, thumbnails
from sanerf_hq.viewer.worker import Ticket, Worker


class LivePage:
    """One browser's look at a field in training."""

    def __init__(self, app: LiveApp, client: viser.ClientHandle) -> None:
        self._app, self._window = app, Window(client, app.distance)
        self._painter, self._worker = Painter(), Worker("pictures")
        self._mode = client.gui.add_dropdown("Mode", ("colour", "depth"))
        self._mode.on_update(lambda _: self.repaint())
        if app.moments:
            self._time = TimePanel(client.gui, app.moments, app.moments[0], lambda _: self.repaint())
        client.gui.add_markdown("The field while it trains. Open the run with `sanerf view` once it is done.")
        self._window.put_frusta(app.shown, self._fly)

        async def moved(_: object) -> None:
            self.repaint()

        client.camera.on_update(moved)
        self._fly(app.scene.train_views[0])

    def repaint(self) -> None:
        """Show the newest field from where the browser looks."""
        self._worker.submit(self._paint)

    def refresh(self) -> None:
        """A newer field is there; a picture that is under way is finished first."""
        if not self._worker.is_busy:
            self.repaint()

    def close(self) -> None:
        """The browser is gone."""
        self._worker.close()

    def _fly(self, view: View) -> None:
        self._window.fly(Viewpoint.of_camera(view.camera, self._app.distance))

    def _paint(self, ticket: Ticket) -> None:
        field, found = self._app.field, self._window.viewpoint()
        if field is None or found is None:
            return
        if field.moments:
            field = field.at(self._time.wanted)
        mode = "depth" if self._mode.value == "depth" else "colour"

        def show(frame: Frame) -> None:
            ticket.check_dropped() if frame.is_first else ticket.check()
            self._window.show(picture_of(frame, SessionState(), None, Look(mode)), frame.depth)

        size = frame_size(found[1], self._app.scene.train_views[0].camera)
        self._painter.paint(field, found[0], size, show, ticket.check)


class LiveApp:
    """A server that shows a field while it trains, to this machine alone."""

    def __init__(self, scene: Scene, port: int) -> None:
        """Start serving; there is nothing to see before :meth:`show`.

        Raises:
            InputError: The port cannot be used, or a photo cannot be read.
        """
        self.scene = scene
        cameras = [view.camera for view in scene.train_views]
        self.moments = moments_of(cameras)
        self.distance = CAMERA_RADIUS / WorldTransform.from_cameras(cameras).scale
        self.shown = thumbnails(scene.train_views, self.distance)
        self.field: RadianceField | None = None
        self._pages: dict[int, LivePage] = {}
        self._lock = threading.Lock()
        gate = Gate.at("127.0.0.1")
        self._server = start_server(gate, port, f"sanerf · {scene.name} in training")
        self.url = gate.url(self._server.get_port())
        set_up(self._server, cameras)
        self._server.on_client_connect(self._connected)
        self._server.on_client_disconnect(self._disconnected)

    def show(self, field: RadianceField) -> None:
        """Show a newer field; returns at once."""
        self.field = field
        with self._lock:
            pages = list(self._pages.values())
        for page in pages:
            page.refresh()

    def stop(self) -> None:
        """End it."""
        self._server.stop()
        with self._lock:
            for page in self._pages.values():
                page.close()

    def _connected(self, client: viser.ClientHandle) -> None:
        page = LivePage(self, client)
        with self._lock:
            self._pages[client.client_id] = page
        page.repaint()

    def _disconnected(self, client: viser.ClientHandle) -> None:
        with self._lock:
            page = self._pages.pop(client.client_id, None)
        if page is not None:
            page.close()
