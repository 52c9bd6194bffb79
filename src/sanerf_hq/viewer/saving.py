"""Saving: what a session was asked to keep, from the click until it may be written."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sanerf_hq.errors import InputError
from sanerf_hq.objects import recorded_names
from sanerf_hq.runs import check_name
from sanerf_hq.viewer.naming import folded
from sanerf_hq.viewer.session import Session
from sanerf_hq.viewer.state import SessionState
from sanerf_hq.viewer.storage import Saved
from sanerf_hq.viewer.workshop import Outcome, Request, Workshop

LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Wanted:
    """What is to be kept: the objects as they were when it was asked for.

    Attributes:
        workshop: Of the moment that was shown.
        state: The objects.
        request: What is segmented for them.
        name: The segmentation's name, as it was typed.
        replace: Whether one of that name may be replaced that the session neither made nor opened.
    """

    workshop: Workshop
    state: SessionState
    request: Request
    name: str
    replace: bool

    @staticmethod
    def of(session: Session, name: str, replace: bool) -> Wanted:
        """What a session asks for now."""
        session.settle()
        return Wanted(session.workshop, session.state, session.request, name, replace)

    def current(self, session: Session) -> SessionState:
        """The session's objects, renamed ones perhaps, where it still asks for what is to be kept.

        Raises:
            InputError: The session asks for something else by now.
        """
        state = session.state
        request = Request.of(state.prompted, session.segmenter)
        if session.workshop is not self.workshop or request != self.request:
            raise InputError(f"{self.name} was not saved, for the objects were changed; save again")
        return state

    def checked_name(self, saved: Saved | None) -> str:
        """The name under which it may be kept.

        Args:
            saved: What the session was opened from or saved as.

        Raises:
            InputError: It may not: the name is none, or what has it is not to be lost.
        """
        home = self.workshop.home
        name, names = check_name(self.name), home.run.segmentation_names()
        taken = next((one for one in names if folded(one) == folded(name)), None)
        if not self.state.prompted:
            raise InputError("there is nothing to save; click on an object first")
        if taken is None or self.replace:
            return taken or name
        if saved is None or saved.name != taken:
            check_name(name, [taken])
        if saved != Saved.now(home.run, taken):
            raise InputError(
                f"{taken} was saved anew from elsewhere since this page saved or opened it; "
                "choose another name, or let it be replaced"
            )
        if self.workshop.field.moment is not None:
            asked = {one.name for one in self.state.prompted}
            lacking = [one for one in recorded_names(home.run.segmentation(taken)) if one not in asked]
            if lacking:
                raise InputError(
                    f"{taken} also holds {', '.join(lacking)}, not clicked at this time; click there as "
                    "well, choose another name, or let it be replaced"
                )
        return taken

    def checked_moment(self, session: Session) -> str:
        """The same for keeping the moment that is shown alone.

        Raises:
            InputError: Also where the segmentation of that name holds other moments, and as :meth:`current`.
        """
        saved = session.saved  # before the objects, for it changes after them
        self.current(session)
        name = self.checked_name(saved)
        field, home = self.workshop.field, self.workshop.home
        others = (moment for moment in field.moments if moment != field.moment)
        if not self.replace and any(home.at(one).segmentation(name).field.exists() for one in others):
            raise InputError(
                f"{name} also holds other times; follow through time, choose another name, or replace it"
            )
        return name

    def refined(self, session: Session, check: Callable[[], None]) -> Outcome:
        """Wait until the session's objects are refined; that is begun where nobody is at it.

        Args:
            session: Who asked.
            check: Raises Cancelled once nobody waits any more.

        Raises:
            InputError: The session asks for something else by now; or the training failed, or was stopped.
        """
        is_begun = session.segmenting.is_busy
        while True:
            check()
            is_busy = session.segmenting.is_busy  # before the outcome: who ends in between has shown it
            outcome = session.outcome
            self.current(session)
            if outcome is not None and outcome.field is not None and outcome.request == self.request:
                return outcome
            if is_busy:
                time.sleep(LOOK_SECONDS)
            elif is_begun:
                raise InputError(f"{self.name} was not saved, for it is not refined; refine it, then save")
            else:
                session.refine()
                is_begun = True
