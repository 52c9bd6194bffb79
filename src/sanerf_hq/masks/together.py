"""Several objects' surveys side by side.

What a survey does between its views (weighing masks, evening out votes) keeps one core busy. Objects do not
wait for each other, so each core takes one; the masks are the same as one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import final

from sanerf_hq.errors import Cancelled
from sanerf_hq.masks.abreast import abreast
from sanerf_hq.masks.survey import Survey, Told


def decode_together(surveys: Sequence[Survey], most: int | None, told: Told, threads: int) -> None:
    """Have surveys decode up to ``most`` views each; None: all, and ask again where masks disagree.

    Args:
        surveys: Of different objects.
        most: Views an object.
        told: Called with the views done and in all, of all objects, by one thread at a time; may raise
            Cancelled, which reaches the caller once the others have heard of it.
        threads: Cores in all.
    """
    side_by_side = min(threads, len(surveys))
    tally = _Tally(len(surveys), told)

    def find(number: int) -> None:
        heard = told if len(surveys) == 1 else tally.of(number)
        try:
            surveys[number].decode(most, heard)
            if most is None:
                surveys[number].repeat(heard)
        except BaseException:
            tally.stop()
            raise

    cores = max(1, threads // max(1, side_by_side))
    for _ in abreast(find, range(len(surveys)), side_by_side, cores, tally.stop):
        pass


@final
class _Tally:
    """What has come of several surveys in all."""

    def __init__(self, n: int, told: Told) -> None:
        self._told, self._lock = told, Lock()
        self._share, self._views = [0.0] * n, 0
        self._stopped = False

    def of(self, number: int) -> Told:
        """What one of the surveys reports to. Views that are asked again count once."""

        def heard(done: int, total: int) -> None:
            with self._lock:
                if self._stopped:
                    raise Cancelled("stopped with the others")
                self._views = max(self._views, total)
                self._share[number] = max(self._share[number], done / max(1, total))
                in_all = self._views * len(self._share)
                try:
                    self._told(round(sum(self._share) * self._views), in_all)
                except BaseException:  # before another thread's turn
                    self.stop()
                    raise

        return heard

    def stop(self) -> None:
        """Have every survey end at its next report."""
        self._stopped = True
