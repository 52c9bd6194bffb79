"""Page: one browser's window and panel, and which event goes where. It holds no state of the work's own."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
import viser
from jaxtyping import Float, UInt8
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.radiance import Home
from sanerf_hq.scene import View
from sanerf_hq.viewer.files import Files
from sanerf_hq.viewer.frames import Frame
from sanerf_hq.viewer.help import table
from sanerf_hq.viewer.panel_files import FilesPanel
from sanerf_hq.viewer.panel_find import FindPanel
from sanerf_hq.viewer.panel_objects import ObjectsPanel
from sanerf_hq.viewer.panel_paint import PaintPanel
from sanerf_hq.viewer.panel_show import ShowPanel
from sanerf_hq.viewer.panel_time import TimePanel
from sanerf_hq.viewer.pointing import reach, view_at
from sanerf_hq.viewer.screen import Status
from sanerf_hq.viewer.session import Session
from sanerf_hq.viewer.viewpoint import Seen, Viewpoint
from sanerf_hq.viewer.window import Thumbnail, Window, thumbnails

LOG = logging.getLogger(__name__)
CATCH_UP_SECONDS = 0.5  # that a click waits for the camera it was made with
ERROR_SECONDS = 12.0  # that an error stands beside the line that told of it
DEAF_SECONDS = 0.4  # after a click on a camera, the same click is none on what lies behind it


class Page:
    """A browser's page; it is its session's screen."""

    def __init__(
        self, client: viser.ClientHandle, session: Session, home: Home, shown: tuple[Thumbnail, ...]
    ) -> None:
        """Build it.

        Args:
            client: The browser.
            session: Whose screen it is.
            home: The moment to begin with; if the session has gone on by then, the page goes after it.
            shown: The views of that moment.
        """
        self.client, self.session = client, session
        self._moment = home.moment
        self._turning = threading.Lock()
        self._closed = False
        self.window = Window(client, reach(session.workshop.field))
        self.files = Files(session, client.send_file_download)
        self._deaf_until = 0.0
        self._events = ThreadPoolExecutor(1, "page")
        self._status = client.gui.add_markdown("starting")
        self._bar = client.gui.add_progress_bar(0.0)
        self._cancel = client.gui.add_button("Stop", disabled=True, icon=viser.Icon.PLAYER_STOP)
        self._cancel.on_click(lambda _: self.stop())
        if home.moment is not None:
            moments = session.workshop.field.moments
            self._time = TimePanel(
                client.gui, moments, home.moment, lambda time: self.later(lambda: self._go_to(time))
            )
        tabs = client.gui.add_tab_group()
        with tabs.add_tab("Objects"):
            with client.gui.add_folder("Find without clicks", expand_by_default=False):
                FindPanel(client.gui, session)
            self.objects = ObjectsPanel(client.gui, session)
        with tabs.add_tab("Show"):
            self.show = ShowPanel(client.gui, session, home.shown, self.window, self.fly_to)
        with tabs.add_tab("Files"):
            self.kept = FilesPanel(client.gui, session, self.files)
        with tabs.add_tab("Paint"):
            self.paint = PaintPanel(client, session, self)
        with tabs.add_tab("Help"):
            client.gui.add_markdown(table())
        self.window.put_frusta(shown, self._frustum_clicked)
        self._listen()
        self._add_keys()
        session.attach(self)

    # Screen

    def picture(self, pixels: UInt8[Tensor, "h w 3"], depth: Float[Tensor, "h w"], frame: Frame) -> None:
        if not self.paint.is_painting:
            self.window.show(pixels, depth)
        if frame.is_final:
            self.show.told(self.session.times)

    def status(self, status: Status) -> None:
        text = f"**{status.text}**" if status.is_error else status.text
        self._status.content = ("⚠ " if status.is_error else "") + text
        if status.is_error:  # the line above may tell of other work at once
            self.client.add_notification("⚠", status.text, auto_close_seconds=ERROR_SECONDS, color="red")
        busy = status.share is not None
        if (
            self._cancel.disabled == busy
        ):  # both stay in their places: nothing jumps away from under the mouse
            self._cancel.disabled = not busy
        self._bar.value = round(100 * min(1.0, max(0.0, status.share or 0.0)), 1)

    def changed(self) -> None:
        self._turn_to_moment()
        self.objects.refresh()
        self.show.refresh()
        self.kept.refresh()
        self.window.show_marks(self.session.state.current)

    # Events

    def stop(self) -> None:
        """Stop segmenting and exporting."""
        self.files.stop()
        self.session.cancel()

    def fly_to(self, view: View) -> None:
        """Look from where a view was taken."""
        self.window.fly(Viewpoint.of_camera(view.camera, self.window.distance))

    def here(self) -> View | None:
        """The view that is looked from."""
        found = self.window.viewpoint()
        home = self.session.workshop.home
        return None if found is None else view_at(home, found[0], self.window.distance)

    def moved(self) -> None:
        """The browser's camera is another."""
        found = self.window.viewpoint()
        if found is None:
            return
        self.session.moved(*found)
        at = self.here()
        self.window.show_frusta(self.show.frusta and not self.paint.is_painting, at)
        self.paint.moved()

    def close(self) -> None:
        """The browser is gone: what it asked for ends."""
        self._closed = True
        self.files.stop()
        self._events.shutdown(wait=False, cancel_futures=True)

    def _go_to(self, time: float) -> None:
        """Another moment, unless the slider has moved on since.

        Raises:
            InputError: It cannot be shown; the slider then stands where it stood.
        """
        session, wanted = self.session, self._time.wanted
        shown = session.workshop.field.moment
        if shown is None or time != wanted or shown == wanted:
            return
        try:
            if self.paint.is_painting:
                raise InputError("end painting before you go to another time")
            workshop = session.workshop.at(wanted)
        except Exception:
            self._time.stay(shown)
            raise
        if self._closed:
            return
        session.go_to(workshop)
        if session.outcome is None and not session.state.prompted and self.files.is_followed:
            self.files.open(str(session.name))

    def _turn_to_moment(self) -> None:
        """Show the views of the session's moment, whoever went there."""
        home = self.session.workshop.home
        with self._turning:
            if home.moment is None or home.moment == self._moment:
                return
            self._moment = home.moment
            self._time.stay(home.moment)
            self.show.offer(home.shown)
            self.window.put_frusta(thumbnails(home.views, self.window.distance), self._frustum_clicked)
            self.window.show_frusta(self.show.frusta and not self.paint.is_painting, self.here())

    def later(self, act: Callable[[], None]) -> None:
        """Do it off the connection's thread, in the order in which things came."""

        def work() -> None:
            try:
                act()
            except InputError as error:
                self.status(Status(str(error), is_error=True))
            except Exception:
                LOG.exception("an event of the page's failed")
                failure = "that failed for a reason of the program's own; its log says more"
                self.status(Status(failure, is_error=True))

        with contextlib.suppress(RuntimeError):  # the page was closed in the meantime
            self._events.submit(work)

    def _frustum_clicked(self, view: View) -> None:
        self._deaf_until = time.monotonic() + DEAF_SECONDS
        self.fly_to(view)

    def _clicked(self, event: viser.SceneClickEvent, seen: Seen | None) -> None:
        """A click on the scene, once it is known where from: it may come before the last of a flight does.

        Raises:
            InputError: That did not become known.
        """
        deadline = time.monotonic() + CATCH_UP_SECONDS
        ray = torch.tensor(event.ray_origin), torch.tensor(event.ray_direction)
        while seen is None or not self.window.is_along(*ray, event.screen_pos, seen):
            if time.monotonic() >= deadline:
                raise InputError("the camera moved while you clicked; click again")
            time.sleep(0.02)
            seen = self.window.viewpoint()
        self.session.clicked(event.screen_pos, event.modifier is None, seen)

    def _listen(self) -> None:
        client, session = self.client, self.session

        # Coroutines run on the connection's own thread, one after the other: the latest camera is the latest,
        # and by the time that a click is seen to it may be another than the click was made with.
        async def moved(_: object) -> None:
            self.moved()

        async def clicked(event: viser.SceneClickEvent) -> None:
            if self.paint.is_painting:
                self.later(lambda: self.paint.clicked(event.screen_pos))
            elif time.monotonic() >= self._deaf_until:
                seen = self.window.viewpoint()
                self.later(lambda: self._clicked(event, seen))

        async def boxed(event: viser.SceneRectSelectEvent) -> None:
            if not self.paint.is_painting:
                seen = self.window.viewpoint()
                self.later(lambda: session.boxed(event.screen_min, event.screen_max, seen))

        client.camera.on_update(moved)
        # Coroutines are welcome here too, though viser's types do not say so.
        scene: Any = client.scene
        scene.on_click()(clicked)
        scene.on_click(modifier="shift")(clicked)
        scene.on_rect_select(modifier="cmd/ctrl")(boxed)

        def drag_draws(box: bool) -> None:
            if box:
                scene.on_rect_select()(boxed)
            else:
                scene.remove_rect_select_callback("all")
                scene.on_rect_select(modifier="cmd/ctrl")(boxed)

        self.objects.on_drag_mode(drag_draws)

    def _undo(self) -> None:
        self.paint.undo() if self.paint.is_painting else self.session.undo()

    def _redo(self) -> None:
        self.paint.redo() if self.paint.is_painting else self.session.redo()

    def _add_keys(self) -> None:
        session = self.session
        keys = (
            ("Undo", "Z", self._undo),
            ("Redo", "Y", self._redo),
            ("New object", "N", lambda: session.edit(lambda state: state.with_object())),
            ("Next mode", "M", self.show.next_mode),
            ("Next view", "V", self.show.next_view),
            ("Cameras on and off", "C", self.show.toggle_frusta),
            ("Stop", "X", self.stop),
        )
        for label, key, act in keys:
            command = self.client.gui.add_command(label, hotkey=key)  # pyright: ignore[reportArgumentType]
            command.on_trigger(lambda _, act=act: self.later(act))
