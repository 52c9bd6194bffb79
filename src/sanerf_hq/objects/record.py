"""Record: how a segmentation was asked for, kept beside its masks and fields as ``prompts.json``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sanerf_hq.errors import InputError
from sanerf_hq.prompts import Prompt, write_prompts
from sanerf_hq.runs import SegmentationFolder, read_json, write_json

Recording = Callable[[SegmentationFolder, tuple[str, ...]], None]
"""Given a segmentation that is trained but not yet in its place, and the names of its objects: what is
written into its folder appears together with it."""


@dataclass(frozen=True)
class Record:
    """How a segmentation was asked for.

    Attributes:
        prompts: Of each object.
        segmenter: What found the masks.
        preset: What decided on sizes.
        segment_on: What views were shown to the segmenter as; None: as the preset has it.
        time: In a scene that moves, when prompts are meant that have no time of their own.
        text: Words that were looked for.
        everything: Whether all things were looked for.
    """

    prompts: Mapping[str, Sequence[Prompt]]
    segmenter: str
    preset: str
    segment_on: Literal["photo", "render"] | None = None
    time: float | None = None
    text: str | None = None
    everything: bool = False


def write_record(
    record: Record, folder: SegmentationFolder, names: tuple[str, ...], more: Mapping[str, Any] | None = None
) -> None:
    """Keep a record in a segmentation's folder, and the names of its objects; ``more`` is kept beside it."""
    content = {
        "objects": write_prompts(record.prompts),
        "text": record.text,
        "time": record.time,
        "everything": record.everything,
        "segmenter": record.segmenter,
        "segment_on": record.segment_on,
        "preset": record.preset,
    }
    write_json(folder.prompts, content | dict(more or {}))
    write_json(folder.identities, {"identities": list(names)})


def recorded_names(folder: SegmentationFolder) -> tuple[str, ...]:
    """Names of the objects of a segmentation, as far as its record says."""
    try:
        known = read_json(folder.identities).get("identities")
    except InputError:  # none was kept, or it is damaged
        return ()
    return tuple(str(one) for one in known) if isinstance(known, list) else ()


def no_record(folder: SegmentationFolder, names: tuple[str, ...]) -> None:
    """Nothing is written."""
