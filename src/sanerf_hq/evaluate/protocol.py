"""Protocol: a scene trained, each of its objects prompted and segmented, everything scored (method.md §6).

Test views are those that the scene's file names; it should prompt in none of them. They are held out of the
radiance field's training and of the masks.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.evaluate.held import Held, find_held
from sanerf_hq.evaluate.pictures import ObjectPictures, ScenePictures
from sanerf_hq.evaluate.results import ObjectResult, SceneResult
from sanerf_hq.evaluate.score import Candidate, ObjectScore, score_views
from sanerf_hq.geometry import Camera
from sanerf_hq.masks import DECODE_PRESETS, MaskSet, Pictures
from sanerf_hq.masks.interior import MARGIN_PIXELS, interior
from sanerf_hq.masks.rle import RLE, encode
from sanerf_hq.objects import (
    OBJECT_PRESETS,
    Preview,
    segment_moving,
    segment_objects,
)
from sanerf_hq.prompts import (
    BoxPrompt,
    Cloud,
    PointPrompt,
    SpacePrompt,
    cloud_of,
    marks_of,
    sightings,
)
from sanerf_hq.radiance import PRESETS, RadianceField, ViewSamples, load_view_samples, train_radiance_field
from sanerf_hq.radiance.train import STAGE as RADIANCE_STAGE
from sanerf_hq.runs import Progress, ProgressCallback, peak_memory_mb, quiet, reset_peak_memory
from sanerf_hq.scene import PhotoSize, Scene, SceneObject, SceneOptions, load_scene, read_image
from sanerf_hq.segmenters import DecoderPrompt, MaskFolder, Segmenter, load_segmenter

Preset = Literal["draft", "standard", "paper"]
MOST_HELD = 2000  # pixels of what a box holds that are carried to test views
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Protocol:
    """How scenes are measured.

    Attributes:
        preset: Settings of all stages.
        segmenter: What answers prompts, as ``--segmenter`` has it.
        clicks: Positive clicks an object; None prompts with its box.
        seed: Where all chance comes from.
        width: Width that photos and truth are scaled to; None: their own.
        device: Where to compute.
        objects: Names of the objects that are segmented; None: all of the scene.
        opening: How scenes are opened: format, split, folders of photos and truth; None: as they are found.
    """

    preset: Preset = "standard"
    segmenter: str = "grabcut"
    clicks: int | None = 3
    seed: int = 0
    width: int | None = None
    device: str = "cpu"
    objects: tuple[str, ...] | None = None
    opening: SceneOptions | None = None


@dataclass(frozen=True)
class SceneBench:
    """What one scene came to.

    Attributes:
        result: Its numbers.
        objects: Strips of pictures.
        scene: Photos beside renders.
    """

    result: SceneResult
    objects: tuple[ObjectPictures, ...]
    scene: ScenePictures


def bench_scene(
    path: Path, folder: Path, protocol: Protocol, progress: ProgressCallback = quiet
) -> SceneBench:
    """Train a scene (or take the run that is there), segment its objects, score its test views.

    Args:
        path: The scene, a folder or file as for ``load_scene``.
        folder: The scene's run, made or used again.
        protocol: How.
        progress: Told of the progress; may raise Cancelled.

    Raises:
        InputError: The scene or the segmenter is damaged or missing, or an object lacks the prompts
            asked for.
    """
    reset_peak_memory()
    scene = load_scene(path, protocol.opening)
    targets = targets_of(scene, protocol)
    segmenter = load_segmenter(protocol.segmenter, scene, protocol.device) if targets else None
    config = PRESETS[protocol.preset]
    field = train_radiance_field(
        scene,
        folder,
        config,
        protocol.seed,
        PhotoSize(protocol.width),
        protocol.device,
        progress,
        replace_other=True,  # runs of a benchmark are its own
    )
    pool = load_view_samples(field, progress)
    made = [_segment(field, segmenter, target, protocol, pool, progress) for target in targets if segmenter]
    scores = score_views(field, [candidate for candidate, _ in made], progress)
    facts = field.at_home().run.stages()[RADIANCE_STAGE].facts
    peaks = [peak for peak in (peak_memory_mb(), facts.get("peak_memory_mb")) if peak is not None]
    scored = {item.pictures.name: item for item in scores.objects}
    result = SceneResult(
        scene.name,
        scores.psnr,
        scores.psnr_object,
        facts["train_seconds"],
        max(peaks, default=None),
        tuple(_result(scored.get(c.target.name), c.target.name, seconds) for c, seconds in made),
    )
    return SceneBench(result, tuple(item.pictures for item in scores.objects), scores.pictures)


@dataclass(frozen=True)
class RunScores:
    """What a run and its segmentations came to.

    Attributes:
        scene: The scores.
        segmenters: Names of those that the masks came from.
        scored: What each score is of, one for each object of the scene that a segmentation holds.
        others: The same objects in further segmentations, which are not scored.
        unread: Why segmentations could not be read: a sentence by name.
    """

    scene: SceneBench
    segmenters: str
    scored: tuple[Held, ...]
    others: tuple[Held, ...]
    unread: dict[str, str]


def score_run(field: RadianceField, progress: ProgressCallback = quiet) -> RunScores:
    """Score a run, and each object of its scene once: as the first that :func:`find_held` finds."""
    home = field.at_home()
    holdings = find_held(field)
    held = holdings.held
    first = {one.target.name: one for one in reversed(held)}
    chosen = tuple(one for one in held if one is first[one.target.name])
    used = sorted(frozenset().union(*(one.segmenters for one in chosen)))
    candidates = [Candidate(one.target, one.field, channels=one.channels) for one in chosen]
    scores = score_views(field, candidates, progress)
    facts = home.run.stages()[RADIANCE_STAGE].facts
    scored = {item.pictures.name: item for item in scores.objects}
    result = SceneResult(
        home.scene.name,
        scores.psnr,
        scores.psnr_object,
        facts.get("train_seconds"),
        facts.get("peak_memory_mb"),
        tuple(_result(scored.get(one.target.name), one.target.name, _Seconds()) for one in chosen),
    )
    scene = SceneBench(result, tuple(item.pictures for item in scores.objects), scores.pictures)
    others = tuple(one for one in held if one is not first[one.target.name])
    return RunScores(scene, ", ".join(used) or "none", chosen, others, holdings.unread)


def prompt_of(target: SceneObject, clicks: int | None) -> PointPrompt | BoxPrompt | SpacePrompt:
    """All of an object's points in space where it has any; else its first clicks, or its box.

    Raises:
        InputError: It has none.
    """
    if target.points:
        return SpacePrompt(target.points, target.negative_points, target.least_visible, target.crucial)
    if not target.prompt_view:
        raise InputError(f"object {target.name} has no prompt in scene.json; give it a click or a box there")
    if clicks is None:
        if target.box is None:
            raise InputError(f"object {target.name} has no box in scene.json; prompt with --clicks")
        return BoxPrompt(target.prompt_view, target.box)
    if not target.positive:
        raise InputError(f"object {target.name} has no positive click in scene.json; prompt with --box")
    return PointPrompt(target.prompt_view, target.positive[:clicks])


def targets_of(scene: Scene, protocol: Protocol) -> list[SceneObject]:
    """The objects of a scene that are segmented and scored.

    Raises:
        InputError: The scene lacks one that is asked for, or one lacks the prompts asked for.
    """
    known = {item.name: item for item in scene.objects}
    for name in protocol.objects or ():
        if name not in known:
            raise InputError(
                f"scene {scene.name} has no object {name!r}; it has {', '.join(known) or 'none'}"
            )
    targets = [known[name] for name in (known if protocol.objects is None else protocol.objects)]
    for target in targets:
        try:
            prompt_of(target, protocol.clicks)
        except InputError as error:
            raise InputError(f"scene {scene.name}: {error}") from error
    return targets


@dataclass(frozen=True)
class _Seconds:
    """From prompt given, embeddings and surface samples ready; None where it did not come to that."""

    preview: float | None = None
    refine: float | None = None


def _segment(
    field: RadianceField,
    segmenter: Segmenter | MaskFolder,
    target: SceneObject,
    protocol: Protocol,
    pool: ViewSamples,
    progress: ProgressCallback,
) -> tuple[Candidate, _Seconds]:
    """An object's field, trained anew so that its time is measured, and the seconds it took."""
    home = field.at_home()
    prompt = prompt_of(target, protocol.clicks)
    decoding = DECODE_PRESETS[protocol.preset]
    if not isinstance(segmenter, MaskFolder):
        pictures = Pictures(field, segmenter, decoding.segment_on)
        for done, view in enumerate(home.views, 1):
            pictures.of_view(view)
            progress(Progress("embeddings", done, len(home.views)))
    name = f"bench {target.name}"
    home.run.remove_segmentation(name)
    view = "" if isinstance(prompt, SpacePrompt) else prompt.view
    shown_in = next((n for n, one in enumerate(home.views) if one.name == view), 0)
    preview, shown = None, None
    started = time.monotonic()

    def show(first: Preview) -> None:
        nonlocal preview, shown
        if field.moments:
            first.render(home.cameras[shown_in])
        else:
            first.mask_in(pool, shown_in)
        preview, shown = first, time.monotonic() - started

    found, masks = None, None
    config = OBJECT_PRESETS[protocol.preset]
    asked = {target.name: prompt}
    try:
        if field.moments:
            moved = segment_moving(
                field, segmenter, asked, name, decoding, config, None, 0.0, pool, progress, show
            )
            found, masks = moved.object, moved.masks.get(_prompted_at(field, prompt).moment or 0.0)
        else:
            made = segment_objects(
                field, segmenter, asked, name, decoding, config, None, pool, progress, show
            )
            found, masks = made.field, made.masks
    except InputError as error:
        LOG.warning("%s: %s", target.name, error)
    seconds = _Seconds(shown, None if found is None else time.monotonic() - started)
    if isinstance(segmenter, MaskFolder):
        return Candidate(target, found, preview=preview), seconds
    alone, seen = masks_alone(_prompted_at(field, prompt), segmenter, prompt, masks)
    return Candidate(target, found, alone, seen, preview=preview), seconds


def masks_alone(
    field: RadianceField,
    segmenter: Segmenter,
    prompt: PointPrompt | BoxPrompt | SpacePrompt,
    masks: MaskSet | None,
) -> tuple[dict[str, RLE], frozenset[str]]:
    """The segmenter's masks of the test photos, the same prompts projected; and where one is visible.

    Where the scene moves, they are projected to photos of the prompt's own moment alone.
    """
    home = field.at_home()
    cameras = [home.sized(view) for view in home.scene.test_views]
    boxed = isinstance(prompt, BoxPrompt)
    try:
        cloud = _held_cloud(field, masks, prompt) if boxed else cloud_of(field, prompt)
    except InputError:  # it hits nothing, as whoever asked for its masks was told
        cloud = Cloud.join([])
    sighted = sightings(field, cameras, cloud.points)
    alone: dict[str, RLE] = {}
    seen = set()
    for view, camera, xy, visible in zip(
        home.scene.test_views, cameras, sighted.xy, sighted.visible, strict=True
    ):
        visible = visible & field.is_at(camera.time)
        points, labels = xy[visible], cloud.labels[visible]
        mask = torch.zeros(camera.height, camera.width, dtype=torch.bool)
        if bool((labels == 1).any()):
            seen.add(view.name)
            asked = DecoderPrompt(box=_box_round(points, camera)) if boxed else DecoderPrompt(points, labels)
            embedding = segmenter.embed(read_image(view, camera.width))
            mask = segmenter.decode(embedding, [asked])[0].mask_logits[0] > 0
        alone[view.name] = encode(mask)
    return alone, frozenset(seen)


def _prompted_at(field: RadianceField, prompt: PointPrompt | BoxPrompt | SpacePrompt) -> RadianceField:
    """The field at the moment of a prompt, where the scene moves."""
    if not field.moments:
        return field
    time: float | None = None
    if not isinstance(prompt, SpacePrompt) and isinstance(prompt.view, str):
        time = field.at_home().scene.view(prompt.view).camera.time
    return field.at(0.0 if time is None else time)


def _held_cloud(field: RadianceField, masks: MaskSet | None, prompt: BoxPrompt) -> Cloud:
    """What a box holds, in space: all that is well inside the mask found in its view."""
    marks = marks_of(field, prompt)
    mask = None if masks is None or marks.view is None else masks.mask(marks.view.name)
    if mask is None or not bool(mask.any()):
        return Cloud.join([])
    xy = interior(mask).nonzero().flip(-1).float() + 0.5
    xy = xy[:: 1 + len(xy) // MOST_HELD]
    points = marks.camera.unproject(xy, field.depth_at(marks.camera, xy))
    points = points[points.isfinite().all(-1)]
    return Cloud(points, torch.ones(len(points), dtype=torch.int64))


def _box_round(xy: Tensor, camera: Camera) -> Tensor:
    """The box round points, let out by what they keep away from the outline."""
    low, high = xy.amin(0) - MARGIN_PIXELS, xy.amax(0) + MARGIN_PIXELS
    size = torch.tensor([camera.width, camera.height], dtype=low.dtype)
    return torch.cat([low.clamp_min(0), torch.minimum(high, size)])


def _result(score: ObjectScore | None, name: str, seconds: _Seconds) -> ObjectResult:
    if score is None:  # no test view has truth
        return ObjectResult(name, seconds_preview=seconds.preview, seconds_refine=seconds.refine)
    return ObjectResult(
        name,
        iou=score.mask.iou,
        accuracy=score.mask.accuracy,
        boundary_iou=score.mask.boundary_iou,
        boundary_iou_3px=score.mask.boundary_iou_3px,
        mean_view_iou=score.mask.mean_view_iou,
        iou_2d=None if score.alone is None else score.alone.iou,
        iou_2d_prompted=None if score.prompted is None else score.prompted.iou,
        iou_preview=score.preview,
        seconds_preview=seconds.preview,
        seconds_refine=seconds.refine,
    )
