"""Pictures: masks drawn over photos, what a mask got wrong, and sheets of several pictures.

Every picture is RGB uint8. The colours are told apart with any colour vision: they differ in lightness and
along the blue-yellow axis, which nearly everybody sees.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64, UInt8
from torch import Tensor

from sanerf_hq.evaluate.metrics import Overlap, boundary

Colour = tuple[int, int, int]

# Of objects, after Okabe and Ito.
PALETTE: tuple[Colour, ...] = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (240, 228, 66),
    (213, 94, 0),
    (0, 114, 178),
)
SEGMENTER_COLOUR: Colour = (240, 228, 66)
MASK_COLOUR = PALETTE[0]
TRUTH_COLOUR: Colour = (255, 255, 255)

RIGHT_COLOUR: Colour = (226, 229, 233)
EXTRA_COLOUR: Colour = (245, 145, 0)
MISSED_COLOUR: Colour = (0, 104, 255)

MIN_WINDOW = 0.3  # of the image's height and width: keeps some surroundings around a small object
WINDOW_MARGIN = 0.25  # of the object's own size, on each side


@dataclass(frozen=True)
class ObjectView:
    """Pictures of one object in one test view. The photo is whole, the others may be a part of it, enlarged.

    Attributes:
        view: The view's name.
        photo: The photo, a frame around the part that the others show.
        segmenter: The segmenter alone drawn over the photo; None if it was not asked.
        mask: The 3D mask drawn over the photo.
        truth: The truth drawn over the photo; None where there is none.
        difference: See :func:`difference`; None without truth.
        iou: The 3D mask's IoU in this view; None without truth or where both are empty.
    """

    view: str
    photo: UInt8[Tensor, "h w 3"]
    segmenter: UInt8[Tensor, "part_h part_w 3"] | None
    mask: UInt8[Tensor, "part_h part_w 3"]
    truth: UInt8[Tensor, "part_h part_w 3"] | None
    difference: UInt8[Tensor, "part_h part_w 3"] | None
    iou: float | None


@dataclass(frozen=True)
class ObjectPictures:
    """An object's strip of test views.

    Attributes:
        scene: Name of its scene.
        name: Its name.
        views: One row each.
    """

    scene: str
    name: str
    views: tuple[ObjectView, ...]


@dataclass(frozen=True)
class RenderView:
    """A test photo beside its render.

    Attributes:
        view: The view's name.
        photo: The photo.
        render: The radiance field from the same camera.
        psnr: Between the two, dB; None if not measured.
    """

    view: str
    photo: UInt8[Tensor, "h w 3"]
    render: UInt8[Tensor, "h w 3"]
    psnr: float | None


@dataclass(frozen=True)
class ScenePictures:
    """A scene's strip of test views.

    Attributes:
        scene: Its name.
        views: One row each.
    """

    scene: str
    views: tuple[RenderView, ...]


def draw_object_view(
    view: str,
    photo: UInt8[Tensor, "h w 3"],
    prediction: Bool[Tensor, "h w"],
    truth: Bool[Tensor, "h w"] | None,
    segmenter: Bool[Tensor, "h w"] | None,
) -> ObjectView:
    """Draw one row of an object's strip, cut to the part of the view where its masks are.

    Args:
        view: The view's name.
        photo: The test photo.
        prediction: The 3D mask from the photo's camera.
        truth: The true mask, or None.
        segmenter: The segmenter's own mask of the photo, or None if it was not asked.
    """
    shown = prediction
    for other in (truth, segmenter):
        shown = shown if other is None else shown | other
    rows, columns = window(shown)
    part = photo[rows, columns]
    true_part = None if truth is None else truth[rows, columns]
    alone = None if segmenter is None else overlay(part, segmenter[rows, columns], SEGMENTER_COLOUR)
    iou = None
    if truth is not None:
        iou = Overlap(int((prediction & truth).sum()), int((prediction | truth).sum())).iou
    return ObjectView(
        view=view,
        photo=_framed(photo, rows, columns),
        segmenter=alone,
        mask=overlay(part, prediction[rows, columns], MASK_COLOUR),
        truth=None if true_part is None else overlay(part, true_part, TRUTH_COLOUR),
        difference=None if true_part is None else difference(part, prediction[rows, columns], true_part),
        iou=iou,
    )


def overlay_all(photo: UInt8[Tensor, "h w 3"], labels: Int64[Tensor, "h w"]) -> UInt8[Tensor, "h w 3"]:
    """The photo with each object tinted and outlined in a colour of :data:`PALETTE`, the rest darkened.

    Args:
        photo: The photo.
        labels: Number of each pixel's object, from 1; 0 is none.
    """
    result = (0.45 * photo.float()).round().to(torch.uint8)
    for number in labels.unique().tolist():
        if number > 0:
            mask = labels == number
            drawn = overlay(photo, mask, PALETTE[(number - 1) % len(PALETTE)])
            result[mask] = drawn[mask]
    return result


def overlay(
    photo: UInt8[Tensor, "h w 3"], mask: Bool[Tensor, "h w"], colour: Colour
) -> UInt8[Tensor, "h w 3"]:
    """The photo with the mask tinted and outlined in ``colour``, the rest darkened."""
    picture = photo.float()
    tint = torch.tensor(colour, dtype=torch.float32)
    inside = 0.65 * picture + 0.35 * tint
    result = torch.where(mask[..., None], inside, 0.45 * picture)
    result[boundary(mask, _line_width(mask))] = tint
    return result.round().to(torch.uint8)


def difference(
    photo: UInt8[Tensor, "h w 3"], prediction: Bool[Tensor, "h w"], truth: Bool[Tensor, "h w"]
) -> UInt8[Tensor, "h w 3"]:
    """What the prediction got right (pale), took too much (orange) and missed (blue), over a grey photo."""
    grey = photo.float() @ torch.tensor([0.299, 0.587, 0.114])
    result = (0.35 * grey)[..., None].repeat(1, 1, 3)
    agree = prediction & truth
    result[agree] = 0.3 * grey[agree][:, None] + 0.7 * torch.tensor(RIGHT_COLOUR, dtype=torch.float32)
    result[prediction & ~truth] = torch.tensor(EXTRA_COLOUR, dtype=torch.float32)
    result[truth & ~prediction] = torch.tensor(MISSED_COLOUR, dtype=torch.float32)
    return result.round().to(torch.uint8)


def window(mask: Bool[Tensor, "h w"]) -> tuple[slice, slice]:
    """Rows and columns around a mask with some margin, of the image's proportions; all if it is empty."""
    height, width = mask.shape
    if not bool(mask.any()):
        return slice(0, height), slice(0, width)
    scale = MIN_WINDOW
    centers = []
    for size, dim in ((height, 1), (width, 0)):
        hit = mask.any(dim).nonzero()[:, 0]
        first, last = int(hit[0]), int(hit[-1]) + 1
        centers.append((first + last) / 2)
        scale = max(scale, (last - first) * (1 + 2 * WINDOW_MARGIN) / size)
    scale = min(scale, 1.0)
    rows, columns = (
        _span(center, max(1, round(scale * size)), size)
        for center, size in zip(centers, (height, width), strict=True)
    )
    return rows, columns


def contact_sheet(
    pictures: list[UInt8[Tensor, "_ _ 3"]], columns: int, gap: int = 8, background: Colour = (255, 255, 255)
) -> UInt8[Tensor, "h w 3"]:
    """Several pictures as one, row by row.

    Args:
        pictures: At least one; each is scaled to fit into a place of the first one's size.
        columns: Pictures a row, ≥ 1.
        gap: Pixels between pictures, ≥ 0.
        background: Colour of the gaps, of the last row's empty places, and beside pictures of another shape.

    Raises:
        ValueError: There is no picture or no column.
    """
    if not pictures or columns < 1:
        raise ValueError("a contact sheet needs a picture and a column")
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    columns = min(columns, len(pictures))
    sheet = torch.tensor(background, dtype=torch.uint8).repeat(
        rows * (height + gap) - gap, columns * (width + gap) - gap, 1
    )
    for index, picture in enumerate(pictures):
        scale = min(height / picture.shape[0], width / picture.shape[1])
        high, wide = (max(1, round(scale * side)) for side in picture.shape[:2])
        top = index // columns * (height + gap) + (height - high) // 2
        left = index % columns * (width + gap) + (width - wide) // 2
        sheet[top : top + high, left : left + wide] = resize(picture, high, wide)
    return sheet


def resize(picture: UInt8[Tensor, "_ _ 3"], height: int, width: int) -> UInt8[Tensor, "h w 3"]:
    """The picture with ``height`` x ``width`` pixels, smoothed where it shrinks."""
    if picture.shape[:2] == (height, width):
        return picture
    channels_first = picture.permute(2, 0, 1)[None].float()
    scaled = torch.nn.functional.interpolate(
        channels_first, (height, width), mode="bilinear", antialias=True, align_corners=False
    )
    return scaled[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).contiguous()


def _span(center: float, length: int, size: int) -> slice:
    start = min(max(round(center - length / 2), 0), size - length)
    return slice(start, start + length)


def _framed(photo: UInt8[Tensor, "h w 3"], rows: slice, columns: slice) -> UInt8[Tensor, "h w 3"]:
    """The photo with a white frame, edged in black, around a part of it; unchanged if that is all of it."""
    part = torch.zeros(photo.shape[:2], dtype=torch.bool)
    part[rows, columns] = True
    if bool(part.all()):
        return photo
    line = _line_width(part)
    framed = photo.clone()
    framed[boundary(part, 2 * line)] = 0
    framed[boundary(part, line)] = 255
    return framed


def _line_width(mask: Bool[Tensor, "h w"]) -> int:
    """A line that stays visible when the picture is shown some 300 pixels wide."""
    return max(1, round(mask.shape[1] / 300))
