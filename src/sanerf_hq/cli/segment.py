"""Segment: clicks, boxes, 3D points, words or nothing at all to objects in a trained run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from sanerf_hq.cli.options import DetectorWords, Device, SegmenterWords, check_device
from sanerf_hq.cli.overview import draw_preview
from sanerf_hq.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sanerf_hq.masks import DecodeConfig, MaskSet
    from sanerf_hq.objects import MovingObject, ObjectField, Record
    from sanerf_hq.prompts import Prompt
    from sanerf_hq.radiance import RadianceField, ViewSamples
    from sanerf_hq.runs import ProgressCallback, SegmentationFolder
    from sanerf_hq.scene import Scene
    from sanerf_hq.segmenters import Detector, MaskFolder, Segmenter


@dataclass(frozen=True)
class Segment:
    """Cut objects out of a trained run: prompts -> masks of the views -> 3D masks, kept under a name.

    Clicks are pixels x,y of the photo of --view, or of another one as VIEW:x,y. Those of one photo are places
    of one thing; those of a further one correct what came of them. Words are looked for in some
    of the photos; the boxes found are kept as the prompts. --everything looks for all things that views agree
    upon; what it misses is added with --add. Several objects, each with its own prompts, come from a file and
    share one field; --add puts further ones beside those of a segmentation.
    Which segmenters there are: sanerf doctor.
    In a scene that moves, objects are followed from the time of their prompts to all others. Where one is
    lost on the way, prompt it there as well.

    Example: sanerf segment runs/cape --name cape --view IMG_5881 --point 197,202 --point 417,317
    --negative 300,428
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder that sanerf train made."""
    name: Annotated[str, tyro.conf.arg(metavar="NAME")]
    """Name of the segmentation, and of its folder in the run."""
    object: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """Name of the prompted object; the segmentation's if not given."""
    view: Annotated[str | None, tyro.conf.arg(metavar="VIEW")] = None
    """View that clicks and box are given in: its file path in the scene or, where unique, its stem."""
    point: Annotated[tuple[str, ...], tyro.conf.arg(metavar="[VIEW:]X,Y"), tyro.conf.UseAppendAction] = ()
    """Pixel on the object; may be given several times."""
    negative: Annotated[tuple[str, ...], tyro.conf.arg(metavar="[VIEW:]X,Y"), tyro.conf.UseAppendAction] = ()
    """Pixel beside the object; may be given several times."""
    box: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="[VIEW:]X0,Y0,X1,Y1"), tyro.conf.UseAppendAction
    ] = ()
    """Box around the object, in pixels, the last two exclusive; one a view."""
    point3d: Annotated[tuple[str, ...], tyro.conf.arg(metavar="X,Y,Z"), tyro.conf.UseAppendAction] = ()
    """Point on the object's surface, in the scene's own coordinates; may be given several times."""
    negative3d: Annotated[tuple[str, ...], tyro.conf.arg(metavar="X,Y,Z"), tyro.conf.UseAppendAction] = ()
    """Point beside the object; may be given several times."""
    time: Annotated[float | None, tyro.conf.arg(metavar="T")] = None
    """In a scene that moves: when 3D points are meant, unless the file of --prompts says, and when words or
    all things are looked for; from 0, which it is if not given, to 1."""
    text: Annotated[str | None, tyro.conf.arg(metavar="WORDS")] = None
    """What the object is, such as "a gold cape", in place of clicks and boxes; the thing that fits best."""
    detector: DetectorWords = None
    least_score: Annotated[float | None, tyro.conf.arg(metavar="S")] = None
    """How well a box has to fit the words of --text to count, from 0 to 1; 0.3 if not given."""
    everything: bool = False
    """All things that views from all round agree upon, in place of prompts: thing 1, thing 2 and so on."""
    prompts: Annotated[Path | None, tyro.conf.arg(metavar="FILE.json")] = None
    """Objects and their prompts, in place of the options above; a scene.json will do, or the prompts.json of
    another segmentation."""
    add: bool = False
    """Put the objects beside those of the segmentation of that name, in one field with them."""
    segmenter: SegmenterWords = "compact"
    preset: Literal["draft", "standard", "paper"] = "standard"
    """Size of the object field and how views are prompted; paper segments renders, as the paper does."""
    segment_on: Literal["photo", "render"] | None = None
    """What the segmenter sees at training views, in place of the preset's choice."""
    replace: bool = False
    """Replace a segmentation of that name."""
    device: Device = "cpu"
    """Where to compute."""

    def run(self) -> int:
        """Segment, keep, draw a preview."""
        check_device(self.device)
        if self.add and self.replace:
            raise InputError("--add and --replace exclude each other; give one of them")
        asked = self._asked()
        from dataclasses import replace

        from sanerf_hq.cli.console import ConsoleProgress
        from sanerf_hq.masks import DECODE_PRESETS
        from sanerf_hq.prompts import marks_of, split_prompts
        from sanerf_hq.radiance import load_radiance_field, load_view_samples
        from sanerf_hq.runs import check_name, check_writable
        from sanerf_hq.segmenters import load_detector, load_segmenter

        field = load_radiance_field(self.folder, self.device)
        still = field
        if field.moments or self.time is not None:
            still = load_radiance_field(self.folder, self.device, self.time or 0.0)
        run = field.at_home().run
        existing = run.segmentation_names()
        if self.add and self.name not in existing:
            raise run.no_segmentation(self.name)
        taken = [] if self.replace or self.add else existing
        check_name(self.name, taken, "choose another, or say --replace, or --add to put more beside it")
        check_writable(run.segmentation(self.name).prompts)
        decoding = DECODE_PRESETS[self.preset]
        if self.segment_on is not None:
            decoding = replace(decoding, segment_on=self.segment_on)
        for prompt in split_prompts([one for prompts in asked.values() for one in prompts])[0]:
            marks_of(field, prompt)  # which says what is wrong before the work
        segmenter = load_segmenter(self.segmenter, field.at_home().scene, self.device)
        detector = None
        if self.text is not None:
            detector = load_detector(self.detector or "grounding_dino", self.device)
        with ConsoleProgress() as progress:
            pool = load_view_samples(field, progress)
            seen = pool.of_moment(still.at_home()) if field.moments else pool
            wanted = asked or self._found(still, segmenter, detector, decoding.segment_on, seen, progress)
        beside = self._beside(field) if self.add else {}
        before = tuple(dict.fromkeys(one for masks in beside.values() for one in masks.names))
        self._check_new(wanted, before)
        with ConsoleProgress() as progress:
            found, masks = self._cut(field, segmenter, wanted, decoding, beside, pool, progress)
        folder = run.segmentation(self.name).folder
        draw_preview(found, masks, folder / "preview.jpg")
        n_views = len(field.at_home().views)
        for one in found.names:
            own = [each.without(set(each.names) - {one}) for each in masks]
            n_masks = sum(segment.mask.area > 0 for each in own for segment in each.segments)
            print(f"{one}: masks in {n_masks} of {n_views} training views")
        print(f"segmentation: {folder}")
        print(f"preview: {folder / 'preview.jpg'}")
        return 0

    def _cut(
        self,
        field: RadianceField,
        segmenter: Segmenter | MaskFolder,
        wanted: dict[str, list[Prompt]],
        decoding: DecodeConfig,
        beside: dict[float, MaskSet],
        pool: ViewSamples,
        progress: ProgressCallback,
    ) -> tuple[ObjectField | MovingObject, list[MaskSet]]:
        """The objects, and the masks that they were made from: a set for each moment, if the scene moves."""
        from sanerf_hq.objects import OBJECT_PRESETS, segment_moving, segment_objects, write_record

        config = OBJECT_PRESETS[self.preset]
        names = tuple(dict.fromkeys(one for masks in beside.values() for one in masks.names))
        old = field.at_home().run.segmentation(self.name)
        before = self._prompts_before(old, names)
        more = self._shown_before(old, names, wanted, field.at_home().scene)

        def record(folder: SegmentationFolder, names: tuple[str, ...]) -> None:
            write_record(self._record({**before, **wanted}), folder, names, more)

        if field.moments:
            moved = segment_moving(
                field,
                segmenter,
                wanted,
                self.name,
                decoding,
                config,
                beside,
                self.time or 0.0,
                pool,
                progress,
                overwrite=self.replace or self.add,
                record=record,
            )
            return moved.object, list(moved.masks.values())
        made = segment_objects(
            field,
            segmenter,
            wanted,
            self.name,
            decoding,
            config,
            beside.get(0.0),
            pool,
            progress,
            rivals=[one for asked in before.values() for one in asked],
            overwrite=self.replace or self.add,
            record=record,
        )
        return made.field, [made.masks]

    def _asked(self) -> dict[str, list[Prompt]]:
        """Prompts by the names of their objects; none where things are still to be looked for.

        Raises:
            InputError: They are given in two ways, or mean nothing.
        """
        from sanerf_hq.prompts import read_prompts
        from sanerf_hq.segmenters.grounding_dino import caption

        placed = self.point or self.negative or self.box or self.point3d or self.negative3d
        if self.text is not None and (placed or self.prompts or self.everything):
            raise InputError("--text and other prompts exclude each other; give one of them")
        for option, value in (("--detector", self.detector), ("--least-score", self.least_score)):
            if value is not None and self.text is None:
                raise InputError(f"{option} is about the words of --text; give them, or leave it out")
        if self.least_score is not None and not 0 <= self.least_score <= 1:
            raise InputError(f"--least-score is {self.least_score:g}; give a number from 0 to 1")
        if self.text is not None:
            caption(self.text)  # which refuses a text without words
        if self.everything and (placed or self.prompts or self.object):
            raise InputError("--everything and prompts exclude each other; give one of them")
        if self.prompts is not None and (placed or self.object):
            raise InputError("--prompts and prompts by options exclude each other; give one of them")
        if self.view is not None and all(":" in text for text in (*self.point, *self.negative, *self.box)):
            raise InputError(
                f"--view {self.view} has no --point, --negative or --box without a view of its own; "
                "give one, or leave it out"
            )
        if self.text is not None or self.everything:
            return {}
        return (
            {self.object or self.name: self._prompts()}
            if self.prompts is None
            else read_prompts(self.prompts)
        )

    def _found(
        self,
        field: RadianceField,
        segmenter: Segmenter | MaskFolder,
        detector: Detector | None,
        segment_on: Literal["photo", "render"],
        pool: ViewSamples,
        progress: ProgressCallback,
    ) -> dict[str, list[Prompt]]:
        """Boxes round all things, or round what the words say, told to the user."""
        from sanerf_hq.masks import find_everything
        from sanerf_hq.prompts import find_by_text
        from sanerf_hq.prompts.text import LEAST_SCORE
        from sanerf_hq.segmenters import MaskFolder

        if self.text is None or detector is None:
            if isinstance(segmenter, MaskFolder):
                raise InputError(
                    f"--everything needs a segmenter that answers clicks, not {self.segmenter}; name one"
                )
            things = find_everything(field, segmenter, pool, segment_on=segment_on, progress=progress)
            print(f"{len(things)} things found")
            return {name: list(prompts) for name, prompts in things.items()}
        least = LEAST_SCORE if self.least_score is None else self.least_score
        boxes = find_by_text(field, detector, self.text, progress=progress, least_score=least)
        for one in boxes:
            print(f"{self.text!r} in {one.view}: {','.join(f'{value:.0f}' for value in one.box)}")
        return {self.object or self.name: list(boxes)}

    def _beside(self, field: RadianceField) -> dict[float, MaskSet]:
        """Masks of the objects that are there, by moment: 0 where the scene stands still."""
        from sanerf_hq.objects import load_moving_masks, load_segmentation_masks

        if field.moments:
            return load_moving_masks(field, self.name)
        return {0.0: load_segmentation_masks(field, self.name)}

    def _check_new(self, wanted: Iterable[str], before: tuple[str, ...]) -> None:
        """Refuse to add objects of names that are there.

        Raises:
            InputError: There is one; the sentence says how to name it otherwise.
        """
        for one in wanted:
            if one in before:
                remedy = "name the new one by --object"
                if self.prompts is not None:
                    remedy = f"name it otherwise in {self.prompts}"
                elif self.everything:
                    remedy = "find all things in a segmentation of its own"
                raise InputError(f"segmentation {self.name!r} has an object {one!r} already; {remedy}")

    def _prompts_before(self, folder: SegmentationFolder, names: tuple[str, ...]) -> dict[str, list[Prompt]]:
        """What the objects that are there were prompted with."""
        from sanerf_hq.prompts import read_prompts
        from sanerf_hq.runs import read_json

        if not names or not folder.prompts.exists() or not read_json(folder.prompts).get("objects"):
            return {}  # the viewer's may be such that no prompt of a file says them
        return {name: asked for name, asked in read_prompts(folder.prompts).items() if name in names}

    def _shown_before(
        self,
        folder: SegmentationFolder,
        names: tuple[str, ...],
        wanted: dict[str, list[Prompt]],
        scene: Scene,
    ) -> dict[str, Any]:
        """What the viewer keeps of the objects that are there, and the further ones beside them."""
        from sanerf_hq.runs import read_json
        from sanerf_hq.viewer.record import with_more

        if not names or not folder.prompts.exists():
            return {}
        kept = read_json(folder.prompts).get("viewer")
        return {"viewer": with_more(kept, names, wanted, scene)} if isinstance(kept, dict) else {}

    def _prompts(self) -> list[Prompt]:
        """The options as prompts, one for each view.

        Raises:
            InputError: A number is missing, a click has no view, or nothing is prompted.
        """
        from sanerf_hq.prompts import BoxPrompt, PointPrompt, SpacePrompt

        positive = [self._placed(text, 2, "--point") for text in self.point]
        negative = [self._placed(text, 2, "--negative") for text in self.negative]
        boxes = [self._placed(text, 4, "--box") for text in self.box]
        if len({view for view, _ in boxes}) < len(boxes):
            raise InputError("--box is given twice for one view; give one box a view")
        prompts: list[Prompt] = []
        for view in dict.fromkeys(view for view, _ in (*boxes, *positive, *negative)):
            on = tuple((x, y) for name, (x, y) in positive if name == view)
            off = tuple((x, y) for name, (x, y) in negative if name == view)
            box = next(((a, b, c, d) for name, (a, b, c, d) in boxes if name == view), None)
            prompts.append(PointPrompt(view, on, off) if box is None else BoxPrompt(view, box, on, off))
        if self.point3d or self.negative3d:
            on3 = tuple(numbers(text, 3, "--point3d") for text in self.point3d)
            off3 = tuple(numbers(text, 3, "--negative3d") for text in self.negative3d)
            prompts.append(SpacePrompt(on3, off3, time=self.time))  # pyright: ignore[reportArgumentType]
        if not prompts:
            raise InputError(
                "nothing is prompted; give --view with --point or --box, or one of --point3d, --text, "
                "--everything, --prompts"
            )
        return prompts

    def _placed(self, text: str, count: int, option: str) -> tuple[str, tuple[float, ...]]:
        view, colon, rest = text.rpartition(":")
        name = view if colon else self.view
        if name is None:
            raise InputError(f"{option} {text} names no view; add --view, or write VIEW:{text}")
        return name, numbers(rest, count, option)

    def _record(self, prompts: dict[str, list[Prompt]]) -> Record:
        """All objects, those from before too, and by what these were segmented."""
        from sanerf_hq.objects import Record

        return Record(
            prompts, self.segmenter, self.preset, self.segment_on, self.time, self.text, self.everything
        )


def numbers(text: str, count: int, option: str) -> tuple[float, ...]:
    """Comma-separated numbers.

    Raises:
        InputError: Not as many as asked for, or no finite numbers.
    """
    import math

    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != count or not all(map(math.isfinite, values)):
        form = {2: "x,y", 3: "x,y,z", 4: "x0,y0,x1,y1"}[count]
        raise InputError(f"{option} {text!r} is not {count} numbers; write {form}")
    return values
