"""Worker: a thread that does the latest job it was given; a newer job stops the one before."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from sanerf_hq.errors import Cancelled
from sanerf_hq.runs import Progress

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ticket:
    """A job's leave to go on: long calls are given :meth:`check` as their progress callback.

    Attributes:
        tell: Told of the progress; must be quick.
    """

    tell: Callable[[Progress], None] = lambda progress: None
    _stopped: threading.Event = field(default_factory=threading.Event)
    _dropped: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """Ask the job to end; it does so at its next sign of progress."""
        self._stopped.set()

    def drop(self) -> None:
        """Stop it, and let nothing come of it any more, not even what a newer job would leave it."""
        self._dropped.set()
        self.stop()

    @property
    def is_stopped(self) -> bool:
        return self._stopped.is_set()

    def check(self, progress: Progress | None = None) -> None:
        """Tell of the progress.

        Raises:
            Cancelled: The job is no longer wanted.
        """
        if self.is_stopped:
            raise Cancelled("a newer job took its place")
        if progress is not None:
            self.tell(progress)

    def check_dropped(self) -> None:
        """For what a job may still do when a newer one waits for its end.

        Raises:
            Cancelled: The job was dropped.
        """
        if self._dropped.is_set():
            raise Cancelled("nothing is to come of it any more")


Job = Callable[[Ticket], None]


class Worker:
    """One thread, one job at a time, the latest wins. Jobs see to their own errors."""

    def __init__(self, name: str) -> None:
        self._wake = threading.Condition()
        self._waiting: tuple[Job, Ticket] | None = None
        self._running: Ticket | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Job, tell: Callable[[Progress], None] = lambda progress: None) -> Ticket:
        """Do this next; what runs is stopped, what waits is dropped."""
        ticket = Ticket(tell)
        with self._wake:
            if self._closed:
                ticket.stop()
                return ticket
            for other in self._tickets():
                other.stop()
            self._waiting = (job, ticket)
            self._wake.notify_all()
        return ticket

    def cancel(self) -> None:
        """Stop what runs, drop what waits."""
        with self._wake:
            self._drop()

    def close(self) -> None:
        """Cancel, and end the thread once its job has noticed."""
        with self._wake:
            self._closed = True
            self._drop()
            self._wake.notify_all()

    @property
    def is_busy(self) -> bool:
        """Whether a job runs or waits."""
        with self._wake:
            return self._running is not None or self._waiting is not None

    def join(self, seconds: float | None = None) -> None:
        """Wait for the thread's end, after :meth:`close`."""
        self._thread.join(seconds)

    def _tickets(self) -> list[Ticket]:
        found = (self._running, self._waiting[1] if self._waiting else None)
        return [ticket for ticket in found if ticket is not None]

    def _drop(self) -> None:
        for ticket in self._tickets():
            ticket.drop()
        self._waiting = None

    def _work(self) -> None:
        while True:
            with self._wake:
                while self._waiting is None and not self._closed:
                    self._wake.wait()
                if self._waiting is None:
                    return
                job, ticket = self._waiting
                self._waiting, self._running = None, ticket
            try:
                job(ticket)
            except Cancelled:
                pass
            except Exception:
                LOG.exception("a job of the viewer failed")
            finally:
                with self._wake:
                    self._running = None
