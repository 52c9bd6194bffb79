"""Interrupts: Ctrl-C and SIGTERM held back until a step is whole, so that no half step is ever saved."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class HeldInterrupts:
    """Context in which the first SIGINT or SIGTERM sets :attr:`pending`; a second one interrupts at once.

    One that the body does not act on is raised as KeyboardInterrupt when the body has ended.

    Signals that the surrounding program handles or ignores itself are left to it, and so is everything
    outside the main thread, where Python delivers no signals.
    """

    def __init__(self) -> None:
        self.pending = False
        self._held: list[tuple[signal.Signals, Any]] = []

    def __enter__(self) -> HeldInterrupts:
        if _in_main_thread():
            as_ctrl_c = signal.default_int_handler  # as the command line has SIGTERM
            usual = ((signal.SIGINT, (as_ctrl_c,)), (signal.SIGTERM, (signal.SIG_DFL, as_ctrl_c)))
            for number, defaults in usual:
                handler = signal.getsignal(number)
                if handler in defaults:
                    signal.signal(number, self._hold)
                    self._held.append((number, handler))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()
        if self.pending and kind is None:  # it came too late for the body to see
            raise KeyboardInterrupt

    def _hold(self, number: int, frame: FrameType | None) -> None:
        if self.pending:
            self._release()
            raise KeyboardInterrupt
        self.pending = True

    def _release(self) -> None:
        while self._held:
            number, default = self._held.pop()
            signal.signal(number, default)


def restore_sigterm() -> None:
    """Put back what Python has SIGTERM do, after a library of C++ has installed a handler without telling."""
    handler = signal.getsignal(signal.SIGTERM)
    if _in_main_thread() and handler is not None:
        signal.signal(signal.SIGTERM, handler)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
