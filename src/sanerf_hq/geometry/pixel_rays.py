"""Pixel rays: rays of any pixels of many cameras at once, looked up instead of undistorted again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sanerf_hq.geometry.cameras import Camera
from sanerf_hq.geometry.rays import Rays


@dataclass(frozen=True)
class PixelRays:
    """The pixels of a list of cameras, numbered camera by camera and row by row.

    Cameras of equal intrinsics share one table of directions, so a scene taken with one lens costs one image.

    Attributes:
        offsets: First pixel of each camera, and their total as the last.
        table: Directions with z = 1 in the camera's frame, of each distinct lens.
        table_starts: First row of ``table`` for each camera.
        camtoworlds: Poses.
        times: Moment of each camera, or None where none has one.
        widths: Columns of each camera.
    """

    offsets: Int64[Tensor, "n_cameras_plus_1"]
    table: Float[Tensor, "n_rows 2"]
    table_starts: Int64[Tensor, "n_cameras"]
    camtoworlds: Float[Tensor, "n_cameras 4 4"]
    times: Float[Tensor, "n_cameras"] | None
    widths: Int64[Tensor, "n_cameras"]

    @staticmethod
    def of(cameras: list[Camera], device: torch.device | str = "cpu") -> PixelRays:
        """Number the pixels of ``cameras`` and undistort them once."""
        known: dict[tuple[object, ...], int] = {}
        tables: list[Tensor] = []
        starts, sizes = [], []
        rows = 0
        for camera in cameras:
            if camera.lens not in known:
                known[camera.lens] = rows
                tables.append(camera.local_directions(camera.pixel_grid())[:, :2])
                rows += tables[-1].shape[0]
            starts.append(known[camera.lens])
            sizes.append(camera.n_pixels)
        moments = [camera.time for camera in cameras if camera.time is not None]
        if moments and len(moments) != len(cameras):
            raise ValueError("cameras with and without a time cannot be numbered together")
        return PixelRays(
            torch.tensor([0, *sizes]).cumsum(0).to(device),
            torch.cat(tables).to(device),
            torch.tensor(starts).to(device),
            torch.stack([camera.camtoworld for camera in cameras]).to(device),
            torch.tensor(moments).to(device) if moments else None,
            torch.tensor([camera.width for camera in cameras]).to(device),
        )

    @property
    def n_pixels(self) -> int:
        return int(self.offsets[-1])

    def cameras_of(self, pixels: Int64[Tensor, "n_rays"]) -> Int64[Tensor, "n_rays"]:
        """Index of the camera that each pixel belongs to."""
        return torch.searchsorted(self.offsets, pixels, right=True) - 1

    def lines(
        self,
        pixels: Int64[Tensor, "n"],
        columns: Int64[Tensor, "n"],
        rows: Int64[Tensor, "n"],
    ) -> tuple[Int64[Tensor, "n"], Int64[Tensor, "n"], Int64[Tensor, "n"]]:
        """Each pixel between its two neighbours so many columns and rows away.

        Near the border it is moved inwards; a step of more than half the picture is made as long as fits.
        """
        camera = self.cameras_of(pixels)
        first, width = self.offsets[camera], self.widths[camera]
        height = (self.offsets[camera + 1] - first) // width
        y, x = (pixels - first) // width, (pixels - first) % width
        columns, rows = torch.minimum(columns, (width - 1) // 2), torch.minimum(rows, (height - 1) // 2)
        x = torch.minimum(torch.maximum(x, columns), width - 1 - columns)
        y = torch.minimum(torch.maximum(y, rows), height - 1 - rows)
        middle, step = first + y * width + x, rows * width + columns
        return middle - step, middle, middle + step

    def rays(self, pixels: Int64[Tensor, "n_rays"]) -> Rays:
        """Rays through the centres of ``pixels``."""
        camera = self.cameras_of(pixels)
        local = self.table[self.table_starts[camera] + pixels - self.offsets[camera]]
        pose = self.camtoworlds[camera]
        directions = pose[:, :3, 2] + pose[:, :3, 0] * local[:, :1] + pose[:, :3, 1] * local[:, 1:]
        lengths = directions.norm(dim=-1, keepdim=True)
        times = None if self.times is None else self.times[camera]
        return Rays(pose[:, :3, 3].contiguous(), directions / lengths, lengths[:, 0].reciprocal(), times)
