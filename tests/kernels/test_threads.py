from __future__ import annotations

import os
import threading

import pytest

from sanerf_hq.kernels.threads import run_jobs, thread_count


def test_jobs_run_side_by_side_the_first_on_this_thread(set_threads):
    set_threads(3)
    assert thread_count() == 3
    all_three = threading.Barrier(3, timeout=20)
    ran: list[str] = []

    def job() -> None:
        all_three.wait()
        ran.append(threading.current_thread().name)

    run_jobs([job] * 3)
    assert threading.current_thread().name in ran
    assert len(set(ran)) == 3


def test_more_jobs_than_threads(set_threads):
    set_threads(2)
    done: list[int] = []
    run_jobs([lambda i=i: done.append(i) for i in range(20)])
    assert sorted(done) == list(range(20))


def test_one_thread_runs_jobs_in_order(set_threads):
    set_threads(1)
    done: list[int] = []
    run_jobs([lambda i=i: done.append(i) for i in range(5)])
    run_jobs([])
    assert done == list(range(5))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("broken", [0, 1])
def test_an_error_in_a_job_is_raised_when_no_job_runs_any_more(threads: int, broken: int, set_threads):
    set_threads(threads)
    release, ended = threading.Event(), threading.Event()

    def fail() -> None:
        release.set()
        raise RuntimeError("broken job")

    def wait() -> None:
        release.wait(0.2 if threads == 1 else 20)
        ended.set()

    jobs = [wait, wait]
    jobs[broken] = fail
    with pytest.raises(RuntimeError, match="broken job"):
        run_jobs(jobs)
    assert ended.is_set() or (threads, broken) == (1, 0)


def test_several_callers_get_their_own_jobs(set_threads):
    set_threads(2)
    results: dict[int, list[int]] = {}

    def call(caller: int) -> None:
        mine: list[int] = []
        for _ in range(50):
            run_jobs([lambda: mine.append(caller), lambda: mine.append(caller)])
        results[caller] = mine

    callers = [threading.Thread(target=call, args=(i,)) for i in range(4)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join(60)
    assert results == {i: [i] * 100 for i in range(4)}


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system does not place threads")
def test_this_thread_stays_where_it_may_run(set_threads):
    set_threads(2)
    before = os.sched_getaffinity(0)
    placed: list[set[int]] = []
    run_jobs([lambda: None, lambda: placed.append(os.sched_getaffinity(0))])
    assert os.sched_getaffinity(0) == before
    assert placed[0] <= before and placed[0]
