"""Window: what a browser shows behind its panel: pictures, cameras that fly, frusta, marks of clicks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import viser
from jaxtyping import Float, UInt8
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Camera
from sanerf_hq.scene import View, read_image
from sanerf_hq.viewer.crop import CropBox
from sanerf_hq.viewer.state import ObjectState
from sanerf_hq.viewer.viewpoint import SAME_PLACE, Seen, Viewpoint

MOST_FRUSTA = 120
THUMBNAIL = 64  # pixels wide
JPEG_QUALITY = 92
ON, BESIDE = (40, 200, 80), (225, 50, 50)
FRUSTUM_SHARE, MARK_SHARE, LINE_SHARE = 0.06, 0.006, 0.0015  # of the distance that cameras look at things


@dataclass(frozen=True)
class Thumbnail:
    """A view as its frustum shows it."""

    view: View
    point: Viewpoint
    aspect: float
    image: UInt8[np.ndarray, "h w 3"]


def thumbnails(views: Sequence[View], distance: float) -> tuple[Thumbnail, ...]:
    """Of some views, or of so many of them as a page can show.

    Args:
        views: The views.
        distance: How far off they look at something, scene units.
    """
    views = views[:: 1 + len(views) // MOST_FRUSTA]
    found = []
    for view in views:
        camera = view.camera
        image = read_image(view, min(THUMBNAIL, camera.width)).numpy()
        point = Viewpoint.of_camera(camera, distance)
        found.append(Thumbnail(view, point, camera.width / camera.height, image))
    return tuple(found)


def set_up(server: viser.ViserServer, cameras: Sequence[Camera]) -> None:
    """What all browsers have in common: which way is up, and how the panel looks."""
    ups = torch.stack([-camera.camtoworld[:3, 1] for camera in cameras])
    x, y, z = ups.mean(0).tolist()
    server.scene.set_up_direction((x, y, z))
    server.gui.main_panel.dock_right()
    server.gui.configure_theme(show_logo=False, show_share_button=False, control_width="medium")


class Window:
    """One browser's picture and camera."""

    def __init__(self, client: viser.ClientHandle, distance: float) -> None:
        """Prepare it; ``distance`` is how far off the scene's cameras look at something, scene units."""
        self.client, self.distance = client, distance
        self._frusta: dict[str, viser.CameraFrustumHandle] = {}
        self._marks: list[viser.IcosphereHandle] = []
        self._crop: viser.BoxHandle | None = None
        self._hidden: str | None = None
        client.camera.near = self.distance * 0.01
        client.camera.far = self.distance * 100

    def viewpoint(self) -> Seen | None:
        """Where the browser looks from, and its canvas; None where what it says is no camera."""
        camera = self.client.camera
        try:
            point = Viewpoint(
                _numbers(camera.position),
                _four(camera.wxyz),
                float(camera.fov),
                _numbers(camera.look_at),
                _numbers(camera.up_direction),
            )
            return point, (int(camera.image_width), int(camera.image_height))
        except (InputError, TypeError, ValueError, AssertionError):
            return None

    def is_along(
        self,
        origin: Float[Tensor, "3"],
        direction: Float[Tensor, "3"],
        xy: tuple[float, float],
        seen: Seen,
    ) -> bool:
        """Whether a browser looks along a ray at a place of what it sees, x and y in [0, 1]."""
        camera = seen[0].camera(*seen[1])
        ray = camera.rays(torch.tensor([[xy[0] * camera.width, xy[1] * camera.height]]))
        away = float((ray.origins[0] - origin).norm()) / self.distance
        apart = float(torch.linalg.cross(ray.directions[0], direction).norm() / direction.norm())
        return away < SAME_PLACE and apart < SAME_PLACE and float(ray.directions[0] @ direction) > 0

    def fly(self, point: Viewpoint) -> None:
        """Look from somewhere else."""
        camera = self.client.camera
        with self.client.atomic():
            camera.up_direction = point.up
            camera.position = point.position
            camera.look_at = point.look_at
            camera.fov = point.fov
        self.client.flush()

    def show(self, pixels: UInt8[Tensor, "h w 3"], depth: Float[Tensor, "h w"] | None) -> None:
        """Put a picture behind everything; what lies behind its depth is hidden by it."""
        far = None if depth is None else depth.nan_to_num(self.distance * 100).numpy()
        self.client.scene.set_background_image(pixels.numpy(), "jpeg", jpeg_quality=JPEG_QUALITY, depth=far)
        self.client.flush()

    def put_frusta(self, shown: tuple[Thumbnail, ...], fly_to: Callable[[View], None]) -> None:
        """Cameras of views, in place of any others; a click on one flies there.

        Args:
            shown: The views.
            fly_to: Told which was clicked, on the thread of the connection.
        """
        while self._frusta:
            self._frusta.popitem()[1].remove()
        for number, one in enumerate(shown):
            handle = self.client.scene.add_camera_frustum(
                f"/views/{number}",
                one.point.fov,
                one.aspect,
                scale=self.distance * FRUSTUM_SHARE,
                thickness=self.distance * LINE_SHARE,
                color=(70, 70, 80),
                image=one.image,
                wxyz=one.point.wxyz,
                position=one.point.position,
                cast_shadow=False,
                receive_shadow=False,
            )

            async def clicked(event: object, view: View = one.view) -> None:
                fly_to(view)

            handle.on_click(clicked)
            self._frusta[one.view.name] = handle

    def show_frusta(self, visible: bool, at: View | None) -> None:
        """All frusta or none; never that of the view which is looked from."""
        for name, handle in self._frusta.items():
            wanted = visible and (at is None or name != at.name)
            if handle.visible != wanted:
                handle.visible = wanted

    def show_marks(self, one: ObjectState) -> None:
        """Clicks of an object where they hit it: green on it, red beside it."""
        for mark in self._marks:
            mark.remove()
        clicks = [click for part in one.parts for click in part.clicks if click.point is not None]
        self._marks = [
            self.client.scene.add_icosphere(
                f"/clicks/{number}",
                self.distance * MARK_SHARE,
                color=ON if click.positive else BESIDE,
                position=click.point or (0.0, 0.0, 0.0),
                cast_shadow=False,
                receive_shadow=False,
            )
            for number, click in enumerate(clicks)
        ]

    def show_crop(self, box: CropBox | None) -> None:
        """The crop box as lines."""
        if self._crop is not None:
            self._crop.remove()
            self._crop = None
        if box is not None:
            low, high = torch.tensor(box.low), torch.tensor(box.high)
            (a, b, c), (x, y, z) = (high - low).tolist(), ((high + low) / 2).tolist()
            self._crop = self.client.scene.add_box(
                "/crop", dimensions=(a, b, c), position=(x, y, z), color=(200, 120, 0), wireframe=True
            )


def _numbers(values: object) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in np.asarray(values, dtype=np.float64))
    return x, y, z


def _four(values: object) -> tuple[float, float, float, float]:
    w, x, y, z = (float(value) for value in np.asarray(values, dtype=np.float64))
    return w, x, y, z
