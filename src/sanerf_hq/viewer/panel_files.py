"""Files panel: open and save segmentations of the run, and export their objects."""

from __future__ import annotations

from typing import get_args

import viser

from sanerf_hq.viewer.files import Files, Kind
from sanerf_hq.viewer.session import Session

NONE = "–"
ALL = "all objects"


class FilesPanel:
    """What is kept, and what is given out."""

    def __init__(self, gui: viser.GuiApi, session: Session, files: Files) -> None:
        self._session, self._files, self._saved = session, files, session.saved
        known = (NONE, *files.names)
        opened = session.name if session.name in known else NONE
        self._known = gui.add_dropdown("Saved", known, initial_value=opened)
        gui.add_button("Open").on_click(lambda _: self._open())
        self._name = gui.add_text("Name", session.name or "objects")
        self._replace = gui.add_checkbox("Replace one of that name", False)
        gui.add_button("Save", icon=viser.Icon.DEVICE_FLOPPY).on_click(
            lambda _: files.save(self._name.value, bool(self._replace.value))
        )
        if session.workshop.field.moment is not None:
            follow = gui.add_button(
                "Follow through time",
                hint="Find the objects at all times, from what was clicked; and save that",
            )
            follow.on_click(lambda _: files.follow(self._name.value, bool(self._replace.value)))
        self._object: viser.GuiDropdownHandle[str] = gui.add_dropdown("Export", [ALL, *self._objects()])
        for kind in get_args(Kind):
            gui.add_button(f"Export {kind}").on_click(lambda _, kind=kind: self._export(kind))

    def refresh(self) -> None:
        """Show what there is."""
        names = (NONE, *self._files.names)
        if self._known.options != names:
            self._known.options = names
        before, self._saved = self._saved, self._session.saved
        if self._saved != before:
            self._replace.value = False  # that was for one time
        if self._saved is not None and (before is None or before.name != self._saved.name):
            self._name.value = self._saved.name  # only now: what was typed since stays
            if self._saved.name in names:
                self._known.value = self._saved.name
        objects = (ALL, *self._objects())
        if self._object.options != objects:
            self._object.options = objects

    def _objects(self) -> tuple[str, ...]:
        outcome = self._session.outcome
        return outcome.names if outcome is not None else ()

    def _open(self) -> None:
        if self._known.value != NONE:
            self._files.open(self._known.value)

    def _export(self, kind: Kind) -> None:
        self._files.export(kind, "" if self._object.value == ALL else self._object.value)
