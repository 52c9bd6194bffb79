from __future__ import annotations

import threading

import pytest

from sanerf_hq.errors import Cancelled
from sanerf_hq.runs import Progress
from sanerf_hq.viewer.worker import Ticket, Worker
from support.chromium import until


def test_the_latest_job_wins():
    worker, begun, done = Worker("w"), threading.Event(), []

    def long(ticket: Ticket) -> None:
        begun.set()
        while True:
            ticket.check()

    first = worker.submit(long)
    assert begun.wait(240)
    worker.submit(lambda ticket: done.append("dropped"))
    worker.submit(lambda ticket: done.append("last"))
    until(lambda: not worker.is_busy)
    assert first.is_stopped
    assert done == ["last"] or done == ["dropped", "last"]
    worker.close()
    worker.join(10)
    assert worker.submit(long).is_stopped


def test_a_job_that_is_overtaken_may_end_what_one_that_is_dropped_may_not():
    overtaken, dropped = Ticket(), Ticket()
    overtaken.stop()
    dropped.drop()
    overtaken.check_dropped()
    assert overtaken.is_stopped and dropped.is_stopped
    with pytest.raises(Cancelled):
        dropped.check_dropped()


def test_what_waits_and_what_runs_is_dropped_by_a_cancel():
    worker, begun, leave, seen = Worker("w"), threading.Event(), threading.Event(), []

    def long(ticket: Ticket) -> None:
        begun.set()
        assert leave.wait(240)
        seen.append(ticket)

    running = worker.submit(long)
    assert begun.wait(240)
    waiting = worker.submit(long)
    running.check_dropped()
    worker.cancel()
    leave.set()
    until(lambda: not worker.is_busy)
    worker.close()
    assert seen == [running]
    for ticket in (running, waiting):
        with pytest.raises(Cancelled):
            ticket.check_dropped()


def test_a_job_that_fails_does_not_end_the_thread(caplog):
    worker, done = Worker("w"), []
    worker.submit(lambda ticket: 1 / 0)
    until(lambda: not worker.is_busy)
    worker.submit(lambda ticket: done.append(1))
    until(lambda: done)
    assert "failed" in caplog.text
    worker.close()


def test_progress_is_told_until_the_job_is_cancelled():
    worker, told = Worker("w"), []

    def job(ticket: Ticket) -> None:
        for step in range(10**9):
            ticket.check(Progress("stage", step, 10**9))

    worker.submit(job, told.append)
    until(lambda: told)
    worker.cancel()
    until(lambda: not worker.is_busy)
    worker.close()
