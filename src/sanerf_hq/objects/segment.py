"""Segmenting: prompts to objects, from the first views' preview to the field of all views."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from sanerf_hq.errors import InputError
from sanerf_hq.masks import (
    DecodeConfig,
    MaskSet,
    Pictures,
    Polls,
    begin_survey,
    clicked_points,
    decode_together,
    mask_set,
    shown_to,
    without_nested,
)
from sanerf_hq.objects.config import ObjectConfig
from sanerf_hq.objects.field import ObjectField
from sanerf_hq.objects.preview import Preview, preview_of
from sanerf_hq.objects.record import Recording, no_record
from sanerf_hq.objects.train import train_object_field
from sanerf_hq.prompts import Prompt
from sanerf_hq.radiance import RadianceField, ViewSamples, load_view_samples
from sanerf_hq.runs import Progress, ProgressCallback, quiet
from sanerf_hq.segmenters import MaskFolder, Segmenter

STAGE = "masks"


@dataclass(frozen=True)
class Segmentation:
    """Objects cut out of a field.

    Attributes:
        masks: Of the training views, weighed.
        preview: By votes of the first views; None where it could not be made of them.
        field: What the masks of all views came to.
    """

    masks: MaskSet
    preview: Preview | None
    field: ObjectField


def segment_objects(
    field: RadianceField,
    segmenter: Segmenter | MaskFolder,
    prompts: Mapping[str, Prompt | Sequence[Prompt]],
    name: str | None = None,
    decoding: DecodeConfig | None = None,
    config: ObjectConfig | None = None,
    beside: MaskSet | None = None,
    pool: ViewSamples | None = None,
    progress: ProgressCallback = quiet,
    on_preview: Callable[[Preview], None] | None = None,
    rivals: Sequence[Prompt] = (),
    overwrite: bool = False,
    record: Recording = no_record,
) -> Segmentation:
    """Objects from prompts, several in one field where several are prompted.

    Args:
        field: A field at home in its run.
        segmenter: A segmenter, or labels of the user's own.
        prompts: What is meant by each object's name.
        name: Name of the segmentation, a folder of the run; by default the first object's.
        decoding: How masks are found and weighed.
        config: How the field is trained.
        beside: Masks of further objects, known from before; they come first in the field.
        pool: Samples of the training views; read from the run if not given.
        progress: Told of the progress; may raise Cancelled.
        on_preview: Called once the first views are decoded, with the prompted objects by votes.
        rivals: Prompts of yet other objects, those of ``beside`` for one; what was clicked for one object is
            no other's.
        overwrite: As for :func:`~sanerf_hq.objects.train_object_field`.
        record: As there.

    Raises:
        InputError: As for :func:`~sanerf_hq.masks.decode_masks` and
            :func:`~sanerf_hq.objects.train_object_field`.
        Cancelled: The callback asked for it.

    Example:
        segment_objects(field, load_segmenter("compact"), {"cape": PointPrompt("IMG_5881", [(197, 202)])})
    """
    decoding = decoding or DecodeConfig()
    if not prompts:
        raise InputError("nothing is prompted; give a click, a box or a 3D point")
    if beside is not None:
        beside.check_new(prompts)  # before minutes go into decoding
    pool = pool or load_view_samples(field, progress)
    polls = Polls(field.at_home(), pool)
    clicked = {key: clicked_points(field, asked) for key, asked in prompts.items()}
    others = clicked_points(field, rivals)
    pictures = shown_to(field, segmenter, decoding)
    surveys = {
        key: begin_survey(
            field,
            pictures,
            asked,
            polls,
            decoding,
            torch.cat([others, *(points for name, points in clicked.items() if name != key)]),
        )
        for key, asked in prompts.items()
    }

    def told(done: int, total: int) -> None:
        progress(Progress(STAGE, done, total))

    found = list(surveys.values())
    threads = pictures.threads if isinstance(pictures, Pictures) else 1  # labels are only looked up
    preview = None
    if on_preview is not None:
        decode_together(found, decoding.preview_views, told, threads)
        try:
            preview = preview_of(field, without_nested(mask_set(surveys, segmenter.name)), pool)
        except InputError:  # the views to come may still find what these have not
            preview = None
        if preview is not None:
            on_preview(preview)
    decode_together(found, None, told, threads)
    masks = mask_set(surveys, segmenter.name)
    if beside is not None:
        masks = beside.joined(masks)
    masks = without_nested(masks)
    trained = train_object_field(
        field, masks, name or masks.names[0], config, progress, pool, overwrite, record
    )
    return Segmentation(masks, preview, trained)
