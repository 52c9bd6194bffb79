"""Straightening: a photo as an ideal pinhole camera in the same place would have taken it."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from sanerf_hq.geometry import Camera, Distortion
from sanerf_hq.scene import View, read_mask, read_rgba

ZOOM_STEP, MOST_STEPS = 1.005, 200  # a narrower view until no pixel of it is outside the photo
STRAIGHT = 0.05  # pixels by which a camera may depart from a straight one


def is_straight(camera: Camera) -> bool:
    """Whether, to 0.05 px, a camera is a pinhole with one focal length and a centred principal point."""
    return departure(camera, _pinhole(camera, camera.focal)) <= STRAIGHT


def departure(camera: Camera, other: Camera) -> float:
    """The farthest that two cameras in one place put a point apart, in pixels, over the image's border."""
    border = _border(camera)
    points = camera.unproject(border, torch.ones(len(border)))
    return float((other.project(points).xy - border).norm(dim=-1).max())


def straight_camera(camera: Camera) -> Camera:
    """The pinhole of the same pose and size that sees as much as it can without leaving the photo."""
    if is_straight(camera):
        return camera
    focal = camera.focal
    border = _border(camera)
    for _ in range(MOST_STEPS):
        found = _pinhole(camera, focal)
        xy = camera.project(found.unproject(border, torch.ones(len(border)))).xy
        size = xy.new_tensor([camera.width, camera.height])
        if bool(((xy >= 0) & (xy <= size)).all()):
            return found
        focal *= ZOOM_STEP
    return _pinhole(camera, focal)


def straightened(view: View, camera: Camera) -> tuple[UInt8[Tensor, "h w c"], Bool[Tensor, "h w"]]:
    """A view's photo, RGB or with opacity RGBA, as another camera in its place sees it; and what may be used.

    Colours are interpolated between the four nearest pixels, weighted by their opacity; the mask is taken
    from the nearest pixel.

    Raises:
        InputError: The photo or its mask is damaged.
    """
    rgba = read_rgba(view).float()
    opacity = rgba[..., 3:] / 255
    layers = torch.cat([rgba[..., :3] * opacity, opacity], -1).permute(2, 0, 1)[None]
    grid = camera.pixel_grid()
    xy = view.camera.project(camera.unproject(grid, torch.ones(len(grid)))).xy
    where = xy / xy.new_tensor([camera.width, camera.height]) * 2 - 1
    where = where.view(1, camera.height, camera.width, 2)
    seen = _sample(layers, where, "bilinear")
    usable = _sample(read_mask(view).float()[None, None], where, "nearest")[..., 0] > 0.5
    if bool((opacity == 1).all()):
        return seen[..., :3].round().clamp(0, 255).byte(), usable
    alpha = seen[..., 3:]
    colours = torch.where(alpha > 0, seen[..., :3] / alpha.clamp_min(1e-6), 0)
    return torch.cat([colours, alpha * 255], -1).round().clamp(0, 255).byte(), usable


def _sample(layers: Float[Tensor, "1 c h w"], where: Float[Tensor, "1 h2 w2 2"], mode: str) -> Tensor:
    # align_corners=False: -1 and 1 are the image's edges, so pixel centres are at +0.5, as ours.
    found = torch.nn.functional.grid_sample(layers, where, mode, "border", align_corners=False)
    return found[0].permute(1, 2, 0)


def _pinhole(camera: Camera, focal: float) -> Camera:
    middle = (camera.width / 2, camera.height / 2)
    K = torch.tensor([[focal, 0.0, middle[0]], [0.0, focal, middle[1]], [0.0, 0.0, 1.0]])
    return replace(camera, K=K, distortion=Distortion())


def _border(camera: Camera) -> Float[Tensor, "n 2"]:
    """Points along the image's edges."""
    share = torch.linspace(0, 1, 33)
    x, y = share * camera.width, share * camera.height
    left, top = torch.zeros_like(y), torch.zeros_like(x)
    right, bottom = torch.full_like(y, camera.width), torch.full_like(x, camera.height)
    return torch.cat([torch.stack(side, -1) for side in ((x, top), (x, bottom), (left, y), (right, y))])
