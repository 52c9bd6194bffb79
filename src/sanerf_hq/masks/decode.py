"""Decoding: prompts to masks of the training views.

Labels that the user brings (``masks:DIR``, ``truth``) only need to be told which object is meant. A segmenter
is prompted view by view (Eq. 4): first where the user's points are seen, then, as a wavefront, wherever the
points inside accepted masks are seen, until every view that sees the object has a mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Int64
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.masks.mask_set import MaskSet
from sanerf_hq.masks.pictures import Pictures, SegmentOn
from sanerf_hq.masks.wavefront import Wavefront
from sanerf_hq.prompts import (
    BoxPrompt,
    Cloud,
    Marks,
    PointPrompt,
    Prompt,
    SpacePrompt,
    lift,
    marks_of,
    sightings,
    space_cloud,
    split_prompts,
)
from sanerf_hq.radiance import RadianceField, load_view_samples
from sanerf_hq.runs import Progress, ProgressCallback, quiet
from sanerf_hq.segmenters import MaskFolder, Segmenter

STAGE = "masks"


@dataclass(frozen=True)
class DecodeConfig:
    """How masks of the views are found."""

    segment_on: SegmentOn = "photo"
    """What the segmenter is shown at training views: the photo, or (as in the paper) the field's render."""
    visible: Literal["one", "most"] = "one"
    """Points that must be visible for a view to be prompted: one positive point; or, as in the authors'
    release, floor(0.8 n) + 1 of all n."""
    spread: bool = True
    """Whether accepted masks prompt further views."""


DECODE_PRESETS: dict[str, DecodeConfig] = {
    "draft": DecodeConfig(),
    "standard": DecodeConfig(),
    "paper": DecodeConfig(segment_on="render", visible="most", spread=False),
}


def decode_masks(
    field: RadianceField,
    segmenter: Segmenter | MaskFolder,
    prompts: Prompt | Sequence[Prompt],
    name: str = "object",
    config: DecodeConfig | None = None,
    progress: ProgressCallback = quiet,
) -> MaskSet:
    """The masks of one object in the training views.

    Args:
        field: A field at home in its run.
        segmenter: A segmenter, or labels of the user's own.
        prompts: What is meant: clicks or boxes in views or cameras, points in space, or several of these.
        name: What the object is called.
        config: How; by default the photos, spreading to every view that sees the object.
        progress: Told of the views done; may raise Cancelled.

    Raises:
        InputError: A prompt lies off its image or on empty space, its view does not exist, or no view came
            out with a mask.
    """
    config = config or DecodeConfig()
    asked = [prompts] if isinstance(prompts, PointPrompt | BoxPrompt | SpacePrompt) else list(prompts)
    if not asked:
        raise InputError("there is no prompt; give a click, a box or a 3D point")
    if isinstance(segmenter, MaskFolder):
        return _labelled(field, segmenter, asked, name, progress)
    pictured, space = split_prompts(asked)
    wave = Wavefront(field, Pictures(field, segmenter, config.segment_on), load_view_samples(field))
    for prompt in pictured:
        marks = marks_of(field, prompt)
        wave.add_cloud(lift(field, marks))
        wave.decode_marks(marks)
    for prompt in space:
        wave.add_cloud(space_cloud(prompt))
    total = len(field.at_home().views)
    while wave.decode_next(config.visible == "most", config.spread):
        progress(Progress(STAGE, wave.n_done, total))
    progress(Progress(STAGE, total, total))
    segments = wave.segments()
    if not segments:
        raise InputError(
            "no view came out with a mask of the object; "
            "prompt where it is seen clearly, with a box if need be"
        )
    return MaskSet((name,), segments, segmenter.name)


def _labelled(
    field: RadianceField, folder: MaskFolder, prompts: Sequence[Prompt], name: str, progress: ProgressCallback
) -> MaskSet:
    home = field.at_home()
    pictured, space = split_prompts(list(prompts))
    identity = None
    for prompt in pictured:
        marks = marks_of(field, prompt)
        view = marks.view
        if view is not None and view.name in folder.paths:
            scale = torch.tensor(
                [view.camera.width / marks.camera.width, view.camera.height / marks.camera.height]
            )
            box = None if marks.box is None else marks.box * scale.repeat(2)
            identity = folder.identify(view, marks.positive * scale, box)
            break
    if identity is None:
        clouds = [lift(field, _inside_box(marks_of(field, prompt))) for prompt in pictured]
        identity = _identity_in_space(field, folder, Cloud.join([*clouds, *map(space_cloud, space)]))
    masks = []
    for done, (view, camera) in enumerate(zip(home.views, home.cameras, strict=True), 1):
        labels = folder.labels(view)
        if labels is not None:
            masks.append((view.name, resized_labels(labels, camera.height, camera.width) == identity))
        progress(Progress(STAGE, done, len(home.views)))
    return MaskSet.of_masks(name, masks, folder.name)


def _inside_box(marks: Marks) -> Marks:
    """Marks of a box without clicks, with a click in its middle."""
    if marks.box is None or len(marks.positive):
        return marks
    middle = ((marks.box[:2] + marks.box[2:]) / 2)[None]
    xy = torch.cat([marks.xy, middle])
    return Marks(
        marks.camera, marks.view, xy, torch.cat([marks.labels, torch.ones(1, dtype=torch.int64)]), marks.box
    )


def _identity_in_space(field: RadianceField, folder: MaskFolder, cloud: Cloud) -> int:
    """The label that most sightings of the positive points hit."""
    home = field.at_home()
    labelled = [number for number, view in enumerate(home.views) if view.name in folder.paths]
    cameras = [home.cameras[number] for number in labelled]
    seen = sightings(field, cameras, cloud.points[cloud.labels == 1])
    hits: list[Tensor] = []
    for number, camera, xy, visible in zip(labelled, cameras, seen.xy, seen.visible, strict=True):
        labels = folder.labels(home.views[number]) if bool(visible.any()) else None
        if labels is not None:
            x, y = resized_index(xy[visible], camera.width, camera.height)
            hits.append(resized_labels(labels, camera.height, camera.width)[y, x])
    hit = torch.cat(hits) if hits else torch.zeros(0, dtype=torch.int64)
    hit = hit[hit > 0]
    if not len(hit):
        raise InputError(
            f"segmenter {folder.name} labels nothing where the points are seen; "
            "prompt on an object that is masked"
        )
    return int(torch.bincount(hit).argmax())


def resized_index(xy: Tensor, width: int, height: int) -> tuple[Tensor, Tensor]:
    """Columns and rows of pixel coordinates."""
    x, y = xy.long().unbind(-1)
    return x.clamp(0, width - 1), y.clamp(0, height - 1)


def resized_labels(labels: Int64[Tensor, "_ _"], height: int, width: int) -> Int64[Tensor, "h w"]:
    """Labels at another size: each pixel takes the label at its middle."""
    if tuple(labels.shape) == (height, width):
        return labels
    rows = ((torch.arange(height) + 0.5) * labels.shape[0] / height).long()
    columns = ((torch.arange(width) + 0.5) * labels.shape[1] / width).long()
    return labels[rows][:, columns]
