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
from sanerf_hq.runs import Progress, SegmentationFolder, check_name
from sanerf_hq.viewer.portable import followable
from sanerf_hq.viewer.saving import Wanted
from sanerf_hq.viewer.screen import Status, words_for
from sanerf_hq.viewer.session import Session
from sanerf_hq.viewer.state import History
from sanerf_hq.viewer.storage import Saved, load_session, record_session, save_session
from sanerf_hq.viewer.worker import Ticket
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
        self._busy = threading.Lock()
        self._tickets: set[Ticket] = set()

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
        wanted = Wanted.of(self._session, name, replace)
        self._start(lambda ticket: self._save(wanted, ticket))

    def follow(self, name: str, replace: bool) -> None:
        """Cut the present objects out at all times of a scene that moves, and keep them as a segmentation.

        Args:
            name: As for :meth:`save`.
            replace: As for :meth:`save`.
        """
        wanted = Wanted.of(self._session, name, replace)
        self._in_turn(lambda ticket: self._follow(wanted, ticket), "following")

    def open(self, name: str) -> None:
        """Take a segmentation of the run as this session's state, unless that is another by then."""
        self._session.settle()
        workshop, before = self._session.workshop, self._session.history
        self._in_turn(lambda ticket: self._open(name, workshop, before), "opening")

    def export(self, kind: Kind, what: str) -> None:
        """Write an object of the saved segmentation below its ``exports`` and hand it to the browser.

        Args:
            kind: What to write.
            what: Name of an object; "" takes all of them together.
        """
        self._in_turn(lambda ticket: self._export(kind, what, ticket), "exporting")

    def stop(self) -> None:
        """Stop what is being done, and what waits."""
        for ticket in list(self._tickets):
            ticket.stop()

    def _save(self, wanted: Wanted, ticket: Ticket) -> None:
        session = self._session
        wanted.checked_moment(session)
        outcome = wanted.refined(session, ticket.check)
        with self._busy:
            ticket.check()
            name = wanted.checked_moment(session)  # again: much may have been written in the meantime
            state = wanted.current(session)
            session.saved = save_session(
                wanted.workshop.home,
                name,
                state,
                outcome,
                wanted.workshop.preset,
                session.look.threshold,
            )
        self._say(Status(f"saved as segmentation {name} of the run"))
        session.screen.changed()

    def _follow(self, wanted: Wanted, ticket: Ticket) -> None:
        session, workshop, state = self._session, wanted.workshop, wanted.state
        before, spec, run = session.history, wanted.request.segmenter, workshop.home.run
        name, moment, threshold = (
            wanted.checked_name(session.saved),
            workshop.home.moment,
            session.look.threshold,
        )

        def record(folder: SegmentationFolder, names: tuple[str, ...]) -> None:
            wanted.checked_name(session.saved)  # again: much may have been written in the meantime
            record_session(folder, moment, state, names, spec, workshop.preset, threshold)

        found = workshop.follow(followable(state), spec, name, ticket.check, record)
        names = found.names
        session.saved = Saved.now(run, name)
        if session.state == state:
            session.opened(load_session(workshop.field, name, spec), before)
        times = [sum(one in field.names for field in found.fields.values()) for one in names]
        of = f"of {len(workshop.field.moments)} times"
        counts = ", ".join(f"{one} at {n} {of}" for one, n in zip(names, times, strict=True))
        self._say(Status(f"saved as segmentation {name} of the run: {counts}"))
        session.screen.changed()

    def _open(self, name: str, workshop: Workshop, before: History) -> None:
        session = self._session
        if session.opened(load_session(workshop.field, name, session.segmenter), before):
            self._say(Status(f"opened {name}"))
        elif session.workshop is workshop:
            raise InputError(f"{name} was not opened, for the objects were changed meanwhile; open it again")

    def _export(self, kind: Kind, what: str, ticket: Ticket) -> None:
        session = self._session
        if session.name is None or session.name not in self.names:
            raise InputError("save the objects first; exports are made of what is saved")
        name = f"{session.name}/{what}" if what else session.name
        target = find_target(session.workshop.field, name)
        exports = session.workshop.home.run.segmentation(session.name).exports
        path = exports / f"{check_name(what or session.name)}{SUFFIXES[kind] or '-masks'}"
        if kind == "mesh":
            export_mesh(target, path, progress=ticket.check)
        elif kind == "points":
            export_points(target, path, progress=ticket.check)
        else:
            path = _free(path)
            export_masks(target, path, progress=ticket.check)
        shown = path.relative_to(session.workshop.home.run.folder)
        self._say(Status(f"{kind} of {what or session.name}: {shown} in the run"))
        self.deliver(path.name if path.is_file() else f"{path.name}.zip", _content(path))

    def _in_turn(self, act: Callable[[Ticket], None], doing: str) -> None:
        """Do it once what was begun before is done."""

        def work(ticket: Ticket) -> None:
            with self._busy:
                ticket.check()
                act(ticket)

        self._start(work, doing)

    def _start(self, act: Callable[[Ticket], None], doing: str = "saving") -> None:
        def tell(progress: Progress) -> None:
            share = progress.done / max(1, progress.total)
            self._say(Status(f"{doing}: {words_for(progress)}", share))

        ticket = Ticket(tell)
        self._tickets.add(ticket)

        def work() -> None:
            try:
                self._try(lambda: act(ticket))
            finally:
                self._tickets.discard(ticket)

        threading.Thread(target=work, name="files", daemon=True).start()

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except InputError as error:
            self._say(Status(str(error), is_error=True))
        except Cancelled:
            self._say(Status("stopped; nothing was written"))
        except Exception:
            LOG.exception("a file of the viewer's failed")
            self._say(
                Status("that failed for a reason of the program's own; its log says more", is_error=True)
            )

    def _say(self, status: Status) -> None:
        """Tell the page, or whichever took its place."""
        self._session.screen.status(status)


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
