"""MaskSet: what is labelled in which view. Sparse: a view without a segment is unlabelled, not background."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.masks.rle import RLE, decode, encode
from sanerf_hq.runs import DamagedFile, read_json, write_text

FILE = "masks.json"
FORMAT = 1
EXACT = 0.98  # median score of labels that agree in space

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Segment:
    """One object's mask in one view.

    Attributes:
        view: Name of the view.
        mask: Its pixels, at the size that was worked at; may be empty.
        identity: Which object, from 1.
        score: How far it is trusted, in [0, 1].
        source: Where it comes from: user, projected, spread, repeated, corrected, labels or altered.
    """

    view: str
    mask: RLE
    identity: int = 1
    score: float = 1.0
    source: str = "user"


@dataclass(frozen=True)
class Labelling:
    """What masks say of a view.

    Attributes:
        possible: What each pixel may be, channel 0 = background.
        trust: How far that counts, in [0, 1].
    """

    possible: Bool[Tensor, "n_logits h w"]
    trust: Float[Tensor, "h w"]


@dataclass(frozen=True)
class MaskSet:
    """Segments of objects in training views.

    Where a view has a segment of an identity, pixels outside it are not that identity; of an identity without
    a segment the view says nothing. So a pixel's label is the set of identities that it may be.

    Attributes:
        names: Of the objects; identity i is ``names[i - 1]``.
        segments: At most one for each view and identity.
        segmenter: Name of what made them.
        seeds: Points on each object's surface that the user vouched for, in the scene's coordinates; () where
            none is known.
    """

    names: tuple[str, ...]
    segments: tuple[Segment, ...]
    segmenter: str
    seeds: tuple[tuple[Point, ...], ...] = ()

    def __post_init__(self) -> None:
        if not self.seeds:
            object.__setattr__(self, "seeds", ((),) * len(self.names))

    @property
    def views(self) -> tuple[str, ...]:
        """Views that are labelled, in the order of their first segment."""
        return tuple(dict.fromkeys(segment.view for segment in self.segments))

    @property
    def are_exact(self) -> bool:
        """Whether they are labels of the user's that agree in space: their outlines hold to the pixel.

        A segmenter's masks never count as exact, be they trusted as they may: not weighed, all have score 1.
        """
        scores = [segment.score for segment in self.segments]
        labels = all(segment.source == "labels" for segment in self.segments)
        return labels and median(scores or [0.0]) >= EXACT

    def mask(self, view: str, identity: int = 1) -> Bool[Tensor, "h w"] | None:
        """An object's pixels in a view; None where the view says nothing of it."""
        for segment in self.segments:
            if segment.view == view and segment.identity == identity:
                return decode(segment.mask)
        return None

    def labelling(self, view: str) -> Labelling | None:
        """What each pixel may be and how far that is trusted; None where the view is unlabelled.

        Under one segment a pixel is that identity, under several one of them; elsewhere it is background or
        an identity that has no segment here. Under segments the best of their scores counts, elsewhere the
        mean of all in the view.
        """
        here = [segment for segment in self.segments if segment.view == view]
        if not here:
            return None
        planes = torch.stack([decode(segment.mask) for segment in here])
        scores = torch.tensor([segment.score for segment in here])
        free = ~planes.any(0)
        place = {segment.identity: row for row, segment in enumerate(here)}
        identities = range(1, len(self.names) + 1)
        may_be = [planes[place[identity]] if identity in place else free for identity in identities]
        trust = (planes * scores[:, None, None]).amax(0)
        return Labelling(torch.stack([free, *may_be]), torch.where(free, scores.mean(), trust))

    @property
    def digest(self) -> str:
        """Stands for all that the set holds."""
        return hashlib.blake2b(_written(self).encode(), digest_size=16).hexdigest()

    def check_new(self, names: Iterable[str]) -> None:
        """Refuse names of objects that are there.

        Raises:
            InputError: One is.
        """
        shared = set(self.names) & set(names)
        if shared:
            raise InputError(f"there is an object {min(shared)!r} already; choose another name")

    def joined(self, other: MaskSet) -> MaskSet:
        """The objects of both, the other's after this one's.

        Raises:
            InputError: They share a name.
        """
        self.check_new(other.names)
        moved = tuple(replace(one, identity=one.identity + len(self.names)) for one in other.segments)
        makers = dict.fromkeys([*self.segmenter.split(", "), other.segmenter])
        return MaskSet(
            self.names + other.names, self.segments + moved, ", ".join(makers), self.seeds + other.seeds
        )

    def without(self, names: Collection[str]) -> MaskSet:
        """The objects of other names."""
        kept = [number for number, name in enumerate(self.names, 1) if name not in names]
        place = {number: new for new, number in enumerate(kept, 1)}
        segments = tuple(
            replace(one, identity=place[one.identity]) for one in self.segments if one.identity in place
        )
        seeds = tuple(self.seeds[number - 1] for number in kept)
        return MaskSet(tuple(self.names[number - 1] for number in kept), segments, self.segmenter, seeds)

    @staticmethod
    def of_masks(name: str, masks: Sequence[tuple[str, Bool[Tensor, "h w"]]], segmenter: str) -> MaskSet:
        """One object's masks by view."""
        segments = tuple(Segment(view, encode(mask), source="labels") for view, mask in masks)
        return MaskSet((name,), segments, segmenter)


def save_masks(masks: MaskSet, folder: Path) -> None:
    """Write ``masks.json`` into a folder: run lengths as in COCO's uncompressed RLE."""
    write_text(folder / FILE, _written(masks) + "\n")


def _written(masks: MaskSet) -> str:
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
        "seeds": [[list(point) for point in points] for points in masks.seeds],
        "segments": segments,
    }
    return json.dumps(content, ensure_ascii=False)


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
        names = tuple(str(name) for name in content["names"])
        seeds = tuple(
            tuple((float(x), float(y), float(z)) for x, y, z in points) for points in content.get("seeds", [])
        )
        if len(seeds) not in (0, len(names)):
            raise ValueError(f"seeds of {len(seeds)} objects")
        return MaskSet(names, segments, str(content["segmenter"]), seeds)
    except (KeyError, ValueError, TypeError, IndexError, OverflowError) as error:
        raise DamagedFile(f"{path} holds no masks of this version; segment again with --replace") from error
