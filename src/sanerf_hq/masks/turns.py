"""Turns: prompts of one object one after the other, each said in view of what came of those before.

Two clicks given at once are two places of one thing, and a segmenter looks for the thing that holds both. A
click that adds what lies beyond a rim is another matter: given at once with those before, it makes the
segmenter look for something larger. So such a click is answered from what is known, as a correction of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

from sanerf_hq.masks.mask_set import Point, Segment
from sanerf_hq.masks.survey import Told
from sanerf_hq.masks.wavefront import Clicks, Wavefront
from sanerf_hq.prompts import BoxPrompt, Prompt

MISREAD = 0.5  # IoU of masks before and after a click beside the object, below which it was another thing


@final
class Turns:
    """A :class:`~sanerf_hq.masks.survey.Survey` by a segmenter that is prompted several times.

    Clicks on the object correct what is known. One beside it does so too, once others have, and where hardly
    anything is left of what was known: then the first prompts were misread. Else it says that they mean a
    smaller thing, and is taken in together with them. A survey that was stopped is not gone on with.
    """

    def __init__(
        self, begin: Callable[[list[Prompt]], Wavefront], prompts: Sequence[Prompt], views: int
    ) -> None:
        """Begin with the first prompts.

        Args:
            begin: Begins a survey by prompts that are taken in together.
            prompts: In the order in which they were given.
            views: How many are decoded before a prompt is held against them.
        """
        self._begin, self._views = begin, views
        self._together, self._later = _first_and_later(prompts)
        self._was_read = False  # rightly, which a click beside the object has shown
        self._wave = begin(self._together)

    def decode(self, most: int | None, told: Told) -> None:
        agreed: list[Clicks] = []
        while self._later:
            prompt = self._later.pop(0)
            beside_first = not prompt.positive and not self._wave.is_corrected
            if not (beside_first and self._was_read):
                self._wave.decode(self._views, told)
                stays = self._wave.correct(prompt, told)
                if not beside_first or stays < MISREAD:
                    agreed.append(prompt)
                    continue
            self._was_read = True
            self._together.append(prompt)
            self._wave = self._begin(self._together)
            self._later[:0], agreed = agreed, []
        self._wave.decode(most, told)

    def repeat(self, told: Told) -> None:
        self._wave.repeat(told)

    def segments(self, identity: int = 1) -> tuple[Segment, ...]:
        return self._wave.segments(identity)

    def seeds(self) -> tuple[Point, ...]:
        return self._wave.seeds()


def _first_and_later(prompts: Sequence[Prompt]) -> tuple[list[Prompt], list[Clicks]]:
    """The prompts that say together where the object is, and those that say more of it.

    Boxes say where an object ends, so all of them come first; without any the first clicks on it do.
    """
    boxes = [one for one in prompts if isinstance(one, BoxPrompt)]
    clicks = [one for one in prompts if not isinstance(one, BoxPrompt)]
    if boxes:
        return [*boxes], clicks
    first = next(number for number, one in enumerate(clicks) if one.positive)
    return [clicks[first]], clicks[:first] + clicks[first + 1 :]
