"""Segmenting: a session's requests and their answers; what is known comes at once, the rest from a thread."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping

from sanerf_hq.errors import Cancelled, InputError
from sanerf_hq.runs import Progress, ProgressCallback
from sanerf_hq.viewer.memory import hand_back_memory
from sanerf_hq.viewer.screen import Status, words_for
from sanerf_hq.viewer.state import Part, SessionState
from sanerf_hq.viewer.worker import Ticket, Worker
from sanerf_hq.viewer.workshop import Outcome, Request, Workshop

LOG = logging.getLogger(__name__)
KEPT_OUTCOMES = 6  # some 10 MB each


class Segmenting:
    """The latest request is worked on, the one before is stopped."""

    def __init__(
        self, show: Callable[[Outcome], None], say: Callable[[Status], None], times: dict[str, float]
    ) -> None:
        """Prepare.

        Args:
            show: Told of each outcome; called within a lock that :meth:`cancel` waits for.
            say: Tells the page.
            times: Where seconds from a request to its preview and its field are noted.
        """
        self._show, self._say, self._times = show, say, times
        self._known: OrderedDict[Request, Outcome] = OrderedDict()
        self._worker = Worker("segmenting")
        self._showing = threading.RLock()

    @property
    def is_busy(self) -> bool:
        """Whether something is computed, or waits to be."""
        return self._worker.is_busy

    def ask(self, workshop: Workshop, request: Request) -> None:
        """Answer a request.

        Args:
            workshop: Who knows how.
            request: What is asked.
        """
        self.cancel()  # first: what ends meanwhile would be shown over what is known
        known = self._known.get(request)
        if known is not None:
            self._show(known)
            if known.field is not None:
                self._say(Status("as it was"))
                return
        self._say(Status("looking for the object", 0.0))
        self._worker.submit(lambda ticket: self._answer(workshop, request, ticket), self._told)

    def look_for(
        self,
        what: str,
        look: Callable[[ProgressCallback], Mapping[str, Part]],
        then: Callable[[Mapping[str, Part]], None],
    ) -> None:
        """Find objects without a click.

        Args:
            what: What is looked for, for the page.
            look: Finds their prompts, by name; told how it may tell of its progress.
            then: Told what was found.
        """

        def work(ticket: Ticket) -> None:
            found: dict[str, Part] = {}
            if self._done(lambda: found.update(look(ticket.check)), ticket):
                then(found)

        self._say(Status(f"looking for {what}", 0.0))
        self._worker.submit(work, self._told)

    def knows(self, request: Request) -> bool:
        """Whether a request can be answered at once."""
        return request in self._known

    def keep(self, outcome: Outcome) -> None:
        """Know an outcome; of many the oldest is let go."""
        self._known[outcome.request] = outcome
        self._known.move_to_end(outcome.request)
        while len(self._known) > KEPT_OUTCOMES:
            self._known.popitem(last=False)

    def forget(self) -> None:
        """Stop, and know nothing any more: another moment is shown, or nobody looks."""
        self.cancel()
        self._known.clear()

    def unprompted(self, state: SessionState) -> Outcome | None:
        """What is known of objects that are prompted nowhere, such as those followed from another moment."""
        objects = set(Request.of(state.objects, "").objects)
        for outcome in reversed(self._known.values()):
            if objects.issuperset(outcome.request.objects):
                return outcome
        return None

    def cancel(self) -> None:
        """Stop what is computed; nothing of it is shown afterwards."""
        with self._showing:
            self._worker.cancel()

    def close(self) -> None:
        """Stop, for good."""
        self._worker.close()

    def join(self) -> None:
        """Wait until what was computed has noticed, after :meth:`close`."""
        self._worker.join()

    def summary(self) -> str:
        """The times of the last answer."""
        times = self._times
        parts = [f"{what} after {times[what]:.1f} s" for what in ("preview", "refined") if what in times]
        return ", ".join(parts) or "click on an object"

    def _answer(self, workshop: Workshop, request: Request, ticket: Ticket) -> None:
        def show(outcome: Outcome) -> None:
            with self._showing:
                ticket.check()
                self.keep(outcome)
                self._times["preview" if outcome.field is None else "refined"] = outcome.seconds
                self._show(outcome)

        if self._done(lambda: workshop.segment(request, show, ticket.check), ticket):
            self._say(Status(self.summary()))

    def _done(self, act: Callable[[], None], ticket: Ticket) -> bool:
        """Do what a job is for; whether it was done and is still wanted. What fails is said in the page."""
        try:
            act()
        except InputError as error:
            self._fail(str(error), ticket)
            return False
        except Cancelled:
            raise
        except Exception:
            LOG.exception("segmenting failed")
            self._fail("segmenting failed for a reason of the program's own; its log says more", ticket)
            return False
        finally:
            hand_back_memory()
        return not ticket.is_stopped

    def _fail(self, sentence: str, ticket: Ticket) -> None:
        if not ticket.is_stopped:
            self._say(Status(sentence, is_error=True))

    def _told(self, progress: Progress) -> None:
        self._say(Status(words_for(progress), progress.done / max(1, progress.total)))
