"""Frames: pictures of an object from any camera, in colour, marked, alone or taken out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from sanerf_hq.evaluate.pictures import MASK_COLOUR, overlay
from sanerf_hq.export.masks import object_mask
from sanerf_hq.export.removal import isolated, without
from sanerf_hq.export.target import MovingTarget, Target
from sanerf_hq.geometry import Camera
from sanerf_hq.objects import object_view
from sanerf_hq.radiance import RadianceField
from sanerf_hq.radiance.gaps import SOLID, nearest_solid
from sanerf_hq.runs import ProgressCallback, quiet
from sanerf_hq.scene import to_bytes

Mode = Literal["colour", "overlay", "alone", "removed"]
Painter = Callable[[Camera], UInt8[Tensor, "h w channels"]]
FAINT = 1 / 255  # opacity below which a pixel has no colour of its own


def moving_painter(target: MovingTarget, mode: Mode, progress: ProgressCallback = quiet) -> Painter:
    """What draws a frame of a scene that moves, at the camera's time; arguments as for :func:`painter`."""

    def paint(camera: Camera) -> UInt8[Tensor, "h w channels"]:
        now = target.at(camera.time)
        if now is not None:
            return painter(now, mode, progress)(camera)
        if mode == "alone":
            return torch.zeros(camera.height, camera.width, 4, dtype=torch.uint8)
        assert camera.time is not None
        seen = to_bytes(target.radiance.at(camera.time).render(camera, progress=progress).rgb)
        nothing = torch.zeros(camera.height, camera.width, dtype=torch.bool)
        return overlay(seen, nothing, MASK_COLOUR) if mode == "overlay" else seen

    return paint


def painter(target: Target, mode: Mode, progress: ProgressCallback = quiet) -> Painter:
    """What draws a frame: RGB, or for ``alone`` RGBA of which colours are not multiplied by opacity.

    Args:
        target: The object.
        mode: The scene as it is, with the object marked, the object alone, or the scene without it.
        progress: Called while a frame is drawn, so that it may raise Cancelled.
    """
    if mode == "alone":
        alone = isolated(target)
        return lambda camera: to_bytes(spread(straight(alone, camera, progress)))
    if mode == "removed":
        rest = without(target)
        return lambda camera: to_bytes(rest.render(camera, progress=progress).rgb)
    if mode == "colour":
        return lambda camera: to_bytes(target.radiance.render(camera, progress=progress).rgb)
    return lambda camera: _marked(target, camera, progress)


def straight(
    field: RadianceField, camera: Camera, progress: ProgressCallback = quiet
) -> Float[Tensor, "h w 4"]:
    """Colour and opacity in [0, 1] of a field that does not fill the picture; colours are not multiplied.

    Where there is hardly any opacity the colour is black.
    """
    seen = field.render(camera, (0.0, 0.0, 0.0), progress)
    opacity = seen.opacity[..., None].clamp(0, 1)
    rgb = torch.where(opacity >= FAINT, seen.rgb / opacity.clamp_min(FAINT), 0)
    return torch.cat([rgb.clamp(0, 1), opacity], -1)


def spread(picture: Float[Tensor, "h w 4"]) -> Float[Tensor, "h w 4"]:
    """The same, with each colourless pixel in the colour of the nearest solid one, as transparent as before.

    A video's colours have half its resolution: what surrounds an outline bleeds into it.
    """
    solid = picture[..., 3] >= SOLID
    if not bool(solid.any()):
        return picture
    nearest = nearest_solid(picture[..., :3], solid)
    rgb = torch.where(picture[..., 3:] >= FAINT, picture[..., :3], nearest)
    return torch.cat([rgb, picture[..., 3:]], -1)


def _marked(target: Target, camera: Camera, progress: ProgressCallback) -> UInt8[Tensor, "h w 3"]:
    seen, surfaces = target.radiance.render_surfaces(camera, progress=progress)
    objects = object_view(target.field.logits_of(surfaces), camera)
    return overlay(to_bytes(seen.rgb), object_mask(target, objects), MASK_COLOUR)
