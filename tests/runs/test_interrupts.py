from __future__ import annotations

import signal
import threading

import pytest

from sanerf_hq.runs.interrupts import restore_sigterm, sigterm_interrupts


def test_sigterm_interrupts_and_its_handler_is_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), sigterm_interrupts():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_program_s_own_handler_of_sigterm_is_left_to_it():
    told: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    try:
        with sigterm_interrupts():
            signal.raise_signal(signal.SIGTERM)
        restore_sigterm()
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert told == [signal.SIGTERM] * 2


def test_other_threads_leave_sigterm_alone():
    found: list[object] = []

    def look() -> None:
        with sigterm_interrupts():
            restore_sigterm()
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGTERM)]
