"""App: the server, and which browser has which session.

A browser keeps the keys of its sessions in its local storage. When a page is closed its session waits for a
while; a page that is opened takes the one of its browser's that was closed last, so a reload finds all as it
was, and two pages never share one.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection

import viser
from jaxtyping import Float, UInt8
from torch import Tensor

from sanerf_hq.viewer.frames import Frame
from sanerf_hq.viewer.gate import Gate
from sanerf_hq.viewer.memory import keep_memory_together
from sanerf_hq.viewer.page import Page
from sanerf_hq.viewer.pointing import reach
from sanerf_hq.viewer.screen import Status
from sanerf_hq.viewer.serving import start_server
from sanerf_hq.viewer.session import Session
from sanerf_hq.viewer.viewpoint import Viewpoint
from sanerf_hq.viewer.window import set_up, thumbnails
from sanerf_hq.viewer.workshop import Workshop

LOG = logging.getLogger(__name__)
KEPT_SESSIONS = 8  # of pages that were closed
KEPT_KEYS = 16
STORAGE = "sanerf-sessions"
ANSWER_SECONDS = 5.0


class Nobody:
    """The screen of a session whose page is closed."""

    def picture(self, pixels: UInt8[Tensor, "h w 3"], depth: Float[Tensor, "h w"], frame: Frame) -> None:
        pass

    def status(self, status: Status) -> None:
        pass

    def changed(self) -> None:
        pass


class App:
    """A running viewer."""

    def __init__(self, workshop: Workshop, gate: Gate, port: int, segmenter: str) -> None:
        """Start serving.

        Raises:
            InputError: The address or port cannot be used.
        """
        keep_memory_together()
        self.workshop, self._segmenter = workshop, segmenter
        self._shown = thumbnails(workshop.home.views, reach(workshop.field))
        self._lock = threading.Lock()
        self._live: dict[int, tuple[str, Session]] = {}
        self._waiting: OrderedDict[str, Session] = OrderedDict()
        self.server = start_server(gate, port, f"sanerf · {workshop.home.scene.name}")
        self.url = gate.url(self.server.get_port())
        set_up(self.server, workshop.home.cameras)
        self.server.on_client_connect(self._connected)
        self.server.on_client_disconnect(self._disconnected)

    @property
    def sessions(self) -> list[Session]:
        """Those of open pages."""
        with self._lock:
            return [session for _, session in self._live.values()]

    def stop(self) -> None:
        """End it; every session is closed."""
        self.server.stop()
        with self._lock:
            ended = [session for _, session in self._live.values()] + list(self._waiting.values())
            self._live.clear()
            self._waiting.clear()
        for session in ended:
            _leave(session)
            session.close()

    def _connected(self, client: viser.ClientHandle) -> None:
        keys = stored_keys(client)
        with self._lock:
            known = self._closed_last(keys)
            session = self._waiting.pop(known) if known is not None else None
            key = known or secrets.token_urlsafe(12)
            if session is None:
                session = Session(self.workshop, Nobody(), self._segmenter)
            self._live[client.client_id] = (key, session)
        kept = [key, *(other for other in keys if other != key)][:KEPT_KEYS]
        client.local_storage.set_item(STORAGE, ",".join(kept))
        home = session.workshop.home
        elsewhen = home.moment != self.workshop.home.moment
        shown = thumbnails(home.views, reach(self.workshop.field)) if elsewhen else self._shown
        page = Page(client, session, home, shown)
        where = session.viewpoint or Viewpoint.of_camera(
            self.workshop.home.views[0].camera, reach(self.workshop.field)
        )
        page.window.fly(where)
        page.status(Status(session.segmenting.summary()))
        page.moved()
        session.repaint()
        if client.client_id not in self.server.get_clients():  # it was closed while its page was built
            self._disconnected(client)

    def _closed_last(self, keys: Collection[str]) -> str | None:
        """Of the sessions that wait; one of which nothing was made only where there is no other."""
        found = [key for key in reversed(self._waiting) if key in keys]
        return min(found, key=lambda key: self._waiting[key].is_untouched, default=None)

    def _disconnected(self, client: viser.ClientHandle) -> None:
        with self._lock:
            key, session = self._live.pop(client.client_id, ("", None))
            if session is None:
                return
            _leave(session)
            session.pause()
            self._waiting[key] = session
            ended = [self._waiting.popitem(last=False)[1] for _ in range(len(self._waiting) - KEPT_SESSIONS)]
        for one in ended:
            one.close()


def _leave(session: Session) -> None:
    """Close a session's page; what ends by that is told nobody."""
    page, session.screen = session.screen, Nobody()
    if isinstance(page, Page):
        page.close()


def stored_keys(client: viser.ClientHandle) -> list[str]:
    """Keys of the sessions that a browser has had, the latest first; none where it keeps nothing."""
    try:
        kept = client.local_storage.get_item(STORAGE, timeout=ANSWER_SECONDS)
    except (RuntimeError, TimeoutError):
        return []
    return [key for key in (kept or "").split(",") if key][:KEPT_KEYS]


def warm_up(workshop: Workshop, segmenter: str, said: Callable[[str], None]) -> None:
    """Encode the training views, in a thread, so that the first click need not wait for it."""

    def work() -> None:
        try:
            workshop.encode_views(segmenter)
        except Exception as error:
            said(f"the views could not be encoded ahead ({error})")

    threading.Thread(target=work, name="encoding", daemon=True).start()
