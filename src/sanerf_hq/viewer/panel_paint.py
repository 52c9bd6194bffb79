"""Paint panel: masks painted by hand in a view, and saved as the scene's truth."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import viser

from sanerf_hq.errors import InputError
from sanerf_hq.scene import View
from sanerf_hq.viewer.paint import Canvas, Place
from sanerf_hq.viewer.painting import Painting, plain
from sanerf_hq.viewer.pointing import frame_size
from sanerf_hq.viewer.screen import Status
from sanerf_hq.viewer.session import Session
from sanerf_hq.viewer.viewpoint import Viewpoint

if TYPE_CHECKING:
    from sanerf_hq.viewer.page import Page

TOOLS = ("brush", "eraser", "polygon")
SHEET = 0.05  # share of the cameras' distance at which the sheet stands that strokes are made on


class PaintPanel:
    """A canvas over one view; while it is open, clicks and drags paint."""

    def __init__(self, client: viser.ClientHandle, session: Session, page: Page) -> None:
        self._client, self._session, self._page = client, session, page
        self._stroke: list[Place] = []
        self._sheet: viser.MeshHandle | None = None
        self._lock = threading.RLock()
        self._is_drawn_soon = False
        self._doomed: Painting | None = None  # what ending once more lets go
        gui, scene, begun = client.gui, session.workshop.home.scene, session.painting
        self._start = gui.add_button("Paint the view that is shown")
        self._object = gui.add_text("Object", scene.objects[0].name if scene.objects else "object 1")
        self._tool = gui.add_button_group("Tool", TOOLS)
        self._chosen = gui.add_markdown("tool: brush")
        self._tool_name = TOOLS[0]
        self._radius = gui.add_slider("Brush radius", 1, 40, 1, 6, hint="Pixels of the photo")
        self._more = gui.add_button_group("Steps", ("undo", "redo", "close polygon"))
        self._take = gui.add_button("Begin with the segmented mask")
        self._folder = gui.add_text("Folder", str(scene.root if begun is None else begun.folder))
        self._save = gui.add_button("Save as truth", icon=viser.Icon.DEVICE_FLOPPY)
        self._end = gui.add_button("End painting", hint="Once more lets go what is not saved")
        self._listen()
        if begun is not None:  # in the page before
            self._put_sheet(begun.view)

    @property
    def is_painting(self) -> bool:
        """Whether clicks and drags paint."""
        return self._session.painting is not None

    def moved(self) -> None:
        """The window looks from elsewhere; drawn later: the connection's thread is that of all pages."""
        if self.is_painting and not self._is_drawn_soon:
            self._is_drawn_soon = True
            self._page.later(self._draw_now)

    def clicked(self, xy: Place) -> None:
        """A click paints a dab, or sets a corner."""
        self._guarded(lambda: self._dab(xy), draw=True)

    def undo(self) -> None:
        """One stroke or corner back."""
        self._guarded(lambda: self._turn(Canvas.undone), draw=True)

    def redo(self) -> None:
        """One stroke or corner forward again."""
        self._guarded(lambda: self._turn(Canvas.redone), draw=True)

    def _turn(self, change: Callable[[Canvas], Canvas]) -> None:
        painting = self._session.painting
        if painting is not None:
            self._session.painting = replace(painting, canvas=change(painting.canvas))

    def _dab(self, xy: Place) -> None:
        place = self._place(xy)
        if place is None:
            return
        if self._tool_name == "polygon":
            self._turn(lambda canvas: canvas.cornered(place))
        else:
            self._draw_stroke([place])

    def _draw_stroke(self, places: list[Place]) -> None:
        radius, identity = float(self._radius.value), self._identity()
        self._turn(lambda canvas: canvas.stroked(places, radius, identity))

    def _identity(self) -> int:
        """The id that is painted with."""
        painting = self._session.painting
        if painting is None or self._tool_name == "eraser":
            return 0
        name = plain(self._object.value)
        self._session.painting = named = painting.with_name(name)
        return named.identity(name) or 0

    def _begin(self) -> None:
        before = self._session.painting
        if before is not None and not before.is_saved:
            raise InputError(f"what was painted in {before.view.name} is not saved; save it, or end painting")
        view = self._page.here()
        if view is None:
            raise InputError("paint in a view of the scene: click on a camera, or choose one under Show")
        scene = self._session.workshop.home.scene
        self._session.painting = Painting.begun(self._wanted_folder(), scene, view)
        self._page.window.show_frusta(False, view)
        self._put_sheet(view)
        self._session.screen.status(Status(f"painting {view.name}: drag with the brush, or click corners"))

    def _put_sheet(self, view: View) -> None:
        """What strokes are made on, in place of one before."""
        self._remove_sheet()
        point = Viewpoint.of_camera(view.camera, self._page.window.distance)
        self._sheet = self._client.scene.add_mesh_simple(
            "/sheet",
            vertices=_sheet(point, self._page.window.distance * SHEET),
            faces=np.array([[0, 1, 2], [0, 2, 3]]),
            color=(255, 255, 255),
            opacity=0.01,
            side="double",
            cast_shadow=False,
            receive_shadow=False,
        )

        async def dragged(event: viser.SceneNodeDragEvent[viser.MeshHandle]) -> None:
            self._page.later(lambda: self._guarded(lambda: self._drag(event.phase, event.end_screen_pos)))

        self._sheet.on_drag("left")(dragged)

    def _remove_sheet(self) -> None:
        if self._sheet is not None:
            self._sheet.remove()
            self._sheet = None

    def _finish(self) -> None:
        painting = self._session.painting
        if painting is not None and not painting.is_saved and painting is not self._doomed:
            self._doomed = painting
            name = painting.view.name
            raise InputError(
                f"what was painted in {name} is not saved; save it, or end once more to let it go"
            )
        self._session.painting = self._doomed = None
        self._remove_sheet()
        self._page.moved()
        self._session.retint()

    def _drag(self, phase: str, xy: Place) -> None:
        stroke, self._stroke = self._stroke, []
        if self._tool_name == "polygon" or (phase != "start" and not stroke):
            return  # a stroke without a beginning is one that was refused there
        place = self._place(xy)
        if place is None:
            return
        stroke = [place] if phase == "start" else [*stroke, place]
        if phase != "end":
            self._stroke = stroke
            return
        self._draw_stroke(stroke)
        self._draw()

    def _place(self, xy: Place) -> Place | None:
        """A place of the window in pixels of the photo; None where nothing is painted.

        Raises:
            InputError: The window stands at another place.
        """
        found, painting = self._page.window.viewpoint(), self._session.painting
        if painting is None or found is None:
            return None
        camera = painting.view.camera
        if not found[0].is_at(camera, self._page.window.distance):
            raise InputError("the camera has moved away from the view; fly back to it, under Show")
        window = found[0].camera(1000, max(1, round(1000 * found[1][1] / max(1, found[1][0]))))
        pixel = torch.tensor([[xy[0] * window.width, xy[1] * window.height]])
        x, y = camera.project(window.unproject(pixel, torch.ones(1))).xy[0].tolist()
        return x, y

    def _draw_now(self) -> None:
        self._is_drawn_soon = False  # first: a camera that moves meanwhile is drawn anew
        with self._lock:
            self._draw()

    def _draw(self) -> None:
        found, painting = self._page.window.viewpoint(), self._session.painting
        if painting is not None and found is not None:
            size = frame_size(found[1], painting.view.camera)
            self._page.window.show(painting.canvas.seen_by(found[0].camera(*size)), None)

    def _stepped(self) -> None:
        if self._more.value == "close polygon":
            identity = self._identity()
            self._turn(lambda canvas: canvas.filled(identity))
        else:
            self._turn(Canvas.undone if self._more.value == "undo" else Canvas.redone)

    def _from_mask(self) -> None:
        painting = self._session.painting
        if painting is None:
            raise InputError("begin painting first")
        outcome = self._session.outcome
        if outcome is None or outcome.field is None:
            raise InputError("nothing is segmented yet; click on an object and wait for the refined mask")
        name = self._session.state.current.name
        if name not in outcome.names:
            raise InputError(f"{name} is not segmented yet; click on it, or choose another under Objects")
        mask = outcome.field.render(painting.view.camera).labels == outcome.names.index(name) + 1
        identity = self._identity()
        self._turn(lambda canvas: canvas.taken(mask, identity))

    def _write(self) -> None:
        painting = self._session.painting
        if painting is None:
            raise InputError("nothing is painted; begin with the button above")
        saved = painting.saved(self._wanted_folder(), self._session.workshop.home.scene)
        self._session.painting = saved
        self._session.screen.status(Status(f"saved {saved.path}"))

    def _wanted_folder(self) -> Path:
        return Path(self._folder.value).expanduser()

    def _guarded(self, act: Callable[[], None], draw: bool = False) -> None:
        try:
            with self._lock:
                act()
                if draw:
                    self._draw()
        except InputError as error:
            self._session.screen.status(Status(str(error), is_error=True))

    def _chose(self) -> None:
        self._tool_name = self._tool.value
        self._chosen.content = f"tool: {self._tool_name}"

    def _listen(self) -> None:
        self._start.on_click(lambda _: self._guarded(self._begin, draw=True))
        self._tool.on_click(lambda _: self._chose())
        self._more.on_click(lambda _: self._guarded(self._stepped, draw=True))
        self._take.on_click(lambda _: self._guarded(self._from_mask, draw=True))
        self._save.on_click(lambda _: self._guarded(self._write))
        self._end.on_click(lambda _: self._guarded(self._finish))


def _sheet(point: Viewpoint, distance: float) -> np.ndarray:
    """Corners of a sheet across a camera's sight, wider than any window."""
    camera = point.camera(100, 100)
    wide = torch.tensor([[-300.0, -300.0], [400.0, -300.0], [400.0, 400.0], [-300.0, 400.0]])
    return camera.unproject(wide, torch.full((4,), distance)).numpy()
