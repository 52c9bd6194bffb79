"""How masks of the views are found, and by which means they are weighed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sanerf_hq.errors import InputError
from sanerf_hq.masks.pictures import SegmentOn


@dataclass(frozen=True)
class DecodeConfig:
    """How masks of the views are found."""

    segment_on: SegmentOn = "photo"
    """What the segmenter is shown at training views: the photo, or (as in the paper) the field's render."""
    visible: Literal["one", "most"] = "one"
    """Points that must be visible for a view to be prompted: one positive point; or, as in the authors'
    release, as many as a 3D prompt says, floor(0.8 n) + 1 of all n where it says nothing, and those that it
    calls crucial."""
    spread: bool = True
    """Whether what is known of the object in 3D prompts views that see none of the user's points."""
    preview_views: int = 12
    """Views that are decoded before the preview is shown."""
    weigh: bool = True
    """Whether views count by predicted IoU, stability, answered share of the prompt, and agreement."""
    reject: bool = True
    """Whether a mask that disagrees with what the other views say is left out."""
    choose: bool = True
    """Whether agreement in 3D chooses among a view's masks; else the segmenter's best score does."""
    rounds: int = 2
    """Rounds, at most, of prompting rejected and missed views again from the 3D mask."""
    again: int = 1
    """Rounds, after these, of prompting views that differ from the 3D mask with it as a mask prompt."""
    creases: bool = True
    """Whether views are asked again for the 3D mask evened out over surfaces that no crease parts."""

    def __post_init__(self) -> None:
        if self.preview_views < 1:
            raise InputError(f"preview_views must be at least 1, got {self.preview_views}; choose more")
        if not 0 <= self.rounds <= 2:
            raise InputError(f"rounds must be 0, 1 or 2, got {self.rounds}; choose one of these")
        if not 0 <= self.again <= 4:
            raise InputError(f"again must be 0 to 4, got {self.again}; choose one of these")


DECODE_PRESETS: dict[str, DecodeConfig] = {
    "draft": DecodeConfig(),
    "standard": DecodeConfig(),
    "paper": DecodeConfig(
        segment_on="render",
        visible="most",
        spread=False,
        weigh=False,
        reject=False,
        choose=False,
        rounds=0,
        again=0,
        creases=False,
    ),
}
