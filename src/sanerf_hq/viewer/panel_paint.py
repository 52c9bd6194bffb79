"""Paint panel: masks painted by hand in a view, and saved as the scene's truth."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import viser

from sanerf_hq.errors import InputError
from sanerf_hq.runs import check_name
from sanerf_hq.scene import View
from sanerf_hq.viewer.paint import Canvas, Place
from sanerf_hq.viewer.pointing import frame_size
from sanerf_hq.viewer.screen import Status
from sanerf_hq.viewer.session import Session
from sanerf_hq.viewer.truth import is_painted, read_truth, write_truth
from sanerf_hq.viewer.viewpoint import Viewpoint

if TYPE_CHECKING:
    from sanerf_hq.viewer.page import Page

TOOLS = ("brush", "eraser", "polygon")
SHEET = 0.05  # share of the cameras' distance at which the sheet stands that strokes are made on


class PaintPanel:
    """A canvas over one view; while it is open, clicks and drags paint."""

    def __init__(self, client: viser.ClientHandle, session: Session, page: Page) -> None:
        self._client, self._session, self._page = client, session, page
        self._canvas: Canvas | None = None
        self._names: dict[int, str] = {}  # of the ids that are painted with
        self._begun_in = Path()
        self._stroke: list[Place] = []
        self._sheet: viser.MeshHandle | None = None
        self._lock = threading.RLock()
        gui = client.gui
        self._start = gui.add_button("Paint the view that is shown")
        known = session.workshop.home.scene.objects
        self._object = gui.add_text("Object", known[0].name if known else "object 1")
        self._tool = gui.add_button_group("Tool", TOOLS)
        self._chosen = gui.add_markdown("tool: brush")
        self._tool_name = TOOLS[0]
        self._radius = gui.add_slider("Brush radius", 1, 40, 1, 6, hint="Pixels of the photo")
        self._more = gui.add_button_group("Steps", ("undo", "close polygon"))
        self._take = gui.add_button("Begin with the segmented mask")
        self._folder = gui.add_text("Folder", str(session.workshop.home.scene.root))
        self._save = gui.add_button("Save as truth", icon=viser.Icon.DEVICE_FLOPPY)
        self._end = gui.add_button("End painting")
        self._listen()

    @property
    def is_painting(self) -> bool:
        """Whether clicks and drags paint."""
        return self._canvas is not None

    def moved(self, at: View | None) -> None:
        """The window looks from elsewhere."""
        with self._lock:
            if self._canvas is not None:
                self._draw()

    def clicked(self, xy: Place) -> None:
        """A click paints a dab, or sets a corner."""
        self._guarded(lambda: self._dab(xy), draw=True)

    def _dab(self, xy: Place) -> None:
        place = self._place(xy)
        if self._canvas is None or place is None:
            return
        if self._tool_name == "polygon":
            self._canvas = self._canvas.cornered(place)
        else:
            self._canvas = self._canvas.stroked([place], float(self._radius.value), self._painting())

    def _painting(self) -> int:
        """The id that is painted with."""
        if self._tool_name == "eraser":
            return 0
        name = unicodedata.normalize("NFC", self._object.value.strip())
        if not name:
            raise InputError("name the object that you paint")
        for identity, known in self._names.items():
            if known == name:
                return identity
        identity = max(self._names, default=0) + 1
        self._names[identity] = check_name(name, self._names.values())
        return identity

    def _begin(self) -> None:
        view = self._page.here()
        if view is None:
            raise InputError("paint in a view of the scene: click on a camera, or choose one under Show")
        self._begun_in = self._wanted_folder()
        truth = read_truth(self._begun_in, self._session.workshop.home.scene, view)
        self._canvas, self._names = Canvas(view, truth.labels), truth.names
        self._page.window.show_frusta(False, view)
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
        self._session.screen.status(Status(f"painting {view.name}: drag with the brush, or click corners"))

    def _finish(self) -> None:
        self._canvas = None
        if self._sheet is not None:
            self._sheet.remove()
            self._sheet = None
        self._page.moved()
        self._session.retint()

    def _drag(self, phase: str, xy: Place) -> None:
        place = self._place(xy)
        if self._canvas is None or place is None or self._tool_name == "polygon":
            return
        if phase == "start":
            self._stroke = [place]
            return
        self._stroke.append(place)
        if phase == "end":
            self._canvas = self._canvas.stroked(self._stroke, float(self._radius.value), self._painting())
            self._stroke = []
            self._draw()

    def _place(self, xy: Place) -> Place | None:
        """A place of the window in pixels of the photo; None where the window stands at another place."""
        found = self._page.window.viewpoint()
        if self._canvas is None or found is None:
            return None
        camera = self._canvas.view.camera
        if not found[0].is_at(camera, self._page.window.distance):
            raise InputError("the camera has moved away from the view; fly back to it, under Show")
        window = found[0].camera(1000, max(1, round(1000 * found[1][1] / max(1, found[1][0]))))
        pixel = torch.tensor([[xy[0] * window.width, xy[1] * window.height]])
        x, y = camera.project(window.unproject(pixel, torch.ones(1))).xy[0].tolist()
        return x, y

    def _draw(self) -> None:
        found = self._page.window.viewpoint()
        if self._canvas is not None and found is not None:
            size = frame_size(found[1], self._canvas.view.camera)
            self._page.window.show(self._canvas.seen_by(found[0].camera(*size)), None)

    def _stepped(self) -> None:
        if self._canvas is not None:
            undo = self._more.value == "undo"
            self._canvas = self._canvas.undone() if undo else self._canvas.filled(self._painting())

    def _from_mask(self) -> None:
        if self._canvas is None:
            raise InputError("begin painting first")
        outcome = self._session.outcome
        if outcome is None or outcome.field is None:
            raise InputError("nothing is segmented yet; click on an object and wait for the refined mask")
        name = self._session.state.current.name
        if name not in outcome.names:
            raise InputError(f"{name} is not segmented yet; click on it, or choose another under Objects")
        labels = outcome.field.render(self._canvas.view.camera).labels
        shown = outcome.names.index(name) + 1
        self._canvas = self._canvas.taken(labels == shown, self._painting())

    def _write(self) -> None:
        if self._canvas is None:
            raise InputError("nothing is painted; begin with the button above")
        scene, view, folder = self._session.workshop.home.scene, self._canvas.view, self._wanted_folder()
        if folder != self._begun_in and is_painted(folder, view):
            raise InputError(
                f"{folder} holds truth of {view.name} already; end painting, and begin again to mend it"
            )
        path = write_truth(folder, scene, view, self._canvas.labels, self._names)
        self._begun_in = folder
        self._session.screen.status(Status(f"saved {path}"))

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
