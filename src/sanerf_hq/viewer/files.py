"""Files: saving, opening and exporting, in a thread of its own, so that neither stops the other work."""

from __future__ import annotations

import io
import logging
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from sanerf_hq.errors import Cancelled, InputError
from sanerf_hq.export import export_masks, export_mesh, export_points, find_target
from sanerf_hq.runs import Progress, ProgressCallback, Run, SegmentationFolder, check_name
from sanerf_hq.viewer.screen import Status
from sanerf_hq.viewer.session import Session
from sanerf_hq.viewer.storage import kept_names, load_session, portable, record_session, save_session
from sanerf_hq.viewer.workshop import Workshop

LOG = logging.getLogger(__name__)
Kind = Literal["mesh", "points", "masks"]
SUFFIXES: dict[Kind, str] = {"mesh": ".glb", "points": ".ply", "masks": ""}
Deliver = Callable[[str, bytes], None]


class Files:
    """What a session keeps and gives out."""

    def __init__(self, session: Session, deliver: Deliver) -> None:
        """Prepare.

        Args:
            session: Whose.
            deliver: Hands a file's name and content to the browser.
        """
        self._session, self.deliver = session, deliver
        self._stopped = threading.Event()
        self._busy = threading.Lock()

    @property
    def names(self) -> list[str]:
        """Segmentations of the run."""
        return self._session.workshop.home.run.segmentation_names()

    @property
    def is_followed(self) -> bool:
        """Whether what the session was saved as holds something of the moment that is shown."""
        session = self._session
        return session.name in self.names and session.workshop.home.segmentation(session.name).field.exists()

    def save(self, name: str, replace: bool) -> None:
        """Keep the present state as a segmentation, once it is refined.

        Args:
            name: The segmentation's name.
            replace: Whether one of that name may be replaced that this session neither made nor opened.
        """

        def begin() -> None:
            kept = self._checked(name, replace)
            if not replace and self._holds_other_times(kept):
                raise InputError(
                    f"{kept} also holds other times; follow through time, choose another name, or replace it"
                )
            self._session.when_refined(lambda: self._start(lambda: self._save(kept)))

        self._try(begin)

    def follow(self, name: str, replace: bool) -> None:
        """Cut the present objects out at all times of a scene that moves, and keep them as a segmentation.

        Args:
            name: As for :meth:`save`.
            replace: As for :meth:`save`.
        """
        self._start(lambda: self._follow(self._checked(name, replace)))

    def open(self, name: str) -> None:
        """Take a segmentation of the run as this session's state."""

        def read() -> None:
            if self._show(name, self._session.workshop):
                self._session.screen.status(Status(f"opened {name}"))

        self._start(read)

    def export(self, kind: Kind, what: str) -> None:
        """Write an object of the saved segmentation below its ``exports`` and hand it to the browser.

        Args:
            kind: What to write.
            what: Name of an object; "" takes all of them together.
        """
        self._start(lambda: self._export(kind, what))

    def stop(self) -> None:
        """Stop what is being exported."""
        self._stopped.set()

    def _save(self, name: str) -> None:
        session = self._session
        outcome = session.outcome
        if outcome is None or not session.is_refined:
            raise InputError("the objects were changed while they were saved; save again")
        home, scratch = session.workshop.home, Run.open(session.scratch)
        save_session(
            home, scratch, name, session.state, outcome, session.workshop.preset, session.look.threshold
        )
        session.name = name
        session.screen.status(Status(f"saved as segmentation {name} of the run"))
        session.screen.changed()

    def _checked(self, name: str, replace: bool) -> str:
        """A name under which the present state may be kept."""
        session, names = self._session, self.names
        kept = check_name(name, [] if replace or name == session.name else names)
        if not session.state.prompted:
            raise InputError("there is nothing to save; click on an object first")
        if kept in names and not replace and session.workshop.field.moment is not None:
            asked = {one.name for one in session.state.prompted}
            lacking = [one for one in kept_names(session.workshop.home.run, kept) if one not in asked]
            if lacking:
                raise InputError(
                    f"{kept} also holds {', '.join(lacking)}, not clicked at this time; click there as well, "
                    "choose another name, or let it be replaced"
                )
        return kept

    def _holds_other_times(self, name: str) -> bool:
        """Whether a segmentation has objects at moments that are not shown."""
        workshop = self._session.workshop
        others = (moment for moment in workshop.field.moments if moment != workshop.field.moment)
        return any(workshop.home.at(moment).segmentation(name).field.exists() for moment in others)

    def _follow(self, name: str) -> None:
        session, workshop = self._session, self._session.workshop
        state, spec = session.state, session.segmenter
        prompts = {one.name: portable(one) for one in state.prompted}
        moment, threshold = workshop.home.moment, session.look.threshold

        def record(folder: SegmentationFolder, names: tuple[str, ...]) -> None:
            record_session(folder, moment, state, names, spec, workshop.preset, threshold)

        found = workshop.follow(prompts, spec, name, self._telling("following"), record)
        names = found.names
        session.name = name
        self._show(name, workshop)
        times = [sum(one in field.names for field in found.fields.values()) for one in names]
        of = f"of {len(workshop.field.moments)} times"
        counts = ", ".join(f"{one} at {n} {of}" for one, n in zip(names, times, strict=True))
        session.screen.status(Status(f"saved as segmentation {name} of the run: {counts}"))

    def _show(self, name: str, workshop: Workshop) -> bool:
        """Take a segmentation as the session's state, unless another moment is shown by now."""
        session = self._session
        kept = load_session(workshop.field, name, session.segmenter)
        if session.workshop is workshop:
            session.opened(name, kept.state, kept.outcome, kept.threshold)
        return session.workshop is workshop

    def _export(self, kind: Kind, what: str) -> None:
        session = self._session
        if session.name is None or session.name not in self.names:
            raise InputError("save the objects first; exports are made of what is saved")
        name = f"{session.name}/{what}" if what else session.name
        target = find_target(session.workshop.field, name)
        exports = session.workshop.home.run.segmentation(session.name).exports
        path = exports / f"{check_name(what or session.name)}{SUFFIXES[kind] or '-masks'}"
        if kind == "mesh":
            export_mesh(target, path, progress=self._telling("exporting"))
        elif kind == "points":
            export_points(target, path, progress=self._telling("exporting"))
        else:
            path = _free(path)
            export_masks(target, path, progress=self._telling("exporting"))
        shown = path.relative_to(session.workshop.home.run.folder)
        session.screen.status(Status(f"{kind} of {what or session.name}: {shown} in the run"))
        self.deliver(path.name if path.is_file() else f"{path.name}.zip", _content(path))

    def _telling(self, doing: str) -> ProgressCallback:
        def told(progress: Progress) -> None:
            if self._stopped.is_set():
                raise Cancelled("stopped from the page")
            share = progress.done / max(1, progress.total)
            self._session.screen.status(Status(f"{doing}: {progress.message or progress.stage}", share))

        return told

    def _start(self, act: Callable[[], None]) -> None:
        def work() -> None:
            with self._busy:
                self._stopped.clear()
                self._try(act)

        threading.Thread(target=work, name="files", daemon=True).start()

    def _try(self, act: Callable[[], None]) -> None:
        say = self._session.screen.status
        try:
            act()
        except InputError as error:
            say(Status(str(error), is_error=True))
        except Cancelled:
            say(Status("stopped; nothing was written"))
        except Exception:
            LOG.exception("a file of the viewer's failed")
            say(Status("that failed for a reason of the program's own; its log says more", is_error=True))


def _free(path: Path) -> Path:
    """A name that is not taken."""
    number = 2
    found = path
    while found.exists():
        found = path.with_name(f"{path.name}-{number}")
        number += 1
    return found


def _content(path: Path) -> bytes:
    """A file's bytes; a folder's as a zip."""
    if path.is_file():
        return path.read_bytes()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as bundle:
        for file in sorted(path.rglob("*")):
            if file.is_file():
                bundle.write(file, file.relative_to(path.parent).as_posix())
    return content.getvalue()
