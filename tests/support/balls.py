"""Two balls in a shell, as photos with truth on disk and as a field that is known exactly.

A red ball and a green one of radius 0.5 stand side by side in a shell of radius 8 round the origin; a ring of
cameras at distance 3 looks at them. :class:`BallField` answers rays by intersection instead of by training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sanerf_hq.geometry import Camera, Rays, WorldTransform, contract, look_at, to_unit
from sanerf_hq.radiance import GridConfig, Home, RadianceConfig, RadianceField, RenderedView, SurfaceSamples
from sanerf_hq.radiance.clearance import Clearance
from sanerf_hq.radiance.network import RadianceNetwork
from sanerf_hq.radiance.occupancy import Occupancy
from sanerf_hq.runs import Key, Run
from sanerf_hq.scene import OWN_SIZE, Scene, fingerprint, load_scene
from support.scene_files import frame, write_image, write_json, write_scene

CENTERS = torch.tensor([[-0.7, 0.0, 0.0], [0.7, 0.0, 0.0]])
RADIUS = 0.5
SHELL = 8.0
COLOURS = torch.tensor([[40, 60, 200], [220, 30, 20], [30, 200, 60]])  # shell, red, green
SIZE = (64, 48)
K = torch.tensor([[70.0, 0, 30], [0, 72.0, 25], [0, 0, 1]])
N_VIEWS = 12
TEST_VIEW = 5
CONFIG = RadianceConfig(grid=GridConfig(n_levels=2, n_features=2, log2_table=8, finest=32), hidden=8)
FLIP = torch.tensor([1.0, -1.0, -1.0, 1.0])


def ball_camera(index: int) -> Camera:
    """A camera of the ring; index 0 looks along the line through both balls, so red hides green."""
    angle = math.pi + 2 * math.pi * index / N_VIEWS
    eye = torch.tensor([3 * math.cos(angle), 3 * math.sin(angle), 0.2 * (index % 3)])
    return Camera(K, look_at(eye, torch.zeros(3), torch.tensor([0.0, 0.0, 1.0])), *SIZE)


def first_hits(rays: Rays, shell: bool = True) -> tuple[Tensor, Tensor]:
    """Distance to the first surface (infinity for none) and whose it is: 0 shell, 1 red, 2 green."""
    distances = []
    for center in CENTERS:
        away = rays.origins - center
        along = (away * rays.directions).sum(-1)
        inside = along.square() - away.square().sum(-1) + RADIUS**2
        near = -along - inside.clamp_min(0).sqrt()
        distances.append(torch.where((inside > 0) & (near > 0), near, torch.inf))
    along = (rays.origins * rays.directions).sum(-1)
    out = -along + (along.square() - rays.origins.square().sum(-1) + SHELL**2).sqrt()
    table = torch.stack([out if shell else torch.full_like(out, torch.inf), *distances])
    distance, label = table.min(0)
    return distance, label


@dataclass(frozen=True)
class BallField(RadianceField):
    """The balls as a radiance field; without the shell, rays that miss them meet nothing."""

    shell: bool = True

    def surfaces(self, rays: Rays) -> SurfaceSamples:
        distance, _ = first_hits(rays, self.shell)
        hit = distance.isfinite()
        points = self.world.to_field(rays.origins + rays.directions * distance.nan_to_num(posinf=0)[:, None])
        unit = to_unit(contract(points[hit]))
        _, geometry = self.network.geometry(self.network.encode(unit))
        counts = hit.long()
        return SurfaceSamples(
            unit,
            geometry.half(),
            torch.ones(int(hit.sum())),
            torch.stack([counts.cumsum(0) - counts, counts], -1).int(),
            hit.float(),
            torch.where(hit, distance * self.world.scale, torch.nan),
        )

    def render(
        self,
        camera: Camera,
        background: tuple[float, float, float] = (1.0, 1.0, 1.0),
        progress: object = None,
    ) -> RenderedView:
        rays = camera.rays(camera.pixel_grid())
        distance, label = first_hits(rays, self.shell)
        rgb = torch.where(distance.isfinite()[:, None], COLOURS[label] / 255, torch.tensor(background))
        depth = torch.where(distance.isfinite(), distance * rays.cosines, torch.nan)
        shape = (camera.height, camera.width)
        return RenderedView(rgb.view(*shape, 3), depth.view(shape), distance.isfinite().float().view(shape))

    def render_surfaces(
        self,
        camera: Camera,
        background: tuple[float, float, float] = (1.0, 1.0, 1.0),
        progress: object = None,
    ) -> tuple[RenderedView, SurfaceSamples]:
        return self.render(camera, background), self.surfaces(camera.rays(camera.pixel_grid()))


def ball_photo(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Colours and labels as a camera sees them."""
    _, label = first_hits(camera.rays(camera.pixel_grid()))
    shaped = label.view(camera.height, camera.width)
    return COLOURS[shaped].byte().numpy(), shaped.byte().numpy()


def write_ball_scene(folder: Path) -> Path:
    """The scene on disk: photos, instance truth and prompts; view 5 is for tests."""
    frames = []
    for index in range(N_VIEWS):
        camera = ball_camera(index)
        colour, label = ball_photo(camera)
        write_image(folder / f"images/{index}.png", colour)
        write_image(folder / f"instances/{index}.png", label)
        pose = (camera.camtoworld * FLIP).double().tolist()
        split = "test" if index == TEST_VIEW else "train"
        extra = {"transform_matrix": pose, "instance_path": f"instances/{index}.png", "split": split}
        frames.append(frame(f"images/{index}.png") | extra)
    shared: dict[str, object] = {
        "w": SIZE[0],
        "h": SIZE[1],
        "fl_x": 70.0,
        "fl_y": 72.0,
        "cx": 30.0,
        "cy": 25.0,
    }
    objects = [
        {
            "id": number,
            "name": name,
            "prompts": {"view": "images/3.png", "positive": [list(center_pixel(3, number))], "negative": []},
            "box": list(box_of(3, number)),
        }
        for number, name in ((1, "red"), (2, "green"))
    ]
    write_json(folder / "scene.json", {"name": "balls", "objects": objects})
    return write_scene(folder, frames, shared)


def center_pixel(index: int, number: int) -> tuple[int, int]:
    """The pixel in a view where a ball's centre falls."""
    x, y = ball_camera(index).project(CENTERS[number - 1 : number]).xy[0].tolist()
    return int(x), int(y)


def box_of(index: int, number: int) -> tuple[int, int, int, int]:
    """The box round a ball in a view, the last two exclusive."""
    rows, columns = np.nonzero(ball_photo(ball_camera(index))[1] == number)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def ball_field(folder: Path, shell: bool = True) -> BallField:
    """The exact field at home in a new run of the scene, all written below ``folder``."""
    scene: Scene = load_scene(write_ball_scene(folder / "balls"))
    run = Run.create(folder / "run", scene.root, fingerprint(scene), seed=0)
    network = RadianceNetwork(CONFIG)
    network.initialise(Key(0, "balls", 0).generator())
    network = network.eval().requires_grad_(False)
    world = WorldTransform((0.0, 0.0, 0.0), 2 / 3)
    occupancy = Occupancy.full(4, 1.0)
    home = Home(run, scene, OWN_SIZE)
    return BallField(network, occupancy, world, CONFIG, 1.0, Clearance.unknown(), False, home, shell=shell)
