"""Masks of the user's own, from any tool: labels of views, instead of a model that is prompted."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from unicodedata import normalize

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sanerf_hq.errors import InputError, NothingHit
from sanerf_hq.scene import Scene, View, read_instances

WHITE, DEEP_WHITE = 255, 65535  # of 8 and of 16 bit
SOFT_VALUES = 16  # an image of more greys than this, nearly all of it black or white, may be a soft mask
SOFT_SHARE = 0.9
SOFT_ENDS = 0.1  # of an image's largest value: how far from it, and from 0, white and black reach
FAINT = 0.25  # of white: where a soft mask gets no brighter than this, nothing is masked
ALIKE = 2.5  # neighbours of four: a square of three has 2.7 a pixel, the greys along a straight edge 2
MOST_KEPT = 1 << 28  # bytes of labels that were read, packed
MOST_LABELS = 100  # of single pixels; beyond that, an image is a photo or some other picture

Answer = Callable[[View, Int64[Tensor, "h w"], int], Bool[Tensor, "h w"] | None]


@dataclass(frozen=True)
class Packed:
    """Labels as they are kept: their regions take a hundredth of their pixels or less.

    Attributes:
        shape: Height and width.
        kind: NumPy's name of the integers.
        content: Their bytes, compressed.
        stamp: Of the file that they were read from.
    """

    shape: tuple[int, int]
    kind: str
    content: bytes
    stamp: tuple[int, int] | None

    @staticmethod
    def of(labels: Int64[Tensor, "h w"], stamp: tuple[int, int] | None) -> Packed:
        """Labels, packed."""
        height, width = labels.shape
        kind = np.min_scalar_type(int(labels.max()))
        content = zlib.compress(labels.numpy().astype(kind).tobytes(), 1)
        return Packed((height, width), kind.str, content, stamp)

    def labels(self) -> Int64[Tensor, "h w"]:
        """The same labels again."""
        values = np.frombuffer(zlib.decompress(self.content), self.kind)
        return torch.from_numpy(values.reshape(self.shape).astype(np.int64))


@dataclass(frozen=True)
class MaskFolder:
    """Label images of a scene's training views. No segmenter: prompts only say which label is meant.

    Attributes:
        name: As given by ``--segmenter``, fit for a table.
        paths: Label image of each view that has one, by the view's name.
        answer: From a view, its labels and an identity to the mask that is handed out, or None for no mask;
            None answers with the very labels.
        kept: Labels that were read, by view, for the next object; read anew where the file is another.
    """

    name: str
    paths: Mapping[str, Path]
    answer: Answer | None = None
    kept: dict[str, Packed] = field(default_factory=dict, repr=False, compare=False)

    def labels(self, view: View) -> Int64[Tensor, "h w"] | None:
        """The identity of every pixel, 0 = background; None for a view without a file: it is unlabelled.

        Identities are the values in the file. A black and white mask is an image of one identity, 255 (or 1,
        if it is of one bit); the greys of a mask with soft edges are set to black or white, which is 255 at
        any depth and whatever the brightest of them is.

        Raises:
            InputError: The file is damaged, of another shape than the photo, or no image of integers.
        """
        path = self.paths.get(view.name)
        if path is None:
            return None
        kept, stamp = self.kept.get(view.name), _stamp(path)
        if kept is None or kept.stamp != stamp:
            kept = Packed.of(_read(view, path), stamp)
            if sum(len(one.content) for one in self.kept.values()) < MOST_KEPT:
                self.kept[view.name] = kept
        return kept.labels()

    def mask(self, view: View, identity: int) -> Bool[Tensor, "h w"] | None:
        """The pixels of an identity; None for a view that is unlabelled.

        Raises:
            InputError: As for :meth:`labels`.
        """
        labels = self.labels(view)
        if labels is None:
            return None
        return labels == identity if self.answer is None else self.answer(view, labels, identity)

    def identify(
        self, view: View, positive: Float[Tensor, "n 2"], box: Float[Tensor, "4"] | None = None
    ) -> int:
        """The identity that prompts in a view mean.

        Args:
            view: The view that the prompts are given in.
            positive: Clicks on the object, XY pixels; the identity that most of them hit is meant.
            box: x0, y0, x1, y1 in pixels; without clicks, the commonest identity in it is meant.

        Raises:
            InputError: The view has no file.
            NothingHit: The prompts hit only background.
        """
        labels = self.labels(view)
        if labels is None:
            raise InputError(
                f"segmenter {self.name} has no mask of view {view.name}; "
                "prompt in a training view that has one"
            )
        hit, what = _under(labels, positive), "clicks"
        if not len(positive) and box is not None:
            hit, what = _inside(labels, box), "box"
        hit = hit[hit > 0]
        if not len(hit):
            raise NothingHit(
                f"the {what} in view {view.name} hit only background of {self.paths[view.name]}; "
                "click on an object that is masked there"
            )
        counts = torch.bincount(hit)
        first = next(value for value in hit.tolist() if counts[value] == counts.max())
        return int(first)


def load_mask_folder(folder: Path, scene: Scene) -> MaskFolder:
    """``masks:DIR``: PNG images named after the training views of a scene.

    Of view ``images/left/07.jpg`` the mask is ``images/left/07.jpg.png``, ``images/left/07.png``, or, where
    no other view is called so, ``07.jpg.png`` or ``07.png``: the first of them that is there. ``.PNG`` will
    do, and so will letters with accents that are composed otherwise than in the view's name.

    Raises:
        InputError: The folder is missing, or holds no mask of any training view.
    """
    name = f"masks:{folder}"
    if not folder.is_dir():
        raise InputError(f"segmenter {name}: {folder} is no folder; check the path")
    stems = [view.stem for view in scene.views]
    paths: dict[str, Path] = {}
    for view in scene.train_views:
        relative = PurePosixPath(view.name)
        candidates = [f"{relative}.png", str(relative.with_suffix(".png"))]
        if stems.count(view.stem) == 1:
            candidates += [f"{relative.name}.png", f"{view.stem}.png"]
        spelled = [folder / spelling for file in candidates for spelling in _spellings(file)]
        found = next((path for path in spelled if path.is_file()), None)
        if found is not None:
            paths[view.name] = found
    if not paths:
        view = scene.train_views[0] if scene.train_views else None
        example = f"such as {view.name}.png" if view else "of which the scene has none"
        raise InputError(
            f"segmenter {name}: {folder} holds no mask of any training view, {example}; "
            "name each file after its view"
        )
    return MaskFolder(name, paths)


def truth(scene: Scene) -> MaskFolder:
    """``truth``: the instance images of a scene's training views, for measuring what follows the segmenter.

    Raises:
        InputError: The scene has none.
    """
    paths = {view.name: view.instance_path for view in scene.train_views if view.instance_path is not None}
    if not paths:
        raise InputError(
            f"segmenter truth: {scene.root} has no instance_path at its training views; "
            "choose another segmenter"
        )
    return MaskFolder("truth", paths)


def _spellings(file: str) -> list[str]:
    """A file's name as one system or another may have written it."""
    names = [file, *(normalize(form, file) for form in ("NFC", "NFD"))]
    return [
        name.removesuffix(".png") + suffix for name in dict.fromkeys(names) for suffix in (".png", ".PNG")
    ]


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes when a file is written anew; None if it is not there."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size


def _read(view: View, path: Path) -> Int64[Tensor, "h w"]:
    values = read_instances(replace(view, instance_path=path))
    distinct = _distinct(values)
    if distinct.tolist() in ([0, DEEP_WHITE], [DEEP_WHITE]) or _is_soft(values, distinct):
        return _hardened(values)
    if len(distinct) > MOST_LABELS and _scattered(values, values > 0):
        raise InputError(
            f"{path} has {len(distinct)} greys and is neither a mask nor an image of labels; "
            "save one value an object, 0 elsewhere"
        )
    return values


def _distinct(values: Int64[Tensor, "h w"]) -> Int64[Tensor, "n"]:
    """The values of an image in rising order: counted, which is much faster than sorting, if it can be."""
    if int(values.max()) > DEEP_WHITE:
        return values.unique()
    return values.flatten().bincount().nonzero()[:, 0]


def _is_soft(values: Int64[Tensor, "h w"], distinct: Int64[Tensor, "n"]) -> bool:
    """Whether the greys of an image are edges between black and white, not labels of regions."""
    if len(distinct) <= SOFT_VALUES:
        return False
    brightest = int(distinct[-1])
    between = (values > SOFT_ENDS * brightest) & (values < (1 - SOFT_ENDS) * brightest)
    if _is_faint(brightest) or not bool(between.any()):
        return _scattered(values, (values > 0) & (values < brightest))
    return float(between.float().mean()) <= 1 - SOFT_SHARE and _scattered(values, between)


def _scattered(values: Int64[Tensor, "h w"], where: Bool[Tensor, "h w"]) -> bool:
    """Whether these pixels are no regions: fewer neighbours have their value than in a square of three."""
    alike = torch.zeros_like(values)
    across, down = (values.diff(dim=axis) == 0 for axis in (1, 0))
    alike[:, 1:] += across
    alike[:, :-1] += across
    alike[1:] += down
    alike[:-1] += down
    return int(alike[where].sum()) < ALIKE * int(where.sum())


def _hardened(values: Int64[Tensor, "h w"]) -> Int64[Tensor, "h w"]:
    """Black and white. Between them is half of the image's own white, for not all tools write 255."""
    brightest = int(values.max())
    return torch.zeros_like(values) if _is_faint(brightest) else torch.where(2 * values > brightest, WHITE, 0)


def _is_faint(brightest: int) -> bool:
    return brightest < FAINT * (WHITE if brightest <= WHITE else DEEP_WHITE)


def _under(labels: Int64[Tensor, "h w"], points: Float[Tensor, "n 2"]) -> Int64[Tensor, "m"]:
    height, width = labels.shape
    inside = ((points >= 0) & (points < points.new_tensor([width, height]))).all(-1)
    x, y = points[inside].long().unbind(-1)
    return labels[y, x]


def _inside(labels: Int64[Tensor, "h w"], box: Float[Tensor, "4"]) -> Int64[Tensor, "m"]:
    x0, y0, x1, y1 = (max(0, round(value)) for value in box.tolist())
    return labels[y0:y1, x0:x1].flatten()
