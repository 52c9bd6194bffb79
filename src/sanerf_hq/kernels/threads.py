"""Threads: independent jobs run side by side on the CPU, by a pool that lasts.

Our jobs are short (from 0.2 ms), and a virtual machine's scheduler tends to wake a thread on the very core
that woke it, as it cannot tell whether a core that sleeps could be had: the two would take turns
for some milliseconds. So, where the system allows it, the pool keeps off the core of the thread that waits.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

import torch

Job = Callable[[], None]


def thread_count() -> int:
    """CPU threads that kernels use: as many as torch's."""
    return max(1, torch.get_num_threads())


def run_jobs(jobs: Sequence[Job]) -> None:
    """Run jobs at the same time, the first of them on this thread; then raise the first error of any."""
    if len(jobs) <= 1 or thread_count() == 1:
        for job in jobs:
            job()
        return
    pool = _pool(thread_count() - 1)
    pool.leave_core(_current_core())
    outcomes: SimpleQueue[BaseException | None] = SimpleQueue()
    for job in jobs[1:]:
        pool.jobs.put((job, outcomes))
    try:
        jobs[0]()
    finally:  # jobs work on this thread's arrays: none may outlast it
        errors = [outcomes.get() for _ in jobs[1:]]
    for error in errors:
        if error is not None:
            raise error


class _Pool:
    """Threads that take jobs, and tell how each came out, until the process ends."""

    def __init__(self, size: int) -> None:
        self.jobs: SimpleQueue[tuple[Job, SimpleQueue[BaseException | None]]] = SimpleQueue()
        self._core: int | None = None
        self._threads = [
            threading.Thread(target=self._work, name=f"sanerf-kernel-{i}", daemon=True) for i in range(size)
        ]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        while True:
            job, outcomes = self.jobs.get()
            try:
                job()
            except BaseException as error:  # the thread that waits raises it
                outcomes.put(error)
            else:
                outcomes.put(None)

    def leave_core(self, core: int | None) -> None:
        """Let the threads run on all cores of this process but ``core``."""
        if core is None or core == self._core:
            return
        others = os.sched_getaffinity(0) - {core}
        for thread in self._threads if others else ():
            if thread.native_id is not None:
                os.sched_setaffinity(thread.native_id, others)
        self._core = core


@functools.cache
def _pool(size: int) -> _Pool:
    return _Pool(size)


@functools.cache
def _getcpu() -> Callable[[], int] | None:
    if not hasattr(os, "sched_setaffinity"):
        return None
    return getattr(ctypes.CDLL(None), "sched_getcpu", None)


def _current_core() -> int | None:
    """The core this thread runs on; None where threads cannot be placed."""
    getcpu = _getcpu()
    core = getcpu() if getcpu else -1
    return core if core >= 0 else None
