"""Segment: clicks, a box or 3D points to an object in a trained run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from sanerf_hq.cli.options import Device, check_device
from sanerf_hq.errors import InputError

if TYPE_CHECKING:
    from sanerf_hq.masks import MaskSet
    from sanerf_hq.objects import ObjectField
    from sanerf_hq.prompts import Prompt

PREVIEW_VIEWS = 6
PREVIEW_WIDTH = 480


@dataclass(frozen=True)
class Segment:
    """Cut an object out of a trained run: prompts -> masks of the views -> a 3D mask, kept under a name.

    Clicks are pixels x,y of the photo of --view, or of another one as VIEW:x,y. Which segmenters there are:
    sanerf doctor.

    Example: sanerf segment runs/cape --name cape --view IMG_5881 --point 197,202 --point 417,317
    --negative 300,428
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder that sanerf train made."""
    name: Annotated[str, tyro.conf.arg(metavar="NAME")]
    """Name of the object, and of its folder in the run."""
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
    segmenter: Annotated[str, tyro.conf.arg(metavar="S")] = "grabcut"
    """What turns prompts into masks: grabcut, sam[:...], sam_hq[:...], masks:FOLDER, truth."""
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
        prompts = self._prompts()
        from dataclasses import replace

        from sanerf_hq.cli.console import ConsoleProgress
        from sanerf_hq.masks import DECODE_PRESETS, decode_masks
        from sanerf_hq.objects import OBJECT_PRESETS, train_object_field
        from sanerf_hq.radiance import load_radiance_field
        from sanerf_hq.runs import check_name, write_json
        from sanerf_hq.segmenters import load_segmenter

        field = load_radiance_field(self.folder, self.device)
        run = field.at_home().run
        existing = run.segmentation_names()
        name = check_name(self.name, [] if self.replace else existing)
        decoding = DECODE_PRESETS[self.preset]
        if self.segment_on is not None:
            decoding = replace(decoding, segment_on=self.segment_on)
        segmenter = load_segmenter(self.segmenter, field.at_home().scene, self.device)
        with ConsoleProgress() as progress:
            masks = decode_masks(field, segmenter, prompts, name, decoding, progress)
            if self.replace:
                run.remove_segmentation(name)
            found = train_object_field(field, masks, name, OBJECT_PRESETS[self.preset], progress)
        folder = run.segmentation(name)
        write_json(folder.prompts, self._record())
        write_json(folder.identities, {"identities": list(masks.names)})
        preview = folder.folder / "preview.jpg"
        draw_preview(found, masks, preview)
        n_views = len(field.at_home().views)
        print(f"{name}: masks in {len(masks.views)} of {n_views} training views")
        print(f"segmentation: {folder.folder}")
        print(f"preview: {preview}")
        return 0

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
            prompts.append(SpacePrompt(on3, off3))  # pyright: ignore[reportArgumentType]
        if not prompts:
            raise InputError("nothing is prompted; give --view with --point or --box, or --point3d")
        return prompts

    def _placed(self, text: str, count: int, option: str) -> tuple[str, tuple[float, ...]]:
        view, colon, rest = text.rpartition(":")
        name = view if colon else self.view
        if name is None:
            raise InputError(f"{option} {text} names no view; add --view, or write VIEW:{text}")
        return name, numbers(rest, count, option)

    def _record(self) -> dict[str, object]:
        return {
            "view": self.view,
            "point": list(self.point),
            "negative": list(self.negative),
            "box": list(self.box),
            "point3d": list(self.point3d),
            "negative3d": list(self.negative3d),
            "segmenter": self.segmenter,
            "segment_on": self.segment_on,
            "preset": self.preset,
        }


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


def draw_preview(field: ObjectField, masks: MaskSet, path: Path) -> None:
    """A sheet of training views with the 3D mask drawn over the photos."""
    import io

    from PIL import Image

    from sanerf_hq.evaluate import contact_sheet
    from sanerf_hq.evaluate.pictures import MASK_COLOUR, overlay
    from sanerf_hq.runs import write_bytes
    from sanerf_hq.scene import read_image

    home = field.radiance.at_home()
    names = [segment.view for segment in masks.segments if segment.mask.area]
    step = max(1, len(names) // PREVIEW_VIEWS)
    pictures = []
    for name in names[::step][:PREVIEW_VIEWS]:
        view = home.scene.view(name)
        camera = home.sized(view)
        camera = camera.resized(min(PREVIEW_WIDTH, camera.width))
        photo = read_image(view, camera.width)
        pictures.append(overlay(photo, field.render(camera).mask[: photo.shape[0]], MASK_COLOUR))
    content = io.BytesIO()
    Image.fromarray(contact_sheet(pictures, 3).numpy()).save(content, "JPEG", quality=90)
    write_bytes(path, content.getvalue())
