"""MaskSet: what is labelled in which view. Sparse: a view without a segment is unlabelled, not background."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from sanerf_hq.masks.rle import RLE, decode, encode
from sanerf_hq.runs import DamagedFile, read_json, write_text

FILE = "masks.json"
FORMAT = 1


@dataclass(frozen=True)
class Segment:
    """One object's mask in one view.

    Attributes:
        view: Name of the view.
        mask: Its pixels, at the size that was worked at; may be empty.
        identity: Which object, from 1.
        score: How far it is trusted, in [0, 1].
        source: Where it comes from: user, projected, spread or labels.
    """

    view: str
    mask: RLE
    identity: int = 1
    score: float = 1.0
    source: str = "user"


@dataclass(frozen=True)
class MaskSet:
    """Segments of objects in training views.

    In a view that has a segment, pixels outside all its segments are background; every other view says
    nothing at all.

    Attributes:
        names: Of the objects; identity i is ``names[i - 1]``.
        segments: At most one for each view and identity.
        segmenter: Name of what made them.
    """

    names: tuple[str, ...]
    segments: tuple[Segment, ...]
    segmenter: str

    @property
    def views(self) -> tuple[str, ...]:
        """Views that are labelled, in the order of their first segment."""
        return tuple(dict.fromkeys(segment.view for segment in self.segments))

    def mask(self, view: str, identity: int = 1) -> Bool[Tensor, "h w"] | None:
        """An object's pixels in a view; None where the view is unlabelled."""
        here = [segment for segment in self.segments if segment.view == view]
        for segment in here:
            if segment.identity == identity:
                return decode(segment.mask)
        return torch.zeros(here[0].mask.height, here[0].mask.width, dtype=torch.bool) if here else None

    def labels(self, view: str) -> Int64[Tensor, "h w"] | None:
        """The identity of each pixel, 0 = background; None where the view is unlabelled."""
        found: Tensor | None = None
        for segment in self.segments:
            if segment.view == view:
                mask = decode(segment.mask)
                found = torch.zeros(mask.shape, dtype=torch.int64) if found is None else found
                found[mask] = segment.identity
        return found

    @staticmethod
    def of_masks(name: str, masks: Sequence[tuple[str, Bool[Tensor, "h w"]]], segmenter: str) -> MaskSet:
        """One object's masks by view."""
        segments = tuple(Segment(view, encode(mask), source="labels") for view, mask in masks)
        return MaskSet((name,), segments, segmenter)


def save_masks(masks: MaskSet, folder: Path) -> None:
    """Write ``masks.json`` into a folder: run lengths as in COCO's uncompressed RLE."""
    segments = [
        {
            "view": segment.view,
            "identity": segment.identity,
            "score": segment.score,
            "source": segment.source,
            "size": [segment.mask.height, segment.mask.width],
            "counts": list(segment.mask.counts),
        }
        for segment in masks.segments
    ]
    content = {
        "format": FORMAT,
        "names": list(masks.names),
        "segmenter": masks.segmenter,
        "segments": segments,
    }
    write_text(folder / FILE, json.dumps(content, ensure_ascii=False) + "\n")


def load_masks(folder: Path) -> MaskSet:
    """The inverse of :func:`save_masks`.

    Raises:
        InputError: The file is missing.
        DamagedFile: It is damaged or of another version.
    """
    path = folder / FILE
    content = read_json(path)
    try:
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}")
        segments = tuple(
            Segment(
                str(entry["view"]),
                RLE(int(entry["size"][0]), int(entry["size"][1]), tuple(int(n) for n in entry["counts"])),
                int(entry["identity"]),
                float(entry["score"]),
                str(entry["source"]),
            )
            for entry in content["segments"]
        )
        return MaskSet(tuple(str(name) for name in content["names"]), segments, str(content["segmenter"]))
    except (KeyError, ValueError, TypeError, IndexError, OverflowError) as error:
        raise DamagedFile(f"{path} holds no masks of this version; segment again") from error
