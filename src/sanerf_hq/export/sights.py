"""Sights: what the training cameras see of an object, as small maps round it.

Where the object's pixels lie is known from the masks it was made from; in views that have none, from rays
along its outline. How far away things are is known from the view samples, one in each block of pixels: they
are there already, so hardly anything is marched.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.export.target import Target
from sanerf_hq.geometry import Camera, from_unit, uncontract
from sanerf_hq.radiance import RadianceField, SurfaceSamples, ViewSamples, load_view_samples
from sanerf_hq.runs import Progress, ProgressCallback, quiet

STAGE = "look"
MOST_VIEWS = 96
ENOUGH_VIEWS = 16  # views with masks from which on no other is looked at
MOST_RAYS = 160_000  # along outlines, over all views without masks
FIRST_LIGHT = 0.05  # share of the light that is stopped where a ray first meets something; gloss lets more by
MARGIN = 3  # blocks round the object
LEAST_SEEN = 8  # blocks with the object in them, over all views, below which there is nothing to export


@dataclass(frozen=True)
class Sight:
    """A view's window onto the object.

    Attributes:
        camera: Of the window: its K and size are the window's.
        share: The object's share of each pixel, in [0, 1].
        front: z-depth where a ray first meets the object; 0 where it is not known, or something else is met.
        depth: z-depth of the surface, the object's or not (Eq. 5); infinity where there is none.
        rays: Of the blocks' samples, pixel coordinates in the window.
        ray_front: z-depth where each of these rays first meets anything; infinity where it meets nothing.
        ray_share: The object's share of each.
    """

    camera: Camera
    share: Float[Tensor, "h w"]
    front: Float[Tensor, "h w"]
    depth: Float[Tensor, "h w"]
    rays: Float[Tensor, "n_rays 2"]
    ray_front: Float[Tensor, "n_rays"]
    ray_share: Float[Tensor, "n_rays"]


@dataclass(frozen=True)
class _Blocks:
    """One view's samples, laid out by rows and columns of blocks.

    Attributes:
        number: Of the view.
        size: Of a block, pixels.
        share: The object's share of each sample.
        index: Numbers of the samples.
        mask: The object's pixels, where that is known.
    """

    number: int
    size: int
    share: Float[Tensor, "rows columns"]
    index: Int64[Tensor, "rows columns"]
    mask: Bool[Tensor, "h w"] | None

    @property
    def on(self) -> Bool[Tensor, "rows columns"]:
        """Blocks that the object may show in."""
        on = self.share > 0.5
        if self.mask is None:
            return on
        h, w = self.mask.shape
        rows, columns = on.shape
        whole = torch.nn.functional.pad(self.mask, (0, columns * self.size - w, 0, rows * self.size - h))
        return on | whole.view(rows, self.size, columns, self.size).any(3).any(1)


def look(target: Target, progress: ProgressCallback = quiet) -> list[Sight]:
    """What the training cameras see of the object; the views that see it largest, where there are many.

    Raises:
        InputError: No training view sees it.
        Cancelled: The callback asked for it.
    """
    home = target.radiance.at_home()
    pool = load_view_samples(target.radiance, progress)
    share = shares(target, pool.surfaces)
    masks = target.masks()
    blocks = [
        _blocks(pool, share, home.cameras[n], n, masks.get(view.name)) for n, view in enumerate(home.views)
    ]
    if sum(int((block.share > 0.5).sum()) for block in blocks) < LEAST_SEEN:
        raise InputError(f"no training view shows {target.name!r}; segment it again, with other prompts")
    seen = [(block, int(block.on.sum())) for block in blocks]
    if sum(size > 0 and block.mask is not None for block, size in seen) >= ENOUGH_VIEWS:
        seen = [(block, size) for block, size in seen if block.mask is not None]
    largest = sorted((size, block.number) for block, size in seen if size)[-MOST_VIEWS:]
    chosen = [blocks[number] for number in sorted(number for _, number in largest)]
    stride = _stride([block for block in chosen if block.mask is None])
    sights = []
    for done, block in enumerate(chosen):
        progress(Progress(STAGE, done, len(chosen)))
        sights.append(_sight(target, pool, block, home.cameras[block.number], stride))
    progress(Progress(STAGE, len(chosen), len(chosen)))
    return sights


def shares(target: Target, surfaces: SurfaceSamples) -> Float[Tensor, "n_rays"]:
    """The object's share of rays, in [0, 1]."""
    return target.share_of(target.field.logits_of(surfaces)).cpu()


def first_light(
    field: RadianceField, surfaces: SurfaceSamples, origins: Float[Tensor, "n_rays 3"]
) -> Float[Tensor, "n_rays"]:
    """Distance in scene units at which rays have lost :data:`FIRST_LIGHT`; infinity where they never do."""
    rays = surfaces.ray_indices.cpu()
    points = field.world.to_scene(uncontract(from_unit(surfaces.unit_points))).cpu()
    distance = (points - origins[rays]).norm(dim=-1)
    weights = surfaces.weights.cpu().double()
    before = weights.cumsum(0) - weights
    first, count = surfaces.packed_info.long().cpu().unbind(-1)
    start = torch.zeros(len(surfaces), dtype=torch.float64)
    start[count > 0] = before[first[count > 0]]
    reached = before + weights - start[rays] >= FIRST_LIGHT
    result = torch.full((len(surfaces),), math.inf)
    return result.scatter_reduce(0, rays[reached], distance[reached], "amin")


def _blocks(
    pool: ViewSamples,
    share: Float[Tensor, "n"],
    camera: Camera,
    number: int,
    mask: Bool[Tensor, "h w"] | None,
) -> _Blocks:
    here = pool.of_view(number)
    shape = pool.blocks_of(camera.width, camera.height)
    index = torch.arange(here.start, here.stop).view(shape)
    return _Blocks(number, pool.block, share[here].view(shape), index, mask)


def _window(on: Bool[Tensor, "rows columns"]) -> tuple[slice, slice]:
    """Rows and columns of blocks round the object, with room for its surroundings."""
    sides = [on.any(1).nonzero()[:, 0], on.any(0).nonzero()[:, 0]]
    room = MARGIN + max(int(side[-1] - side[0]) for side in sides) // 4
    firsts = [max(int(side[0]) - room, 0) for side in sides]
    lasts = [min(int(side[-1]) + room + 1, n) for side, n in zip(sides, on.shape, strict=True)]
    return slice(firsts[0], lasts[0]), slice(firsts[1], lasts[1])


def _mixed(share: Float[Tensor, "rows columns"]) -> Bool[Tensor, "rows columns"]:
    """Blocks that have another owner than one beside them."""
    owned = (share > 0.5).float()[None, None]
    most = torch.nn.functional.max_pool2d(owned, 3, 1, 1)
    least = -torch.nn.functional.max_pool2d(-owned, 3, 1, 1)
    return (most > least)[0, 0]


def _stride(blocks: list[_Blocks]) -> int:
    """Every how many pixels a ray is marched along outlines."""
    n_mixed = sum(int(_mixed(block.share).sum()) for block in blocks)
    size = blocks[0].size if blocks else 1
    for stride in range(1, size):
        if size % stride == 0 and n_mixed * (size // stride) ** 2 <= MOST_RAYS:
            return stride
    return size


def _sight(target: Target, pool: ViewSamples, block: _Blocks, camera: Camera, stride: int) -> Sight:
    field, size = target.radiance, block.size
    rows, columns = _window(block.on)
    index = block.index[rows, columns].flatten()
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    xy = _positions(pool, index, field.at_home().pixel_rays.offsets[block.number], camera)
    along = camera.rays(xy)
    surfaces = pool.surfaces.take(index)
    ray_front = first_light(field, surfaces, along.origins) * along.cosines
    ray_depth = _depth(field, surfaces) * along.cosines
    corner = torch.tensor([columns.start * size, rows.start * size])
    window = _cropped(camera, corner, shape[1] * size, shape[0] * size)
    ray_share = block.share[rows, columns]

    def enlarged(values: Tensor) -> Tensor:
        return values.view(shape).repeat_interleave(size, 0).repeat_interleave(size, 1)

    if block.mask is None:
        share = _outlined(
            target, window, enlarged(ray_share), enlarged(_mixed(block.share)[rows, columns]), stride
        )
    else:
        share = torch.zeros(window.height, window.width)
        part = block.mask[rows.start * size : rows.stop * size, columns.start * size : columns.stop * size]
        share[: part.shape[0], : part.shape[1]] = part.float()
        sure = ray_share * ((ray_share > 0.5) & ~_mixed(ray_share))
        share = torch.maximum(share, enlarged(sure))
    front = torch.where(ray_share.flatten() > 0.5, ray_front, 0.0).nan_to_num(posinf=0.0)
    return Sight(
        window, share, enlarged(front), enlarged(ray_depth), xy - corner, ray_front, ray_share.flatten()
    )


def _outlined(
    target: Target, window: Camera, share: Float[Tensor, "h w"], mixed: Bool[Tensor, "h w"], stride: int
) -> Float[Tensor, "h w"]:
    """The object's share with rays marched near its outline."""
    small = window.resized(window.width // stride, window.height // stride)
    asked = mixed[::stride, ::stride]
    result = share[::stride, ::stride].clone()
    result[asked] = shares(target, target.radiance.surfaces(small.rays(small.pixel_grid()[asked.flatten()])))
    return result.repeat_interleave(stride, 0).repeat_interleave(stride, 1)


def _positions(
    pool: ViewSamples, index: Int64[Tensor, "n"], offset: Int64[Tensor, ""], camera: Camera
) -> Float[Tensor, "n 2"]:
    """Pixel centres of samples in their view."""
    flat = pool.pixels[index] - offset
    return torch.stack([flat % camera.width, flat // camera.width], -1).float() + 0.5


def _depth(field: RadianceField, surfaces: SurfaceSamples) -> Float[Tensor, "n_rays"]:
    return field.world.length_to_scene(surfaces.distance).cpu().nan_to_num(nan=math.inf)


def _cropped(camera: Camera, corner: Int64[Tensor, "2"], width: int, height: int) -> Camera:
    K = camera.K.clone()
    K[:2, 2] -= corner
    return replace(camera, K=K, width=width, height=height)
