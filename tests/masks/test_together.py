"""Surveys side by side: each does its work, one report at a time, and all stop when one is stopped."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest

from sanerf_hq.errors import Cancelled
from sanerf_hq.masks import Segment, decode_together
from sanerf_hq.masks.mask_set import Point
from sanerf_hq.masks.survey import Told

VIEWS = 5


@dataclass
class Counted:
    """A survey that notes what is asked of it."""

    meeting: threading.Barrier | None = None
    looked: int = 0
    repeated: int = 0

    def decode(self, most: int | None, told: Told) -> None:
        if self.meeting is not None:
            self.meeting.wait(timeout=10)
        while self.looked < (VIEWS if most is None else most):
            self.looked += 1
            told(self.looked, VIEWS)

    def repeat(self, told: Told) -> None:
        self.repeated += 1
        told(1, 2)

    def segments(self, identity: int = 1) -> tuple[Segment, ...]:
        return ()

    def seeds(self) -> tuple[Point, ...]:
        return ()


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_all_are_decoded_and_asked_again(threads: int) -> None:
    surveys = [Counted() for _ in range(3)]
    told: list[tuple[int, int]] = []
    decode_together(surveys, 2, lambda done, total: told.append((done, total)), threads)
    assert [(one.looked, one.repeated) for one in surveys] == [(2, 0)] * 3
    assert told[-1] == (6, 15)
    decode_together(surveys, None, lambda done, total: told.append((done, total)), threads)
    assert [(one.looked, one.repeated) for one in surveys] == [(5, 1)] * 3
    assert told[-1] == (15, 15)
    done = [done for done, _ in told[7:]]
    assert done == sorted(done), "what is asked again takes nothing back"


def test_two_are_at_work_at_once() -> None:
    meeting = threading.Barrier(2)
    decode_together([Counted(meeting), Counted(meeting)], None, lambda done, total: None, 2)


def test_one_alone_reports_as_it_does() -> None:
    told: list[tuple[int, int]] = []
    decode_together([Counted()], None, lambda done, total: told.append((done, total)), 2)
    assert told == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5), (1, 2)]


def test_when_one_is_stopped_all_are() -> None:
    meeting = threading.Barrier(2)
    surveys = [Counted(meeting), Counted(meeting), Counted()]
    calls = 0

    def stop(done: int, total: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        decode_together(surveys, None, stop, 2)
    assert calls == 3
    assert [one.repeated for one in surveys] == [0, 0, 0]
    assert surveys[2].looked <= 1, "it ended at its first report, if it began at all"
