"""Workshop: what all browsers share: the trained field, its samples, segmenters; and how objects are made."""

from __future__ import annotations

import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from sanerf_hq.errors import InputError
from sanerf_hq.masks import (
    DECODE_PRESETS,
    MaskSet,
    Pictures,
    Polls,
    Survey,
    begin_survey,
    clicked_points,
    find_everything,
    mask_set,
    shown_to,
    without_nested,
)
from sanerf_hq.objects import (
    OBJECT_PRESETS,
    MovingObject,
    ObjectField,
    Preview,
    Recording,
    preview_of,
    segment_moving,
    train_object_field,
)
from sanerf_hq.prompts import BoxPrompt, Prompt, find_by_text
from sanerf_hq.radiance import RadianceField, load_view_samples
from sanerf_hq.runs import Progress, ProgressCallback, Run, quiet
from sanerf_hq.segmenters import Detector, MaskFolder, Segmenter, load_detector, load_segmenter
from sanerf_hq.viewer.combine import combined
from sanerf_hq.viewer.state import ObjectState, Operation, Part

WORK = "work"
DETECTOR = "grounding_dino"
KEPT_PARTS = 32
STAGE = "masks"
T = TypeVar("T")
Asked = tuple[str, Part, tuple[Part, ...]]  # a segmenter, a part, and those of other objects


@dataclass(frozen=True)
class Request:
    """What is to be segmented; equal requests have equal answers.

    Attributes:
        objects: Their names and parts, prompted ones only.
        segmenter: In the words of ``--segmenter``.
    """

    objects: tuple[tuple[str, tuple[Part, ...]], ...]
    segmenter: str

    @staticmethod
    def of(objects: tuple[ObjectState, ...], segmenter: str) -> Request:
        """Parts that say nothing yet are left out."""
        named = tuple((one.name, tuple(p for p in one.parts if p.is_prompted)) for one in objects)
        return Request(named, segmenter)

    def is_renaming_of(self, other: Request) -> bool:
        """Whether it asks for the same under other names."""
        return self.segmenter == other.segmenter and [parts for _, parts in self.objects] == [
            parts for _, parts in other.objects
        ]


@dataclass(frozen=True)
class Outcome:
    """What became of a request.

    Attributes:
        request: The request.
        masks: Of some or all training views.
        preview: The objects by votes; None once there is the field.
        field: The trained field; None before.
        seconds: From the request to this, seconds.
    """

    request: Request
    masks: MaskSet
    preview: Preview | None
    field: ObjectField | None
    seconds: float

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.request.objects)

    def renamed(self, request: Request) -> Outcome:
        """The same objects under the names of another request, which differs in nothing else."""
        names = tuple(name for name, _ in request.objects)
        masks = replace(self.masks, names=names)
        preview = None if self.preview is None else replace(self.preview, names=names)
        field = None if self.field is None else replace(self.field, names=names)
        return Outcome(request, masks, preview, field, self.seconds)


@dataclass(frozen=True)
class _Tools:
    """What the workshops of all moments of a run share."""

    segmenters: dict[str, Segmenter | MaskFolder] = field(default_factory=dict)
    detectors: dict[str, Detector] = field(default_factory=dict)
    bench: threading.Lock = field(default_factory=threading.Lock)
    """Training twice at a time on the same cores only takes longer."""


class Workshop:
    """A run opened for viewing. Methods may be called from any thread."""

    def __init__(self, field: RadianceField, preset: str, device: str, progress: ProgressCallback = quiet):
        """Read the samples of the run's training views, or compute them.

        Raises:
            InputError: The field is at home nowhere, or its files cannot be read.
        """
        self.field = field
        self.home = field.at_home()
        self.preset, self.device = preset, device
        self.pool = load_view_samples(field, progress)
        self._polls = Polls(self.home, self.pool)
        self._pictures: dict[str, Pictures | MaskFolder] = {}
        self._begun: OrderedDict[Asked, Survey] = OrderedDict()  # of which a preview is there
        self._found: OrderedDict[Asked, MaskSet] = OrderedDict()  # of all views
        self._tools = _Tools()

    def at(self, time: float) -> Workshop:
        """The same run at another moment, in a scene that moves, with what was loaded for this one.

        Raises:
            InputError: The time is none; or the samples cannot be read.
        """
        other = Workshop(self.field.whole().at(time), self.preset, self.device)
        other._tools = self._tools
        return other

    def pictures(self, spec: str) -> Pictures | MaskFolder:
        """The views as a segmenter sees them; it is loaded once.

        Raises:
            InputError: There is none of that name, or what it needs is missing.
        """
        if spec not in self._pictures:
            decoding = DECODE_PRESETS[self.preset]
            self._pictures[spec] = shown_to(self.field, self._segmenter(spec), decoding)
        return self._pictures[spec]

    def _segmenter(self, spec: str) -> Segmenter | MaskFolder:
        known = self._tools.segmenters
        if spec not in known:
            known[spec] = load_segmenter(spec, self.home.scene, self.device)
        return known[spec]

    def encode_views(self, spec: str) -> None:
        """Encode the training views ahead of the first prompt; what is kept in the run is not made anew.

        Raises:
            InputError: As for :meth:`pictures`; or a photo cannot be read.
        """
        pictures = self.pictures(spec)
        if isinstance(pictures, MaskFolder) or pictures.segment_on != "photo":
            return
        for view in self.home.views:
            pictures.of_view(view)

    def segment(
        self,
        request: Request,
        show: Callable[[Outcome], None],
        progress: ProgressCallback,
        refine: bool = True,
    ) -> None:
        """Answer a request: first by votes of a few views, then by a field of all of them.

        Args:
            request: What is asked.
            show: Called with each outcome, the preview first.
            progress: Told of the progress; may raise Cancelled.
            refine: Whether the field is trained too.

        Raises:
            InputError: A prompt means nothing, or the views show no such object.
            Cancelled: The callback asked for it.
        """
        started = time.monotonic()
        with self._at_bench(progress):
            early = DECODE_PRESETS[self.preset].preview_views
            masks = self._masks(request, early, progress)
            preview = preview_of(self.field, masks, self.pool)
            show(Outcome(request, masks, preview, None, time.monotonic() - started))
            if not refine:
                return
            masks = self._masks(request, None, progress)
            found = self._trained(masks, progress)
            show(Outcome(request, masks, None, found, time.monotonic() - started))

    def everything(self, spec: str, progress: ProgressCallback) -> dict[str, list[BoxPrompt]]:
        """Prompts for all things that views agree upon.

        Raises:
            InputError: The segmenter answers no clicks, or they agree upon nothing.
            Cancelled: The callback asked for it.
        """
        with self._at_bench(progress):
            pictures = self.pictures(spec)
            if isinstance(pictures, MaskFolder):
                raise InputError(
                    f"{spec} answers no clicks, with which things are looked for; choose another"
                )
            shown = DECODE_PRESETS[self.preset].segment_on
            return find_everything(
                self.field, pictures.segmenter, self.pool, segment_on=shown, progress=progress
            )

    def by_words(self, words: str, progress: ProgressCallback) -> dict[str, list[BoxPrompt]]:
        """Prompts for what some words say.

        Raises:
            InputError: Nothing fits them, or the detector is missing.
            Cancelled: The callback asked for it.
        """
        if not words:
            raise InputError("no words are given; say what to look for, such as: a gold cape")
        with self._at_bench(progress):
            known = self._tools.detectors
            if DETECTOR not in known:
                known[DETECTOR] = load_detector(DETECTOR, self.device)
            return {words: find_by_text(self.field, known[DETECTOR], words, progress=progress)}

    def follow(
        self,
        prompts: Mapping[str, Sequence[Prompt]],
        spec: str,
        name: str,
        progress: ProgressCallback,
        record: Recording,
    ) -> MovingObject:
        """Cut objects out of a scene that moves at all of its moments, from prompts at the one shown.

        Args:
            prompts: By the names of the objects.
            spec: The segmenter.
            name: What the segmentation is kept as; one of that name is replaced, once this one is whole.
            progress: Told of the progress; may raise Cancelled.
            record: Writes down what was prompted.

        Raises:
            InputError: A prompt means nothing, or the views show no such object.
            Cancelled: The callback asked for it.
        """
        with self._at_bench(progress):
            found = segment_moving(
                self.field.whole(),
                self._segmenter(spec),
                prompts,
                name,
                DECODE_PRESETS[self.preset],
                OBJECT_PRESETS[self.preset],
                time=self.field.moment or 0.0,
                progress=progress,
                overwrite=True,
                record=record,
            )
        return found.object

    def _masks(self, request: Request, views: int | None, progress: ProgressCallback) -> MaskSet:
        """All objects' masks, of so many views each (None: of all that show them).

        What is clicked for an object is none of those after it; those before it stay as they were.
        """
        whole: MaskSet | None = None
        others: tuple[Part, ...] = ()
        for name, parts in request.objects:
            found: list[tuple[Operation, MaskSet]] = [
                (p.operation, self._part_masks(request.segmenter, p, others, views, progress)) for p in parts
            ]
            one = combined(name, found)
            whole = one if whole is None else whole.joined(one)
            others += tuple(replace(p, operation="new") for p in parts if p.operation != "subtract")
        if whole is None:
            raise InputError("nothing is prompted; click on an object")
        return without_nested(whole)

    def _part_masks(
        self, spec: str, part: Part, others: tuple[Part, ...], views: int | None, progress: ProgressCallback
    ) -> MaskSet:
        """A part's masks; ``others`` are parts of other objects."""
        if part.masks is not None:
            return part.masks
        pictures = self.pictures(spec)
        key = spec, replace(part, operation="new"), others
        known = self._found.get(key)
        if known is not None:
            self._found.move_to_end(key)
            return known
        survey = self._begun.pop(key, None)  # one that is stopped half-way is not used again
        if survey is None:
            config = DECODE_PRESETS[self.preset]
            rivals = clicked_points(self.field, [one for other in others for one in other.prompts()])
            survey = begin_survey(self.field, pictures, part.prompts(), self._polls, config, rivals)

        def told(done: int, total: int) -> None:
            progress(Progress(STAGE, done, total))

        survey.decode(views, told)
        if views is None:
            survey.repeat(told)
        masks = mask_set({"the object": survey}, spec)
        if views is None:  # a survey holds every candidate's pixels, its masks take a hundredth of that
            _put(self._found, key, masks)
        else:
            _put(self._begun, key, survey)
        return masks

    def _trained(self, masks: MaskSet, progress: ProgressCallback) -> ObjectField:
        """A field of some masks, trained in a folder where trials harm nobody."""
        run = self.home.run
        with tempfile.TemporaryDirectory(prefix="sanerf-view-") as folder:
            trial = Run.create(Path(folder), run.scene_path, run.fingerprint, run.seed, run.scene_options)
            away = replace(self.field, home=replace(self.home, run=trial))
            found = train_object_field(away, masks, WORK, OBJECT_PRESETS[self.preset], progress, self.pool)
        return replace(found, radiance=self.field)

    @contextmanager
    def _at_bench(self, progress: ProgressCallback) -> Iterator[None]:
        while not self._tools.bench.acquire(timeout=0.1):
            progress(Progress(STAGE, 0, 1, message="waiting for another browser's work"))
        try:
            yield
        finally:
            self._tools.bench.release()


def _put(kept: OrderedDict[Asked, T], key: Asked, value: T) -> None:
    kept[key] = value
    while len(kept) > KEPT_PARTS:
        kept.popitem(last=False)
