"""Find panel: objects without a click: all that there are, or what words say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import viser

from sanerf_hq.errors import InputError
from sanerf_hq.prompts import Prompt
from sanerf_hq.runs import ProgressCallback
from sanerf_hq.segmenters.grounding_dino import caption
from sanerf_hq.viewer.portable import part_of
from sanerf_hq.viewer.screen import Status
from sanerf_hq.viewer.session import Session
from sanerf_hq.viewer.state import Part

Look = Callable[[ProgressCallback], Mapping[str, Sequence[Prompt]]]


class FindPanel:
    """Starts looking; what is found joins the session's objects."""

    def __init__(self, gui: viser.GuiApi, session: Session) -> None:
        self._session = session
        gui.add_button(
            "Find all things", hint="Clicks all over some views; what several of them agree upon is a thing"
        ).on_click(lambda _: self._everything())
        self._words = gui.add_text("Words", "", hint="Such as: a gold cape")
        gui.add_button("Find by words", hint="Needs the weights of grounding_dino").on_click(
            lambda _: self._by_words()
        )

    def _everything(self) -> None:
        session = self._session
        self._look("all things", lambda told: session.workshop.everything(session.segmenter, told))

    def _by_words(self) -> None:
        words = self._words.value.strip()
        try:
            caption(words)
        except InputError as error:  # before what is under way is stopped for it
            self._session.screen.status(Status(str(error), is_error=True))
            return
        self._look(words, lambda told: self._session.workshop.by_words(words, told))

    def _look(self, what: str, look: Look) -> None:
        scene = self._session.workshop.home.scene

        def found(told: ProgressCallback) -> dict[str, Part]:
            return {name: part_of(prompts, scene) for name, prompts in look(told).items()}

        self._session.look_for(what, found)
