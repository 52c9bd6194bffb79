"""Objects panel: the list of objects, what clicks mean, who answers them, and the threshold."""

from __future__ import annotations

import html
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import viser
from viser import GuiInputHandle

from sanerf_hq.viewer.session import Session
from sanerf_hq.viewer.state import ObjectState

Value = TypeVar("Value")
TYPING_SECONDS = 0.8
SEGMENTERS = ("compact", "grabcut", "truth")
PARTS = ("new", "add", "subtract", "intersect")


class ObjectsPanel:
    """Edits a session's state; shows it as it is whenever it changes."""

    def __init__(self, gui: viser.GuiApi, session: Session) -> None:
        self._session = session
        self._typing: threading.Timer | None = None
        self._list = gui.add_html("")
        names: tuple[str, ...] = tuple(one.name for one in session.state.objects)
        self._active = gui.add_dropdown("Object", names, hint="Where clicks go")
        self._name = gui.add_text("Name", "object 1")
        self._colour = gui.add_rgb("Colour", (86, 180, 233))
        self._visible = gui.add_checkbox("Shown", True)
        self._edit = gui.add_button_group("Objects", ("new object", "remove"))
        self._steps = gui.add_button_group("Steps", ("undo", "redo"))
        self._part = gui.add_button_group(
            "Next clicks", PARTS, hint="Begin anew, or join what they mean with what is there"
        )
        self._drag = gui.add_checkbox("Drag draws a box", False, hint="Off: drag orbits, Ctrl + drag draws")
        choices = dict.fromkeys((session.segmenter, *SEGMENTERS))
        self._segmenter = gui.add_dropdown("Segmenter", tuple(choices), initial_value=session.segmenter)
        self._threshold = gui.add_slider(
            "Threshold", -0.6, 0.6, 0.02, session.look.threshold, hint="Of what is shown; higher is stricter"
        )
        self._go = gui.add_button("Refine", hint="Go on where it was stopped")
        self._listen()

    def on_drag_mode(self, draws: Callable[[bool], None]) -> None:
        """What is done when dragging is to draw boxes, or no longer."""
        self._drag.on_update(lambda _: draws(bool(self._drag.value)))

    def refresh(self) -> None:
        """Show the state."""
        session, state = self._session, self._session.state
        self._list.content = "".join(
            _row(one, index == state.active) for index, one in enumerate(state.objects)
        )
        names = tuple(one.name for one in state.objects)
        if self._active.options != names:
            self._active.options = names
        put(self._active, state.current.name)
        is_typed = (
            session.is_waiting or self._name.value.strip() == state.current.name
        )  # or goes on after a space
        if not is_typed:
            self._name.value = state.current.name
        put(self._colour, state.current.colour)
        put(self._visible, state.current.visible)
        put(self._threshold, session.look.threshold)
        if session.segmenter not in self._segmenter.options:
            self._segmenter.options = (*self._segmenter.options, session.segmenter)
        put(self._segmenter, session.segmenter)

    def _listen(self) -> None:
        # Values are read before an edit: one that waits is done first, and shows the state anew.
        session, edit = self._session, self._session.edit

        def chose() -> None:
            names = [one.name for one in session.state.objects]
            if self._active.value in names:
                index = names.index(self._active.value)
                edit(lambda state: state.with_active(index))

        def named() -> None:  # each letter is an event; the name is what stands when the typing ends
            name = self._name.value.strip()
            session.soon(lambda state: state.renamed(name) if name else state)
            if self._typing is not None:
                self._typing.cancel()
            self._typing = threading.Timer(TYPING_SECONDS, session.settle)
            self._typing.daemon = True
            self._typing.start()

        def coloured() -> None:
            colour = self._colour.value
            edit(lambda state: state.coloured(colour))

        def shown() -> None:
            visible = bool(self._visible.value)
            edit(lambda state: state.shown(state.active, visible))

        def objects(_: object) -> None:
            if self._edit.value == "new object":
                edit(lambda state: state.with_object())
            else:
                edit(lambda state: state.without(state.active))

        def looked() -> None:
            session.looked(replace(session.look, threshold=float(self._threshold.value)))

        self._active.on_update(by_user(chose))
        self._name.on_update(by_user(named))
        self._colour.on_update(by_user(coloured))
        self._visible.on_update(by_user(shown))
        self._edit.on_click(objects)
        self._steps.on_click(lambda _: session.undo() if self._steps.value == "undo" else session.redo())
        self._part.on_click(lambda _: session.part(self._part.value))  # pyright: ignore[reportArgumentType]
        self._segmenter.on_update(by_user(lambda: session.chose(self._segmenter.value)))
        self._threshold.on_update(by_user(looked))
        self._go.on_click(lambda _: session.refine())


def by_user(act: Callable[[], None]) -> Callable[[viser.GuiEvent[Any]], None]:
    """Done when a user sets a value; that the program sets one is an event as well, but no client's."""

    def on_update(event: viser.GuiEvent[Any]) -> None:
        if event.client_id is not None:
            act()

    return on_update


def put(handle: GuiInputHandle[Value], value: Value) -> None:
    """Show a value, where another one is shown."""
    if handle.value != value:
        handle.value = value


def _row(one: ObjectState, active: bool) -> str:
    on = sum(click.positive for part in one.parts for click in part.clicks)
    off = sum(not click.positive for part in one.parts for click in part.clicks)
    boxes = sum(len(part.boxes) for part in one.parts)
    known = any(part.masks is not None for part in one.parts)
    said = [
        *(["masks"] if known else []),
        f"+{on}",
        f"−{off}",
        *([f"□{boxes}"] if boxes else []),
        *([] if one.visible else ["hidden"]),
    ]
    weight = "600" if active else "400"
    colour = "rgb({},{},{})".format(*one.colour)
    return (
        f'<div style="display:flex;gap:.5em;align-items:center;padding:.1em .8em;font-size:.85em;'
        f'font-weight:{weight}"><span style="width:1em;height:1em;border-radius:3px;background:{colour}">'
        f'</span><span style="flex:1">{html.escape(one.name)}</span>'
        f'<span style="opacity:.7">{" ".join(said)}</span></div>'
    )
