"""The two balls of :mod:`support.balls` in motion, as photos with truth on disk and as a field known exactly.

From each moment to the next the red ball moves up and to the side by more than its own width; the green one
stays. Six cameras that stay in their places look on; the last of them is for tests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sanerf_hq.geometry import Camera, Rays, WorldTransform, contract, look_at, to_unit
from sanerf_hq.radiance import Home, RadianceField, SurfaceSamples
from sanerf_hq.radiance.clearance import Clearance
from sanerf_hq.radiance.network import RadianceNetwork
from sanerf_hq.radiance.occupancy import Occupancy
from sanerf_hq.runs import Key, Run
from sanerf_hq.scene import OWN_SIZE, fingerprint, load_scene
from support.balls import COLOURS, CONFIG, FLIP, RADIUS, SHELL
from support.scene_files import frame, write_image, write_json, write_scene

SIZE = (160, 120)
K = torch.tensor([[175.0, 0, 75], [0, 180.0, 62], [0, 0, 1]])
MOMENTS = (0.0, 0.5, 1.0)
N_CAMERAS = 6
TEST_CAMERA = 5
PROMPTED = 1  # camera that sees both side by side
START = torch.tensor([[-0.9, -0.6, -0.8], [0.9, 0.0, 0.0]])
MOTION = torch.tensor([[0.4, 1.2, 1.8], [0.0, 0.0, 0.0]])  # over all the time


def centers_at(time: float) -> Tensor:
    return START + time * MOTION


def moving_camera(index: int, time: float) -> Camera:
    angle = 2 * math.pi * (index + 0.25) / N_CAMERAS
    eye = torch.tensor([4 * math.cos(angle), 4 * math.sin(angle), 0.5 + 0.3 * (index % 2)])
    return Camera(K, look_at(eye, torch.zeros(3), torch.tensor([0.0, 0.0, 1.0])), *SIZE, time=time)


def hits(rays: Rays) -> tuple[Tensor, Tensor]:
    """Distance to the first surface, and whose it is: 0 shell, 1 red, 2 green."""
    assert rays.times is not None
    distances = []
    for start, motion in zip(START, MOTION, strict=True):
        away = rays.origins - (start + rays.times[:, None] * motion)
        along = (away * rays.directions).sum(-1)
        inside = along.square() - away.square().sum(-1) + RADIUS**2
        near = -along - inside.clamp_min(0).sqrt()
        distances.append(torch.where((inside > 0) & (near > 0), near, torch.inf))
    along = (rays.origins * rays.directions).sum(-1)
    out = -along + (along.square() - rays.origins.square().sum(-1) + SHELL**2).sqrt()
    distance, label = torch.stack([out, *distances]).min(0)
    return distance, label


def moving_truth(camera: Camera, number: int) -> Tensor:
    """A ball's pixels."""
    return hits(camera.rays(camera.pixel_grid()))[1].view(camera.height, camera.width) == number


@dataclass(frozen=True)
class MovingBallField(RadianceField):
    """The balls as a radiance field."""

    def surfaces(self, rays: Rays) -> SurfaceSamples:
        if self.moment is not None:
            rays = replace(rays, times=torch.full((len(rays),), self.moment))
        distance, _ = hits(rays)
        unit = to_unit(contract(self.world.to_field(rays.origins + rays.directions * distance[:, None])))
        _, geometry = self.network.geometry(self.network.encode(unit, rays.times))
        ones = torch.ones(len(rays))
        info = torch.stack([torch.arange(len(rays)), torch.ones(len(rays)).long()], -1).int()
        return SurfaceSamples(unit, geometry.half(), ones, info, ones, distance * self.world.scale)


def name_of(index: int, time: float) -> str:
    return f"images/{index}_{MOMENTS.index(time)}.png"


def write_moving_scene(folder: Path) -> Path:
    frames = []
    for time in MOMENTS:
        for index in range(N_CAMERAS):
            camera, name = moving_camera(index, time), name_of(index, time)
            _, label = hits(camera.rays(camera.pixel_grid()))
            shaped = label.view(camera.height, camera.width)
            write_image(folder / name, COLOURS[shaped].byte().numpy())
            instance = name.replace("images", "instances")
            write_image(folder / instance, shaped.byte().numpy().astype(np.uint8))
            extra: dict[str, object] = {
                "transform_matrix": (camera.camtoworld * FLIP).double().tolist(),
                "instance_path": instance,
                "split": "test" if index == TEST_CAMERA else "train",
                "time": time,
                "camera_id": index,
            }
            frames.append(frame(name) | extra)
    shared: dict[str, object] = {"w": SIZE[0], "h": SIZE[1]}
    shared |= {"fl_x": 175.0, "fl_y": 180.0, "cx": 75.0, "cy": 62.0}
    objects = [
        {
            "id": number,
            "name": name,
            "prompts": {"view": name_of(PROMPTED, 0.5), "positive": [list(pixel_of(number))], "negative": []},
        }
        for number, name in ((1, "red"), (2, "green"))
    ]
    write_json(folder / "scene.json", {"name": "moving balls", "objects": objects})
    return write_scene(folder, frames, shared)


def pixel_of(number: int, index: int = PROMPTED, time: float = 0.5) -> tuple[int, int]:
    """The pixel in a view where a ball's centre falls."""
    x, y = moving_camera(index, time).project(centers_at(time)[number - 1 : number]).xy[0].tolist()
    return int(x), int(y)


def moving_field(folder: Path) -> MovingBallField:
    """The exact field at home in a new run of the scene, all written below ``folder``."""
    scene = load_scene(write_moving_scene(folder / "balls"))
    run = Run.create(folder / "run", scene.root, fingerprint(scene), seed=0)
    network = RadianceNetwork(CONFIG, len(MOMENTS) - 1)
    network.initialise(Key(0, "balls", 0).generator())
    network = network.eval().requires_grad_(False)
    world = WorldTransform((0.0, 0.0, 0.0), 0.5)
    home = Home(run, scene, OWN_SIZE)
    occupancy, unknown = Occupancy.full(4, 1.0), Clearance.unknown()
    return MovingBallField(network, occupancy, world, CONFIG, 1.0, unknown, False, home, MOMENTS)
