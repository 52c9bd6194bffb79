"""Images: the pixels of a view, read when asked for.

``width`` asks for the image at ``view.camera.resized(width)``'s size. Photos are averaged over the area of
each pixel; labels are never mixed. Masks, ids and depth may be of another size than the photo, if they are of
its shape: they stay as they are where smaller copies stand for the photos.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, Shaped, UInt8
from PIL import Image
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.scene.colours import as_srgb
from sanerf_hq.scene.image_files import image_size, is_scaled_copy, load_image
from sanerf_hq.scene.scene import View

WHITE = (255, 255, 255)
INTEGER_MODES = ("1", "L", "I", "I;16", "I;16L", "I;16B")
COLOUR_MODES = ("LA", "RGB", "RGBA")  # whose channels may say the same
MASK_THRESHOLD = 128
DEEP_MODES = ("I;16", "I;16L", "I;16B")
PHOTO_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")


def read_image(
    view: View, width: int | None = None, background: tuple[int, int, int] = WHITE
) -> UInt8[Tensor, "h w 3"]:
    """A view's photo in RGB; what is transparent shows ``background``.

    Raises:
        InputError: The file is missing, damaged, of another size or of a kind that is not read.
    """
    photo = _load_photo(view)
    if photo.mode == "RGBA":
        photo = Image.alpha_composite(Image.new("RGBA", photo.size, (*background, 255)), photo)
    return _shrunk(photo.convert("RGB"), *_size(view, width))


def read_rgba(view: View, width: int | None = None) -> UInt8[Tensor, "h w 4"]:
    """A view's photo with its opacity (255 where the file has none); colours are not multiplied by it.

    Raises:
        InputError: As :func:`read_image`.
    """
    photo = _load_photo(view).convert("RGBA")
    return _shrunk(photo, *_size(view, width))


def read_mask(view: View, width: int | None = None) -> Bool[Tensor, "h w"]:
    """Which pixels may be trained on: where the view's mask is not zero; everywhere if it has none.

    A smaller pixel may be used if all pixels under it may.

    Raises:
        InputError: As :func:`read_image`, about the mask, which may be a scaled copy.
    """
    columns, rows = _size(view, width)
    if view.mask_path is None:
        return torch.ones(rows, columns, dtype=torch.bool)
    image = _load_copy(view.mask_path, view)
    if image.mode in INTEGER_MODES:
        values = np.asarray(image)
    elif image.mode in PHOTO_MODES:
        values = np.asarray(image.convert("RGB")).max(-1)
    else:
        raise InputError(f"{view.mask_path} has mode {image.mode}; save the mask as an 8-bit grey PNG")
    forbidden = torch.from_numpy(values == 0)
    if forbidden.shape == (rows, columns):
        return ~forbidden
    covered = torch.nn.functional.adaptive_max_pool2d(forbidden.float()[None], (rows, columns))[0]
    return covered == 0


def read_instances(view: View, width: int | None = None) -> Int64[Tensor, "h w"]:
    """The object id of every pixel, 0 = background.

    Ids are greys. Of an image with a palette they are the indices, as label images with colours have it; the
    greys where all of the palette is grey, or where only black and white of it are used. Colours whose
    channels agree are greys as well.

    A smaller pixel takes the commonest id under it where the sizes divide (of several the one at its
    centre), else the id at its centre.

    Raises:
        InputError: The view has no instance image; or as :func:`read_image`, about that image.
    """
    if view.instance_path is None:
        raise InputError(f"view {view.name} has no instance_path in transforms.json; add its truth")
    image = _load_copy(view.instance_path, view)
    return _shrunk_labels(_integers(image, view.instance_path), *_size(view, width))


def has_truth(view: View, object_id: int | None = None) -> bool:
    """Whether a view has truth: of one object, or of any."""
    if view.instance_path is not None:
        return True
    return any(object_id in (None, mask.id) for mask in view.object_masks)


def instance_mask(view: View, object_id: int, width: int | None = None) -> Bool[Tensor, "h w"]:
    """The truth of one object in a view: its own mask where there is one, else its id's pixels.

    Raises:
        InputError: As :func:`read_instances`.
    """
    for mask in view.object_masks:
        if mask.id == object_id:
            return _object_mask(mask.path, *_size(view, width))
    return read_instances(view, width) == object_id


def object_pixels(view: View, width: int | None = None) -> Bool[Tensor, "h w"]:
    """Pixels that the truth of a view gives to any object.

    Raises:
        InputError: As :func:`read_instances`.
    """
    if not view.object_masks:
        return read_instances(view, width) > 0
    size = _size(view, width)
    return torch.stack([_object_mask(mask.path, *size) for mask in view.object_masks]).any(0)


def read_depth(view: View, width: int | None = None) -> Float[Tensor, "h w"]:
    """Exact z-depth in scene units, 0 where there is none; at another width that of the nearest pixel.

    Raises:
        InputError: The view has no depth image; or as :func:`read_image`, about that image.
    """
    if view.depth_path is None:
        raise InputError(f"view {view.name} has no depth_file_path in transforms.json; add its depth")
    image = _load_copy(view.depth_path, view)
    values = _integers(image, view.depth_path)
    columns, rows = _size(view, width)
    y, x = (
        (2 * torch.arange(n) + 1) * of // (2 * n) for n, of in zip((rows, columns), values.shape, strict=True)
    )
    return values[y[:, None], x].float() * view.depth_unit_scale


def _size(view: View, width: int | None) -> tuple[int, int]:
    """Columns and rows of the image that is asked for."""
    if width is None:
        return view.camera.width, view.camera.height
    if width < 1:
        raise InputError(f"the width of images is {width}; choose at least 1 pixel")
    camera = view.camera.resized(width)
    return camera.width, camera.height


def _load_copy(path: Path, view: View) -> Image.Image:
    """An image that lies over a view's photo, at its own size."""
    size, own = image_size(path), (view.camera.width, view.camera.height)
    if not is_scaled_copy(size, own):
        raise InputError(
            f"{path} is {size[0]}x{size[1]} where {own[0]}x{own[1]} is expected, or a scaled copy; "
            "bring the file to that size"
        )
    return load_image(path, size)


def _load_photo(view: View) -> Image.Image:
    """The photo in sRGB, of mode RGB, or RGBA if anything says what is transparent."""
    image = load_image(view.image_path, (view.camera.width, view.camera.height))
    if image.mode in DEEP_MODES:
        values = np.asarray(image).astype(np.float32) / 257  # 65535 becomes 255
        return Image.fromarray(values.round().astype(np.uint8)).convert("RGB")
    if image.mode not in PHOTO_MODES:
        raise InputError(f"{view.image_path} has mode {image.mode}; save the photo as 8-bit RGB")
    return as_srgb(image, image.info.get("icc_profile"))


def _shrunk(image: Image.Image, columns: int, rows: int) -> UInt8[Tensor, "rows columns c"]:
    """Averaged over the area of each new pixel; transparent pixels lend no colour."""
    if image.width % columns == 0 and image.height % rows == 0:
        return torch.from_numpy(np.array(image.reduce((image.width // columns, image.height // rows))))
    pixels = torch.from_numpy(np.array(image))
    if image.mode == "RGB":
        return _area_average(pixels, rows, columns).round().to(torch.uint8)
    alpha = pixels[..., 3:] / 255
    mean = _area_average(torch.cat([pixels[..., :3] * alpha, alpha], -1), rows, columns)
    opacity = mean[..., 3:].clamp(0, 1)
    colors = torch.where(opacity > 0, mean[..., :3] / opacity, 0).clamp(0, 255)
    return torch.cat([colors, opacity * 255], -1).round().to(torch.uint8)


def _area_average(
    pixels: Shaped[Tensor, "h w c"], rows: int, columns: int
) -> Float[Tensor, "rows columns c"]:
    """Means over areas that end within pixels (Pillow's box filter takes those whole or not at all)."""
    return _row_average(_row_average(pixels, rows).transpose(0, 1), columns).transpose(0, 1)


def _row_average(pixels: Shaped[Tensor, "h w c"], rows: int) -> Float[Tensor, "rows w c"]:
    height = pixels.shape[0]
    edges = torch.arange(rows + 1, dtype=torch.float64) * height / rows
    inside = edges.long().clamp(max=height - 1)  # the pixel that each edge cuts
    above = pixels.cumsum(0, dtype=torch.float32) - pixels
    sums = above[inside] + (edges - inside).float()[:, None, None] * pixels[inside]
    return sums.diff(dim=0) * rows / height


def _object_mask(path: Path, columns: int, rows: int) -> Bool[Tensor, "rows columns"]:
    """Above 128 is the object, as SANeRF-HQ's authors have it; a mask of any size, at the size asked for."""
    image = load_image(path, image_size(path))
    if image.mode not in PHOTO_MODES:
        raise InputError(f"{path} has mode {image.mode}; save the mask as an 8-bit grey PNG")
    inside = torch.from_numpy(np.array(image.convert("L"))) > MASK_THRESHOLD
    return _shrunk_labels(inside.long(), columns, rows) > 0


def _integers(image: Image.Image, path: Path) -> Int64[Tensor, "h w"]:
    if image.mode == "P":
        pixels = _indices_or_greys(image)
    elif image.mode in COLOUR_MODES:
        pixels = _agreed_channels(image, path)
    elif image.mode in INTEGER_MODES:
        pixels = np.asarray(image)
    else:
        raise _no_labels(image, path)
    values = torch.from_numpy(pixels.astype(np.int64))
    if (values < 0).any():
        raise InputError(f"{path} holds numbers below 0; save it as a grey PNG of 8 or 16 bit")
    return values


def _indices_or_greys(image: Image.Image) -> UInt8[np.ndarray, "h w"]:
    """What the pixels of an image with a palette stand for.

    Black and white alone are a mask, whichever comes first in the palette. Single greys among colours are
    labels like others: the palette that DAVIS and VOC share has one.
    """
    indices = np.asarray(image)
    colours = np.arange(256, dtype=np.uint8)[:, None].repeat(3, 1)
    palette = np.array(image.getpalette() or [], np.uint8).reshape(-1, 3)
    colours[: len(palette)] = palette
    used = colours[np.unique(indices)]
    black_and_white = np.isin(used, (0, 255)).all() and (used == used[:, :1]).all()
    return colours[indices, 0] if black_and_white or (colours == colours[:, :1]).all() else indices


def _agreed_channels(image: Image.Image, path: Path) -> UInt8[np.ndarray, "h w"]:
    """The grey that all channels say; opacity must say the same, or nothing."""
    pixels = np.asarray(image)
    grey, others, alpha = pixels[..., 0], pixels[..., 1:], pixels[..., -1]
    if image.mode != "RGB":
        others = others[..., :-1]
        if not bool(((alpha == 255) | (alpha == grey)).all()):
            raise InputError(
                f"{path} is transparent in places, and it is not clear what is meant there; "
                "save it as a grey PNG of 8 or 16 bit"
            )
    if not bool((others == grey[..., None]).all()):
        raise _no_labels(image, path)
    return grey


def _no_labels(image: Image.Image, path: Path) -> InputError:
    return InputError(f"{path} has mode {image.mode}; save it as a grey PNG of 8 or 16 bit")


def _shrunk_labels(ids: Int64[Tensor, "h w"], columns: int, rows: int) -> Int64[Tensor, "rows columns"]:
    height, width = ids.shape
    if height % rows or width % columns:
        y = (2 * torch.arange(rows) + 1) * height // (2 * rows)
        x = (2 * torch.arange(columns) + 1) * width // (2 * columns)
        return ids[y[:, None], x]
    high, wide = height // rows, width // columns
    if high * wide == 1:
        return ids
    blocks = ids.reshape(rows, high, columns, wide).transpose(1, 2).reshape(rows, columns, high * wide)
    commonest = blocks.mode(-1).values
    # Always the smaller id of a tie would shrink every object by a quarter pixel.
    center = blocks[..., high // 2 * wide + wide // 2]
    tied = (blocks == center[..., None]).sum(-1) == (blocks == commonest[..., None]).sum(-1)
    return torch.where(tied, center, commonest)
