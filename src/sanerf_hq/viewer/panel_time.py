"""Time panel: which moment of a scene that moves is shown."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import viser

from sanerf_hq.radiance import nearest_moment


class TimePanel:
    """A slider over the moments; while it is dragged, the latest place counts."""

    def __init__(
        self, gui: viser.GuiApi, moments: tuple[float, ...], moment: float, go: Callable[[float], None]
    ) -> None:
        """Prepare.

        Args:
            gui: Where.
            moments: Times of the photos, ascending.
            moment: The one that is shown.
            go: Told of another one, in the thread of the slider.
        """
        self._moments, self._moment, self._go = moments, moment, go
        first, last = moments[0], moments[-1]
        self._slider = gui.add_slider(
            "Time",
            first,
            last,
            step_between(moments),
            moment,
            hint="Objects are shown where they were followed to",
        )
        self._slider.on_update(lambda _: self._moved())

    @property
    def wanted(self) -> float:
        """The moment nearest to where the slider stands."""
        return nearest_moment(self._moments, float(self._slider.value))

    def stay(self, moment: float) -> None:
        """Stand at a moment again, which is shown."""
        self._moment = moment
        self._slider.value = moment

    def _moved(self) -> None:
        wanted = self.wanted
        if wanted != self._moment:
            self._moment = wanted
            self._go(wanted)


def step_between(moments: tuple[float, ...]) -> float:
    """A step with which a slider from the first to the last of some moments comes nearest to each of them.

    It is no longer than the shortest time between two moments, and divides the time between the ends.
    """
    shortest = min(later - earlier for earlier, later in pairwise(moments))
    whole = moments[-1] - moments[0]
    return whole / math.ceil(whole / shortest - 1e-6)
