"""Decoding: prompts to masks of the training views (Eq. 4), weighed together."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.masks.config import DecodeConfig
from sanerf_hq.masks.fence import Fence
from sanerf_hq.masks.labelled import Labelled
from sanerf_hq.masks.mask_set import MaskSet
from sanerf_hq.masks.pictures import Pictures
from sanerf_hq.masks.survey import Polls, Survey
from sanerf_hq.masks.turns import Turns
from sanerf_hq.masks.wavefront import Wavefront
from sanerf_hq.prompts import (
    BoxPrompt,
    Cloud,
    PointPrompt,
    Prompt,
    SpacePrompt,
    cloud_of,
    lift,
    marks_by_view,
    space_cloud,
    split_prompts,
)
from sanerf_hq.radiance import RadianceField, ViewSamples, load_view_samples
from sanerf_hq.runs import Progress, ProgressCallback, quiet
from sanerf_hq.segmenters import MaskFolder, Segmenter

STAGE = "masks"


def decode_masks(
    field: RadianceField,
    segmenter: Segmenter | MaskFolder,
    prompts: Prompt | Sequence[Prompt],
    name: str = "object",
    config: DecodeConfig | None = None,
    progress: ProgressCallback = quiet,
    pool: ViewSamples | None = None,
) -> MaskSet:
    """The masks of one object in the training views.

    Args:
        field: A field at home in its run.
        segmenter: A segmenter, or labels of the user's own.
        prompts: What is meant: clicks or boxes in views or cameras, points in space, or several of these;
            in the order in which they were given. The clicks of one prompt are places of one thing. A later
            one corrects what came of those before (:class:`~sanerf_hq.masks.turns.Turns`); boxes come first.
        name: What the object is called.
        config: How; by default the photos, spreading to every view that sees the object.
        progress: Told of the views done; may raise Cancelled.
        pool: Samples of the training views; read from the run if not given.

    Raises:
        InputError: A prompt lies off its image or on empty space, its view does not exist, or no view came
            out with a mask.
    """
    config = config or DecodeConfig()
    polls = Polls(field.at_home(), pool or load_view_samples(field))
    survey = begin_survey(field, shown_to(field, segmenter, config), prompts, polls, config)

    def told(done: int, total: int) -> None:
        progress(Progress(STAGE, done, total))

    survey.decode(None, told)
    survey.repeat(told)
    return mask_set({name: survey}, segmenter.name)


def shown_to(
    field: RadianceField, segmenter: Segmenter | MaskFolder, config: DecodeConfig
) -> Pictures | MaskFolder:
    """What surveys of several objects ask, so that they read a view's embedding once."""
    if isinstance(segmenter, MaskFolder):
        return segmenter
    return Pictures(field, segmenter, config.segment_on)


def begin_survey(
    field: RadianceField,
    pictures: Pictures | MaskFolder,
    prompts: Prompt | Sequence[Prompt],
    polls: Polls,
    config: DecodeConfig,
    rivals: Float[Tensor, "n_rivals 3"] | None = None,
) -> Survey:
    """Take in the prompts of one object; arguments and errors as for :func:`decode_masks`.

    ``pictures`` are by :func:`shown_to`.

    ``rivals``, by :func:`clicked_points`, lie on other objects: a mask that holds one is asked for again with
    it as a click beside the object. Labels need no such thing.
    """
    asked = _as_list(prompts)
    if not asked:
        raise InputError("there is no prompt; give a click, a box or a 3D point")
    if not any(isinstance(prompt, BoxPrompt) or prompt.positive for prompt in asked):
        raise InputError("no prompt says where the object is; click on it, or give a box or a 3D point")
    if isinstance(pictures, MaskFolder):
        return Labelled(field, pictures, asked, polls, config)

    def begin(together: Sequence[Prompt]) -> Wavefront:
        pictured, space = split_prompts(list(together))
        drawn = marks_by_view(field, pictured)
        fences = [Fence.round(field, marks) for marks in drawn if marks.box is not None]
        wave = Wavefront(field, pictures, polls, config, rivals, fences)
        clouds = [lift(field, marks) for marks in drawn]
        given = [*clouds, *map(space_cloud, space)]
        for number, (marks, cloud) in enumerate(zip(drawn, clouds, strict=True)):
            others = Cloud.join(given[:number] + given[number + 1 :])
            wave.add_cloud(cloud)
            wave.add_marks(marks, others.points[others.labels == 0])
        for prompt in space:
            wave.add_space(prompt)
        return wave

    if not config.spread:
        return begin(asked)
    for prompt in asked:
        if not isinstance(prompt, BoxPrompt):
            cloud_of(field, prompt)  # which says what is wrong before the work
    return Turns(begin, asked, config.preview_views)


def clicked_points(field: RadianceField, prompts: Prompt | Sequence[Prompt]) -> Float[Tensor, "n 3"]:
    """Points of the scene that an object's prompts say are on it.

    Raises:
        InputError: A click lies off its image or on empty space, or its view does not exist.
    """
    pictured, space = split_prompts(_as_list(prompts))
    clouds = [lift(field, marks) for marks in marks_by_view(field, pictured)]
    cloud = Cloud.join([*clouds, *map(space_cloud, space)])
    return cloud.points[cloud.labels == 1]


def _as_list(prompts: Prompt | Sequence[Prompt]) -> list[Prompt]:
    return [prompts] if isinstance(prompts, PointPrompt | BoxPrompt | SpacePrompt) else list(prompts)


def mask_set(surveys: dict[str, Survey], segmenter: str) -> MaskSet:
    """The masks of several objects together, identities in the order given.

    Raises:
        InputError: An object has none.
    """
    segments = []
    for identity, (name, survey) in enumerate(surveys.items(), 1):
        found = survey.segments(identity)
        if not found:
            what = "the object" if len(surveys) == 1 else name
            raise InputError(
                f"no view came out with a mask of {what}; "
                "prompt where it is seen clearly, with a box if need be"
            )
        segments.extend(found)
    seeds = tuple(survey.seeds() for survey in surveys.values())
    return MaskSet(tuple(surveys), tuple(segments), segmenter, seeds)
