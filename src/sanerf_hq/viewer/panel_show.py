"""Show panel: the mode, the cameras, the crop box, and how long pictures took."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import get_args

import viser

from sanerf_hq.scene import View
from sanerf_hq.viewer.crop import CropBox
from sanerf_hq.viewer.overlay import Mode
from sanerf_hq.viewer.session import Session
from sanerf_hq.viewer.window import Window

MODES: tuple[str, ...] = ("overlay", "colour", "depth", "object", "removed")
STEPS = 200


class ShowPanel:
    """How the scene is shown."""

    def __init__(
        self,
        gui: viser.GuiApi,
        session: Session,
        views: Sequence[View],
        window: Window,
        fly_to: Callable[[View], None],
    ) -> None:
        assert set(MODES) == set(get_args(Mode))
        self._session, self._window, self._fly_to = session, window, fly_to
        self._views: dict[str, View] = {}
        self._mode = gui.add_dropdown(
            "Mode",
            MODES,
            initial_value=session.look.mode,
            hint="object: the shown objects alone; removed: all but them",
        )
        self._view: viser.GuiDropdownHandle[str] = gui.add_dropdown("View", [""])
        self.offer(views)
        gui.add_button("Fly there").on_click(lambda _: self._fly())
        self._frusta = gui.add_checkbox("Cameras", True)
        self._whole = CropBox.around(session.workshop.pool.points)
        self._crop = gui.add_checkbox("Crop", session.crop is not None)
        box = session.crop or self._whole
        self._sides = [
            gui.add_multi_slider(
                axis,
                low,
                high,
                (high - low) / STEPS,
                (max(low, a), min(high, b)),
                visible=session.crop is not None,
            )
            for axis, low, high, a, b in zip(
                "xyz", self._whole.low, self._whole.high, box.low, box.high, strict=True
            )
        ]
        self._times = gui.add_markdown("")
        self._listen()

    @property
    def frusta(self) -> bool:
        """Whether cameras are shown."""
        return bool(self._frusta.value)

    def offer(self, views: Sequence[View]) -> None:
        """The views that can be flown to."""
        self._views = {view.name: view for view in views}
        self._view.options = tuple(self._views)

    def told(self, times: Mapping[str, float]) -> None:
        """Show how long pictures took."""
        self._times.content = " · ".join(f"{what} {seconds:.2f} s" for what, seconds in times.items())

    def refresh(self) -> None:
        """Show the look."""
        if self._mode.value != self._session.look.mode:
            self._mode.value = self._session.look.mode
        self.told(self._session.times)

    # Values that are set call their callbacks, as those that a browser sends do.

    def next_mode(self) -> None:
        """The mode after the present one."""
        self._mode.value = MODES[(MODES.index(self._mode.value) + 1) % len(MODES)]

    def next_view(self) -> None:
        """Fly to the view after the chosen one."""
        names = list(self._views)
        self._view.value = names[(names.index(self._view.value) + 1) % len(names)]
        self._fly()

    def toggle_frusta(self) -> None:
        """Cameras on, or off."""
        self._frusta.value = not self._frusta.value

    def _fly(self) -> None:
        view = self._views.get(self._view.value)
        if view is not None:
            self._fly_to(view)

    def _looked(self) -> None:
        mode = self._mode.value
        if mode in MODES:
            self._session.looked(replace(self._session.look, mode=mode))  # pyright: ignore[reportArgumentType]

    def _cropped(self) -> None:
        on = bool(self._crop.value)
        box = None
        if on:
            (a, d), (b, e), (c, f) = (side.value[:2] for side in self._sides)
            box = CropBox((a, b, c), (d, e, f))
        for side in self._sides:
            if side.visible != on:
                side.visible = on
        self._window.show_crop(box)
        self._session.cropped_to(box)

    def _listen(self) -> None:
        self._mode.on_update(lambda _: self._looked())
        self._frusta.on_update(lambda _: self._window.show_frusta(self.frusta, None))
        for handle in (self._crop, *self._sides):
            handle.on_update(lambda _: self._cropped())
