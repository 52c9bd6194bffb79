"""Session: one browser's work: its state, its picture, its jobs. It knows the page only by what it tells it.

Events come in as method calls from any thread and return at once; two threads of the session's own do the
work, one for pictures and one for segmenting, so that looking round never waits for training.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import count

from sanerf_hq.errors import Cancelled, InputError
from sanerf_hq.runs import ProgressCallback
from sanerf_hq.viewer.crop import CropBox
from sanerf_hq.viewer.cut import Sight
from sanerf_hq.viewer.frames import Frame, Painter
from sanerf_hq.viewer.memory import hand_back_memory
from sanerf_hq.viewer.overlay import Look, picture_of
from sanerf_hq.viewer.painting import Painting
from sanerf_hq.viewer.pointing import Pointing, frame_size
from sanerf_hq.viewer.screen import Screen, Status
from sanerf_hq.viewer.segmenting import KEPT_OUTCOMES, Segmenting
from sanerf_hq.viewer.state import History, Operation, Part, SessionState
from sanerf_hq.viewer.storage import Kept, Saved
from sanerf_hq.viewer.viewpoint import Seen, Viewpoint
from sanerf_hq.viewer.warp import warped
from sanerf_hq.viewer.worker import Ticket, Worker
from sanerf_hq.viewer.workshop import Outcome, Request, Workshop


@dataclass(frozen=True)
class Origin:
    """What an opened file brings beside its objects.

    Attributes:
        saved: The file; None where none was opened or saved.
        segmenter: Who answers.
        threshold: As the slider stands.
    """

    saved: Saved | None
    segmenter: str
    threshold: float


class Session:
    """One browser's work."""

    def __init__(self, workshop: Workshop, screen: Screen, segmenter: str) -> None:
        self.workshop, self.screen = workshop, screen
        self.history = History()
        self.look = Look()
        self.segmenter = segmenter
        self.crop: CropBox | None = None
        self.outcome: Outcome | None = None
        self.frame: Frame | None = None
        self._sharp: Frame | None = None  # the last one, of the present sight
        self._sight: Sight | None = None
        self.times: dict[str, float] = {}
        self.saved: Saved | None = None
        self._origins: dict[int, Origin] = {}  # as they were left, by opening
        self._openings = count(1)
        self._waiting: Callable[[SessionState], SessionState] | None = None
        self.painting: Painting | None = None
        self.segmenting = Segmenting(self._show, self._say, self.times)
        self._left: OrderedDict[float | None, tuple[History, Outcome | None]] = OrderedDict()  # other moments
        self._viewpoint: Seen | None = None
        self._painter = Painter()
        self._eyes = Worker("pictures")
        self._lock, self._tinting = threading.RLock(), threading.RLock()
        self._closed = False

    @property
    def state(self) -> SessionState:
        return self.history.present

    @property
    def viewpoint(self) -> Viewpoint | None:
        """Where it looked from last."""
        return None if self._viewpoint is None else self._viewpoint[0]

    @property
    def is_untouched(self) -> bool:
        """Whether nothing was made of it yet."""
        return self.history == History() and self.painting is None and not self._left

    @property
    def name(self) -> str | None:
        """Of the segmentation that it was opened from or saved as."""
        return None if self.saved is None else self.saved.name

    @property
    def is_busy(self) -> bool:
        """Whether a picture or a segmentation is under way."""
        return self._eyes.is_busy or self.segmenting.is_busy

    def attach(self, screen: Screen) -> None:
        """Go on in another page, after the one before was closed."""
        with self._lock:
            self.screen = screen
        screen.changed()

    def pause(self) -> None:
        """The page is gone: stop what was under way; keep the state and what was made of it, not pictures."""
        with self._lock:
            self._eyes.cancel()
            self.segmenting.forget()
            self.frame = self._sharp = self._sight = None
            if self.outcome is not None:
                self.segmenting.keep(self.outcome)
        hand_back_memory()

    def go_to(self, workshop: Workshop) -> None:
        """Show another moment of a scene that moves, as it was left: what is prompted there is its own."""
        self.settle()
        with self._lock:
            self._eyes.cancel()
            self.segmenting.forget()
            self._leave(self.workshop.field.moment, KEPT_OUTCOMES)
            self.frame = self._sharp = self._sight = None
            self.workshop = workshop
            self.history, self.outcome = self._left.pop(workshop.field.moment, (History(), None))
            if self.outcome is not None:
                self.segmenting.keep(self.outcome)
        self.screen.changed()
        self.repaint()
        if self.outcome is None:
            self._segment()
        else:
            self._say(Status("as it was"))

    def _leave(self, moment: float | None, kept: int) -> None:
        """Remember how a moment is left; what was made of the clicks of the latest few alone."""
        self._left[moment] = self.history, self.outcome
        self._left.move_to_end(moment)
        for old in list(self._left)[:-kept]:
            self._left[old] = self._left[old][0], None

    def close(self) -> None:
        """End the session, and what it computes."""
        self._closed = True
        self._eyes.close()
        self.segmenting.close()

        def wait() -> None:
            self._eyes.join()
            self.segmenting.join()  # a training that is stopped deletes its folder

        threading.Thread(target=wait, name="ending").start()  # no daemon: the program's end waits for it

    # Looking

    def moved(self, viewpoint: Viewpoint, canvas: tuple[int, int]) -> None:
        """The camera stands elsewhere, or the window has another size (width, height)."""
        with self._lock:
            if self._viewpoint == (viewpoint, canvas):
                return
            self._viewpoint = viewpoint, canvas
        self.repaint()

    def repaint(self) -> None:
        """Render what is looked at anew."""
        if self._viewpoint is not None and not self._closed:
            self._eyes.submit(self._paint)

    def retint(self) -> None:
        """Show the frame that is there under the present state, look and outcome; nothing is rendered."""
        with self._tinting:  # one after the other, each as things stand when its turn comes
            frame = self.frame
            if frame is not None:
                pixels = picture_of(frame, self.state, self.outcome, self.look)
                self.screen.picture(pixels, frame.depth, frame)

    def looked(self, look: Look) -> None:
        """Show it otherwise."""
        anew = {self.look.mode, look.mode} & {"object", "removed"} and self.look.mode != look.mode
        self.look = look
        self.repaint() if anew else self.retint()

    def cropped_to(self, box: CropBox | None) -> None:
        """Show only what lies in a box."""
        if box != self.crop:
            self.crop = box
            self.repaint()

    def _paint(self, ticket: Ticket) -> None:
        assert self._viewpoint is not None
        viewpoint, canvas = self._viewpoint
        size = frame_size(canvas, self.workshop.home.cameras[0])

        started = time.monotonic()
        sight = self._now_seen()

        def show(frame: Frame) -> None:
            with self._lock:
                # While the camera moves a newer job always waits: the first picture is shown all the same.
                ticket.check_dropped() if frame.is_first else ticket.check()
                if self._now_seen() is not sight:
                    if not ticket.is_stopped:
                        self.repaint()
                    raise Cancelled("something else is looked at by now")
                self.frame = frame
                if frame.is_final:
                    self._sharp = frame
            if frame.is_first:
                self.times["coarse"] = frame.seconds
            if frame.is_final:
                self.times["sharp"] = frame.seconds
            self.retint()

        moved = self._moved_from(viewpoint, size)
        if moved is not None:
            show(replace(moved, seconds=time.monotonic() - started))
        least = 0 if moved is None else moved.camera.width
        self._painter.paint(sight.field, viewpoint, size, show, ticket.check, least)
        hand_back_memory()

    def _moved_from(self, viewpoint: Viewpoint, size: tuple[int, int]) -> Frame | None:
        """The last sharp picture as it looks from a new place; None where it is the place that it shows."""
        sharp = self._sharp
        if sharp is None or sharp.viewpoint == viewpoint:
            return None
        return warped(sharp, viewpoint, (max(1, size[0] // 2), max(1, size[1] // 2)))

    def _now_seen(self) -> Sight:
        """What is to be rendered; the same one as long as that is the same."""
        with self._lock:
            field, outcome, mode = self.workshop.field, self.outcome, self.look.mode
            sight = Sight(field, None, "object", frozenset(), self.crop)
            if outcome is not None and outcome.field is not None and mode in ("object", "removed"):
                shown = frozenset(one.name for one in self.state.objects if one.visible)
                sight = Sight(field, outcome, mode, shown & set(outcome.names), self.crop)
            if self._sight is None or not sight.is_like(self._sight):
                self._sight, self._sharp = sight, None
            return self._sight

    # Pointing

    def clicked(self, xy: tuple[float, float], positive: bool, seen: Seen | None = None) -> None:
        """A click at a place of the window, x and y in [0, 1]; ``seen``: what the window saw, if not that."""
        pointing = self._pointing(seen)
        if pointing is not None:
            self.edit(lambda state: state.with_click(pointing.click(xy, positive)))

    def boxed(self, low: tuple[float, float], high: tuple[float, float], seen: Seen | None = None) -> None:
        """A box between two places of the window, x and y in [0, 1]; ``seen`` as for a click."""
        pointing = self._pointing(seen)
        if pointing is not None:
            self.edit(lambda state: state.with_box(pointing.box(low, high)))

    def _pointing(self, seen: Seen | None) -> Pointing | None:
        seen = seen or self._viewpoint
        return None if seen is None else Pointing.of(self.workshop.field, *seen, self._now_seen().field)

    # Editing

    def edit(self, change: Callable[[SessionState], SessionState]) -> None:
        """A new state; what cannot be done is said in the page."""
        self.settle()
        try:
            with self._lock:
                state = replace(change(self.state), opening=self.state.opening)
                self._turn(self.history.then(state))
        except InputError as error:
            self._say(Status(str(error), is_error=True))

    def soon(self, change: Callable[[SessionState], SessionState]) -> None:
        """An edit in the making, such as a name that is typed: it takes the place of the one that waits.

        It is done before any other, or by :meth:`settle`.
        """
        self._waiting = change

    @property
    def is_waiting(self) -> bool:
        """Whether an edit is in the making."""
        return self._waiting is not None

    def settle(self) -> None:
        """Do the edit that waits."""
        with self._lock:
            change, self._waiting = self._waiting, None
        if change is not None:
            self.edit(change)

    def undo(self) -> None:
        """One step back."""
        self.settle()
        with self._lock:
            self._turn(self.history.undone())

    def redo(self) -> None:
        """One step forward again."""
        self.settle()
        with self._lock:
            self._turn(self.history.redone())

    def part(self, operation: Operation) -> None:
        """The next clicks begin a new part."""
        self.edit(lambda state: state.with_part(operation))

    def chose(self, segmenter: str) -> None:
        """Another segmenter answers."""
        if segmenter != self.segmenter:
            self.segmenter = segmenter
            self._segment()

    def _turn(self, history: History) -> None:
        if history is self.history:
            return
        before, opening = self.request, self.state.opening
        self.history = history
        if self.state.opening != opening:
            self._origins[opening] = self._origin
            self._go_by(self._origins[self.state.opening])
        self.screen.changed()
        if self.request != before:
            if self.segmenting.knows(self.request) or not self._renamed(before):
                self._segment()
        elif self.look.mode in ("object", "removed"):
            self.repaint()
        else:
            self.retint()

    @property
    def _origin(self) -> Origin:
        return Origin(self.saved, self.segmenter, self.look.threshold)

    def _go_by(self, origin: Origin) -> None:
        self.segmenter = origin.segmenter
        self.look = replace(self.look, threshold=origin.threshold)
        self.saved = origin.saved  # last: who sees the name finds the rest

    # Segmenting

    @property
    def request(self) -> Request:
        """What the present state asks for."""
        return Request.of(self.state.prompted, self.segmenter)

    @property
    def is_refined(self) -> bool:
        """Whether the field shown is what the present state asks for."""
        outcome = self.outcome
        return outcome is not None and outcome.field is not None and outcome.request == self.request

    def cancel(self) -> None:
        """Stop what is being segmented; what is shown stays."""
        self.segmenting.cancel()
        self._say(Status("stopped; click again to go on"))

    def refine(self) -> None:
        """Go on where it was stopped."""
        if not self.is_refined:
            self._segment()

    def opened(self, kept: Kept, before: History) -> bool:
        """Take a segmentation that was read back as the state; undo goes back to the file before as well.

        Args:
            kept: What was read.
            before: The history when it was asked for.

        Returns:
            Whether it was taken: not where the history is another by now.
        """
        with self._lock:
            if self.history is not before:
                return False
            self.segmenting.cancel()
            self._origins[self.state.opening] = self._origin
            self.history = self.history.then(replace(kept.state, opening=next(self._openings)))
            self.segmenting.keep(kept.outcome)
            self.outcome = kept.outcome
            self._go_by(Origin(kept.saved, kept.outcome.request.segmenter, kept.threshold))
        self.screen.changed()
        self._show(kept.outcome)
        return True

    def look_for(self, what: str, look: Callable[[ProgressCallback], Mapping[str, Part]]) -> None:
        """Find objects without a click; they are added, and segmented.

        Args:
            what: What is looked for, for the page.
            look: Finds their prompts, by name; told how it may tell of its progress.
        """
        self.segmenting.look_for(what, look, lambda found: self.edit(lambda state: state.with_found(found)))

    def _segment(self) -> None:
        """Begin on what the present state asks for."""
        if self.state.prompted:
            self.segmenting.ask(self.workshop, self.request)
            return
        self.segmenting.cancel()
        self._show(self.segmenting.unprompted(self.state))
        self._say(Status("click on an object"))

    def _renamed(self, before: Request) -> bool:
        """Take new names over to what is shown; whether nothing more is asked for than they."""
        outcome, wanted = self.outcome, self.request
        if outcome is None or outcome.request != before or not wanted.is_renaming_of(before):
            return False
        self.segmenting.cancel()
        outcome = outcome.renamed(wanted)
        self._show(outcome)
        if outcome.field is None:
            return False
        self.segmenting.keep(outcome)
        self._say(Status(self.segmenting.summary()))
        return True

    def _show(self, outcome: Outcome | None) -> None:
        self.outcome = outcome
        if self.look.mode in ("object", "removed"):
            self.repaint()
        else:
            self.retint()

    def _say(self, status: Status) -> None:
        self.screen.status(status)
