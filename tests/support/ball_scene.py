"""A scene of photos of one ball, and settings that train it in a moment."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

from sanerf_hq.geometry import Camera, WorldTransform, look_at
from sanerf_hq.radiance import GridConfig, RadianceConfig
from sanerf_hq.radiance.step import TrainState, make_step, new_state
from sanerf_hq.runs import Key
from sanerf_hq.scene import Scene, load_training_pixels
from support.scene_files import frame, write_image, write_scene

TINY = RadianceConfig(
    grid=GridConfig(n_levels=4, n_features=4, log2_table=12, finest=64),
    hidden=16,
    steps=12,
    samples=2048,
    occupancy_side=16,
    march_step=4.0 / 64.0,
    coarsest_spacing=4.0,
)
FLIP = torch.tensor([1.0, -1.0, -1.0, 1.0])
RADIUS = 0.6


def ball_scene(folder: Path, n_views: int = 10) -> Path:
    """A red ball of radius 0.6 at the origin before a blue distance, seen from a ring of radius 3."""
    frames = []
    for i in range(n_views):
        angle = 2 * math.pi * i / n_views
        eye = torch.tensor([3 * math.cos(angle), 3 * math.sin(angle), 1.0 - 0.4 * (i % 3)])
        pose = look_at(eye, torch.zeros(3), torch.tensor([0.0, 0.0, 1.0]))
        K = torch.tensor([[50.0, 0, 18], [0, 60.0, 16], [0, 0, 1]])
        rays = Camera(K, pose, 40, 30).rays(Camera(K, pose, 40, 30).pixel_grid())
        along = -(rays.origins * rays.directions).sum(-1)
        hit = (rays.origins.square().sum(-1) - along.square()).sqrt() < RADIUS
        colour = torch.where(hit[:, None], torch.tensor([220, 30, 20]), torch.tensor([30, 60, 200]))
        write_image(folder / f"images/{i}.png", colour.view(30, 40, 3).numpy().astype(np.uint8))
        split = "test" if i == 3 else "train"
        frames.append(
            frame(f"images/{i}.png", split=split) | {"transform_matrix": (pose * FLIP).double().tolist()}
        )
    return write_scene(folder, frames)


def stepped(scene: Scene, config: RadianceConfig) -> TrainState:
    """The state after all steps, without a run folder."""
    pixels = load_training_pixels(scene)
    cameras = list(pixels.cameras)
    world = WorldTransform.from_cameras(cameras)
    state = new_state(config, Key(0, "radiance", 0), "cpu", cameras, world)
    step = make_step(pixels, config, world, "cpu")
    for number in range(config.steps):
        state, _ = step(state, Key(0, "radiance", number))
    return state
