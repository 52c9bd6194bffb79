"""Scoring: every test view rendered once, for colour and for all objects together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

from sanerf_hq.evaluate.metrics import Confusion, Overlap, PixelError, psnr
from sanerf_hq.evaluate.pictures import ObjectPictures, RenderView, ScenePictures, draw_object_view
from sanerf_hq.geometry import Camera
from sanerf_hq.masks import RLE
from sanerf_hq.masks.rle import decode, encode
from sanerf_hq.objects import MovingObject, ObjectField, Preview, fill_holes, object_view
from sanerf_hq.radiance import RadianceField, SurfaceSamples
from sanerf_hq.runs import Progress, ProgressCallback, quiet
from sanerf_hq.scene import SceneObject, has_truth, instance_mask, object_pixels, read_image, read_mask

T = TypeVar("T")

PICTURES_AN_OBJECT = 3
PICTURES_A_SCENE = 4


@dataclass(frozen=True)
class Candidate:
    """An object that is to be scored.

    Attributes:
        target: The scene's object.
        field: What was made of it; None where nothing came out, which counts as an empty mask.
        alone: The segmenter's own masks of the test photos by view, or None if it was not asked.
        seen: Test views in which a positive point is visible.
        channels: Identities of the field that make up the object, from 1; None: all of them.
        preview: What was shown of it first; None if that was not asked for or nothing came out.
    """

    target: SceneObject
    field: ObjectField | MovingObject | None
    alone: dict[str, RLE] | None = None
    seen: frozenset[str] = frozenset()
    channels: tuple[int, ...] | None = None
    preview: Preview | None = None

    def mask(self, surfaces: SurfaceSamples, camera: Camera) -> Bool[Tensor, "h w"]:
        """Its pixels in a view of which the surface samples are known."""
        if isinstance(self.field, MovingObject):
            still = self.field.at(camera.time)
            names = () if still is None else still.names
            logits = torch.zeros(len(surfaces), 1) if still is None else still.logits_of(surfaces)
            found = self.field.numbered(names, object_view(logits, camera).logits)
        elif self.field is not None:
            found = object_view(self.field.logits_of(surfaces), camera)
        else:
            return torch.zeros(camera.height, camera.width, dtype=torch.bool)
        return found.mask if self.channels is None else torch.isin(found.labels, torch.tensor(self.channels))


@dataclass(frozen=True)
class ObjectScore:
    """What one object's views counted.

    Attributes:
        mask: Of the 3D mask.
        alone: Of the segmenter on the test photos; None if it was not asked.
        prompted: The same in views that see a positive point; None if it was not asked.
        preview: IoU of what was shown first; None if there was no such thing.
        pictures: Some of the views.
    """

    mask: Confusion
    alone: Confusion | None
    prompted: Confusion | None
    preview: float | None
    pictures: ObjectPictures


@dataclass(frozen=True)
class Scores:
    """What the test views of a scene came to.

    Attributes:
        psnr: Mean over the views, dB; None where none has a pixel to score.
        psnr_object: Over the pixels that the truth gives to any object.
        objects: In the order given, those that any test view has truth for.
        pictures: Some photos beside their renders.
    """

    psnr: float | None
    psnr_object: float | None
    objects: tuple[ObjectScore, ...]
    pictures: ScenePictures


@dataclass
class _Tally:
    mask: Confusion = field(default_factory=Confusion)
    alone: Confusion = field(default_factory=Confusion)
    prompted: Confusion = field(default_factory=Confusion)
    preview: Overlap = field(default_factory=Overlap)
    kept: dict[str, RLE] = field(default_factory=dict)


def score_views(
    radiance: RadianceField, candidates: Sequence[Candidate] = (), progress: ProgressCallback = quiet
) -> Scores:
    """Score a field, and objects in it, in the test views of its scene; at a moment, in those of the moment.

    Masks and colours are compared at the size that the field was trained at.

    Args:
        radiance: A field at home.
        candidates: Objects; those of a view without truth are not scored there.
        progress: Told after each view; may raise Cancelled.
    """
    home = radiance.at_home()
    views = [view for view in home.scene.test_views if radiance.is_at(view.camera.time)]
    values: list[float] = []
    on_objects = PixelError()
    renders: dict[str, tuple[UInt8[Tensor, "h w 3"], float | None]] = {}
    tallies = [_Tally() for _ in candidates]
    shown = {view.name for view in _spread(list(views), PICTURES_A_SCENE)}
    for done, view in enumerate(views, 1):
        camera = home.sized(view)
        seen, surfaces = radiance.render_surfaces(camera)
        photo, usable = read_image(view, camera.width), read_mask(view, camera.width)
        rgb = seen.rgb.clamp(0, 1)
        score = psnr(rgb, photo, usable) if bool(usable.any()) else None
        if score is not None:
            values.append(score)
        if has_truth(view):
            on_objects = on_objects.add(rgb, photo, object_pixels(view, camera.width) & usable)
            for candidate, tally in zip(candidates, tallies, strict=True):
                if not has_truth(view, candidate.target.id):
                    continue  # the object has test views of its own, and this is none of them
                truth = instance_mask(view, candidate.target.id, camera.width)
                _count(tally, candidate, view.name, candidate.mask(surfaces, camera), truth)
                if candidate.preview is not None and candidate.preview.radiance.is_at(camera.time):
                    won = candidate.preview.probabilities_of(surfaces).argmax(-1).view(truth.shape)
                    first = fill_holes(won.cpu()) > 0
                    tally.preview += Overlap(int((first & truth).sum()), int((first | truth).sum()))
        if view.name in shown:
            renders[view.name] = (rgb * 255).round().to(torch.uint8), score
        progress(Progress("test views", done, len(views)))
    pictures = ScenePictures(
        home.scene.name,
        tuple(
            RenderView(view.name, read_image(view, home.sized(view).width), *renders[view.name])
            for view in views
            if view.name in renders
        ),
    )
    objects = tuple(
        _finished(radiance, candidate, tally)
        for candidate, tally in zip(candidates, tallies, strict=True)
        if tally.mask.views
    )
    mean = sum(values) / len(values) if values else None
    return Scores(mean, on_objects.psnr, objects, pictures)


def _count(
    tally: _Tally, candidate: Candidate, view: str, mask: Bool[Tensor, "h w"], truth: Bool[Tensor, "h w"]
) -> None:
    tally.mask = tally.mask.add(mask, truth)
    tally.kept[view] = encode(mask)
    if candidate.alone is not None:
        alone = decode(candidate.alone[view])
        tally.alone = tally.alone.add(alone, truth)
        if view in candidate.seen:
            tally.prompted = tally.prompted.add(alone, truth)


def _finished(radiance: RadianceField, candidate: Candidate, tally: _Tally) -> ObjectScore:
    """Scores with pictures of the worst, a middling and the best view."""
    home = radiance.at_home()
    scored = [
        (counts.region.iou, name)
        for name, counts in zip(tally.kept, tally.mask.views, strict=True)
        if counts.region.iou is not None
    ]
    names = [name for _, name in sorted(scored, key=lambda item: item[0])] or list(tally.kept)
    rows = []
    for name in _spread(names, PICTURES_AN_OBJECT):
        view = home.scene.view(name)
        width = home.sized(view).width
        truth = instance_mask(view, candidate.target.id, width)
        alone = None if candidate.alone is None else decode(candidate.alone[name])
        rows.append(draw_object_view(name, read_image(view, width), decode(tally.kept[name]), truth, alone))
    asked = candidate.alone is not None
    return ObjectScore(
        tally.mask,
        tally.alone if asked else None,
        tally.prompted if asked and tally.prompted.views else None,
        tally.preview.iou if candidate.preview is not None else None,
        ObjectPictures(home.scene.name, candidate.target.name, tuple(rows)),
    )


def _spread(items: list[T], n: int) -> list[T]:
    """At most ``n`` items, first and last among them, evenly spaced."""
    if len(items) <= n:
        return items
    return [items[round(index * (len(items) - 1) / (n - 1))] for index in range(n)]
