"""Work abreast: in order, on as many threads as asked for, each computing on one core."""

import threading

import pytest
import torch

from sanerf_hq.masks.abreast import abreast


@pytest.mark.parametrize("threads", [1, 2])
def test_results_come_in_the_order_of_the_items(threads: int):
    assert list(abreast(lambda n: n * n, range(20), threads)) == [n * n for n in range(20)]


def test_several_items_are_worked_on_at_once():
    meeting = threading.Barrier(2, timeout=10)
    assert len(set(abreast(lambda _: meeting.wait(), range(2), 2))) == 2


def test_each_thread_computes_on_one_core_and_the_caller_on_its_own():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert list(abreast(lambda _: torch.get_num_threads(), range(4), 2)) == [1] * 4
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_each_thread_may_compute_on_more():
    assert list(abreast(lambda _: torch.get_num_threads(), range(4), 2, cores=3)) == [3] * 4


def test_those_at_work_hear_that_nothing_more_is_wanted():
    over = threading.Event()

    def work(number: int) -> bool:
        if number == 0:
            raise ValueError("zero")
        return over.wait(timeout=10)

    with pytest.raises(ValueError, match="zero"):
        list(abreast(work, range(2), 2, hurry=over.set))
    assert over.is_set()


def test_an_error_reaches_the_caller():
    def refuse(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    with pytest.raises(ValueError, match="three"):
        list(abreast(refuse, range(8), 2))
