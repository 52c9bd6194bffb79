"""Pose refinement: training cameras that are moved a little so that their photos fit the field.

Each camera has a twist: a rotation about its centre and a shift. The mean twist is taken off, and what makes
the cameras' arrangement larger or smaller, else field and cameras could drift together. Test views keep the
poses they came with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from sanerf_hq.geometry import Camera, Rays, WorldTransform
from sanerf_hq.runs import DamagedFile, config_digest, read_json, write_json
from sanerf_hq.scene import Scene

POSES_FILE = "poses.json"
PRIOR = 1.0  # weight of the mean squared twist, radians and field units alike


class PoseRefinement(nn.Module):
    """Twists of the training cameras, in the field's coordinates."""

    def __init__(self, centers: Float[Tensor, "n_views 3"]) -> None:
        """``centers`` are the cameras', in the field's coordinates."""
        super().__init__()
        self.twists = nn.Parameter(torch.zeros(len(centers), 6))
        away = centers - centers.mean(0)
        self.register_buffer("away", away / away.norm().clamp_min(1e-9), persistent=False)

    def centred(self) -> tuple[Float[Tensor, "n_views 3"], Float[Tensor, "n_views 3"]]:
        """Rotation vectors, in radians, and shifts, in field units; 0 in the mean, and of no growth."""
        turns, shifts = (self.twists - self.twists.mean(0)).split(3, -1)
        away = self.get_buffer("away")
        return turns, shifts - (shifts * away).sum() * away

    def forward(self, rays: Rays, views: Int64[Tensor, "n_rays"]) -> Rays:
        """Rays of the cameras with these numbers, moved with them."""
        turns, shifts = self.centred()
        return replace(
            rays,
            origins=rays.origins + shifts[views],
            directions=rotated(turns[views], rays.directions),
        )

    def prior(self) -> Float[Tensor, ""]:
        """What is added to the loss."""
        return PRIOR * self.twists.square().mean()

    @torch.no_grad()
    def moved(self, cameras: Sequence[Camera], world: WorldTransform) -> list[Camera]:
        """The cameras, in the scene's coordinates, as they were found to stand."""
        turns, shifts = (part.cpu() for part in self.centred())
        found = []
        for camera, turn, shift in zip(cameras, turns, shifts, strict=True):
            pose = camera.camtoworld.clone()
            pose[:3, :3] = rotated(turn.expand(3, 3), pose[:3, :3].T).T
            pose[:3, 3] += world.length_to_scene(shift)
            found.append(replace(camera, camtoworld=pose))
        return found


def rotated(turns: Float[Tensor, "n 3"], vectors: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """Vectors turned by rotation vectors (Rodrigues' formula), differentiable at no rotation too."""
    squared = turns.square().sum(-1, keepdim=True)
    angle = squared.clamp_min(1e-12).sqrt()
    across = torch.linalg.cross(turns, vectors)
    twice = torch.linalg.cross(turns, across)
    return (
        vectors + torch.sinc(angle / math.pi) * across + 0.5 * torch.sinc(angle / math.tau).square() * twice
    )


def save_poses(folder: Path, scene: Scene, cameras: Sequence[Camera], field: str) -> None:
    """Write the training views' poses as they were found to be, with the field of that digest."""
    poses = {
        view.name: camera.camtoworld.double().tolist()
        for view, camera in zip(scene.train_views, cameras, strict=True)
    }
    write_json(folder / POSES_FILE, {"camtoworlds": poses, "digest": config_digest([field, poses])})


def with_poses(folder: Path, scene: Scene, field: str) -> Scene:
    """The scene with the poses that :func:`save_poses` wrote.

    Raises:
        DamagedFile: They are missing, or not the training views' poses that were found with the field of
            that digest.
    """
    path = folder / POSES_FILE
    if not path.exists():
        raise DamagedFile(
            f"{path}, which the field was trained to, is missing: put it back, or train the scene again"
        )
    try:
        found = read_json(path)
        known = found["camtoworlds"]
        # Early versions wrote no digest.
        if "digest" in found and found["digest"] != config_digest([field, known]):
            raise ValueError("other poses")
        views = tuple(
            replace(view, camera=replace(view.camera, camtoworld=_pose(known[view.name])))
            if view.split == "train"
            else view
            for view in scene.views
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFile(f"{path} holds no poses of this field; train the scene again") from error
    return replace(scene, views=views)


def _pose(rows: Sequence[Sequence[float]]) -> Float[Tensor, "4 4"]:
    pose = torch.tensor(rows, dtype=torch.float32)
    if pose.shape != (4, 4) or not bool(pose.isfinite().all()):
        raise ValueError("not a pose")
    return pose
