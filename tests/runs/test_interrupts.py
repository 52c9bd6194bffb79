"""Signals, and libraries that take them for themselves."""

from __future__ import annotations

import signal
import threading

from sanerf_hq.runs.interrupts import restore_sigterm


def test_sigterm_goes_where_python_has_it_go():
    told: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    try:
        restore_sigterm()
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert told == [signal.SIGTERM]


def test_other_threads_leave_sigterm_alone():
    found: list[object] = []

    def look() -> None:
        restore_sigterm()
        found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGTERM)]
