"""A mesh as a camera sees it: which face lies nearest behind the middle of each pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64

from sanerf_hq.geometry import Camera


@dataclass(frozen=True)
class Drawn:
    """What of a mesh lies behind the middle of each pixel.

    Attributes:
        depth: z-depth of the nearest face; infinity where there is none.
        face: Its number, -1 where there is none.
    """

    depth: Float[np.ndarray, "h w"]
    face: Int64[np.ndarray, "h w"]


def draw(vertices: np.ndarray, faces: np.ndarray, camera: Camera) -> Drawn:
    """Draw a mesh; faces of either sense count, those that reach behind the camera do not.

    Lens distortion moves the corners alone: a face's sides stay straight.
    """
    seen = camera.project(torch.from_numpy(vertices.astype(np.float64)))
    depth = seen.depth.numpy()[faces]
    ahead = np.flatnonzero((depth > 1e-6).all(1))
    depth, xy = depth[ahead], seen.xy.numpy()[faces[ahead]] - 0.5  # a pixel's middle at its number
    size = np.array([camera.width, camera.height])
    first = np.clip(np.ceil(xy.min(1)), 0, size).astype(int)
    counts = (np.clip(np.floor(xy.max(1)) + 1, 0, size).astype(int) - first).clip(min=0)
    n_pixels = counts.prod(1)
    face = np.repeat(np.arange(len(ahead)), n_pixels)
    rank = np.arange(len(face)) - np.repeat(n_pixels.cumsum() - n_pixels, n_pixels)
    pixel = first[face] + np.stack([rank % counts[face, 0], rank // counts[face, 0]], -1)
    a, b, c = xy[face].transpose(1, 0, 2)
    shares = np.stack([_area(b, c, pixel), _area(c, a, pixel), _area(a, b, pixel)], -1)
    whole = shares.sum(-1)
    inside = ((shares >= 0).all(-1) | (shares <= 0).all(-1)) & (whole != 0)
    face, shares = face[inside], shares[inside] / whole[inside, None]
    z = 1 / (shares / depth[face]).sum(-1)  # 1/z is linear over the picture
    place = pixel[inside] @ np.array([1, camera.width])
    nearest = np.full(camera.height * camera.width, np.inf)
    np.minimum.at(nearest, place, z)
    owner = np.full(nearest.shape, -1)
    front = z <= nearest[place]
    owner[place[front]] = ahead[face[front]]
    shape = (camera.height, camera.width)
    return Drawn(nearest.reshape(shape), owner.reshape(shape))


def draw_points(positions: np.ndarray, colours: np.ndarray, camera: Camera) -> np.ndarray:
    """Points as a camera sees them, on white: in each pixel the nearest.

    Args:
        positions: (n, 3).
        colours: (n, 3), bytes.
        camera: Where to look from.

    Returns:
        (h, w, 3), bytes.
    """
    picture = np.full((camera.height * camera.width, 3), 255, np.uint8)
    seen = camera.project(torch.from_numpy(positions.astype(np.float64)))
    x, y = np.floor(seen.xy.nan_to_num(-1).numpy()).T
    depth = seen.depth.numpy()
    inside = (depth > 1e-6) & (x >= 0) & (x < camera.width) & (y >= 0) & (y < camera.height)
    place = (y[inside] * camera.width + x[inside]).astype(np.int64)
    order = np.argsort(-depth[inside], kind="stable")  # the nearest is written last
    picture[place[order]] = colours[inside][order]
    return picture.reshape(camera.height, camera.width, 3)


def _area(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Twice the signed area of triangles."""
    return (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
