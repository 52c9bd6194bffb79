"""Warp: a frame as it looks from a little further on, by its depth alone; nothing is rendered.

While the camera moves this is the first picture: sharper than a coarse one, and at once. What no pixel of the
frame shows is taken from its neighbours; where that would be much, there is no such picture.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sanerf_hq.geometry import Camera
from sanerf_hq.viewer.frames import Frame
from sanerf_hq.viewer.viewpoint import Viewpoint

MOST_HOLES = 0.2  # share of the picture
REACH = 8  # pixels that a hole's neighbours may be away


def warped(frame: Frame, viewpoint: Viewpoint, size: tuple[int, int]) -> Frame | None:
    """The frame from another viewpoint.

    Args:
        frame: What is known.
        viewpoint: Where it is seen from.
        size: Width and height of the picture, pixels.

    Returns:
        The picture; None where too much of it is unknown.
    """
    camera = viewpoint.camera(*size)
    far = frame.depth.nan_to_num(nan=float(frame.depth.nan_to_num(0).max()) * 10 + 1)
    points = frame.camera.unproject(frame.camera.pixel_grid(), far.flatten())
    source, depth = nearest(camera, points)
    holes = source < 0
    if float(holes.float().mean()) > MOST_HOLES:
        return None
    source = filled(source)
    if bool((source < 0).any()):
        return None
    flat = source.flatten()
    known = frame.depth.flatten()[flat].isfinite().view(source.shape)
    seen = torch.where(known & depth.isfinite(), depth, frame.depth.flatten()[flat].view(source.shape))
    return replace(
        frame,
        viewpoint=viewpoint,
        camera=camera,
        rgb=frame.rgb.reshape(-1, 3)[flat].view(*source.shape, 3),
        depth=seen,
        surfaces=frame.surfaces.take(flat.to(frame.surfaces.weights.device)),
        is_first=True,
        is_final=False,
    )


def nearest(
    camera: Camera, points: Float[Tensor, "n 3"]
) -> tuple[Int64[Tensor, "h w"], Float[Tensor, "h w"]]:
    """The nearest of some points in each pixel (-1: none), and its depth (infinity: none)."""
    seen = camera.project(points)
    index = seen.on_screen.nonzero()[:, 0]
    x, y = seen.xy[index].long().unbind(-1)
    pixel = y * camera.width + x
    depth = torch.full((camera.height * camera.width,), torch.inf)
    depth.scatter_reduce_(0, pixel, seen.depth[index], "amin")
    first = seen.depth[index] <= depth[pixel]
    source = torch.full((camera.height * camera.width,), -1, dtype=torch.int64)
    source[pixel[first]] = index[first]
    return source.view(camera.height, camera.width), depth.view(camera.height, camera.width)


def filled(source: Int64[Tensor, "h w"]) -> Int64[Tensor, "h w"]:
    """Holes filled from their neighbours, a pixel at a time from their rims."""
    for _ in range(REACH):
        if not bool((source < 0).any()):
            break
        grown = torch.nn.functional.max_pool2d(source[None, None].double(), 3, 1, 1)[0, 0].long()
        source = torch.where(source < 0, grown, source)
    return source
