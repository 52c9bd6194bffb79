"""Render: a trained run to a picture, from a camera of its scene."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from sanerf_hq.cli.options import Device, check_at_least, check_device
from sanerf_hq.errors import InputError

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8
    from torch import Tensor

    from sanerf_hq.radiance import RenderedView

FARTHEST_GREY = 40  # the farthest surface, told apart from black: nothing there


@dataclass(frozen=True)
class Render:
    """Render a trained run as one of its scene's cameras sees it, training or test.

    Example: sanerf render runs/cape --view IMG_5881 --out cape.png
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder that sanerf train made."""
    view: Annotated[str, tyro.conf.arg(metavar="NAME")]
    """Whose camera: a view's file path in the scene or, where that is unique, the file's stem."""
    out: Annotated[Path, tyro.conf.arg(metavar="PATH.png")]
    """Picture to write; one that is there is replaced."""
    what: Literal["colour", "depth", "opacity"] = "colour"
    """depth is a grey picture: linear in 1/depth, from white (nearest) to dark grey (farthest) in this view;
    black where there is no surface. opacity is black (0) to white (1)."""
    width: Annotated[int | None, tyro.conf.arg(metavar="W")] = None
    """Width of the picture in pixels; the photo's if not given."""
    time: Annotated[float | None, tyro.conf.arg(metavar="T")] = None
    """In a scene that moves: when, from 0 to 1; the time of the view's photo if not given."""
    device: Device = "cpu"
    """Where to compute."""

    def run(self) -> int:
        """Render and write the picture."""
        if self.out.suffix.lower() != ".png":
            raise InputError(f"--out {self.out} is no PNG's name; let it end with .png")
        check_at_least("--width", self.width, 1)
        check_device(self.device)
        from sanerf_hq.cli.console import ConsoleProgress
        from sanerf_hq.radiance import load_radiance_field
        from sanerf_hq.radiance.moments import checked_time
        from sanerf_hq.runs import check_writable, write_bytes
        from sanerf_hq.scene import png

        check_writable(self.out)
        field = load_radiance_field(self.folder, self.device)
        view = field.at_home().scene.view(self.view)  # where training left its camera
        camera = view.camera if self.width is None else view.camera.resized(self.width)
        if self.time is not None:
            camera = replace(camera, time=checked_time(field.moments, self.time))
        with ConsoleProgress() as progress:
            rendered = field.render(camera, progress=progress)
        write_bytes(self.out, png(self._picture(rendered).numpy()))
        print(f"{self.what} of {view.name}, {camera.width}x{camera.height}: {self.out}")
        return 0

    def _picture(self, rendered: RenderedView) -> UInt8[Tensor, "h w *channels"]:
        from sanerf_hq.scene import to_bytes

        if self.what == "depth":
            return depth_picture(rendered.depth.detach().cpu())
        return to_bytes((rendered.rgb if self.what == "colour" else rendered.opacity).detach().cpu())


def depth_picture(depth: Float[Tensor, "h w"]) -> UInt8[Tensor, "h w"]:
    """Depth as greys that are linear in 1/depth: the nearest 255, the farthest 40, NaN 0."""
    import torch

    near = depth.reciprocal()
    seen = depth.isfinite() & (depth > 0)
    if not seen.any():
        return torch.zeros(depth.shape, dtype=torch.uint8)
    low, high = near[seen].min(), near[seen].max()
    share = (near - low) / (high - low) if high > low else torch.ones_like(near)
    grey = FARTHEST_GREY + (255 - FARTHEST_GREY) * share
    return torch.where(seen, grey, torch.zeros_like(grey)).round().to(torch.uint8)
