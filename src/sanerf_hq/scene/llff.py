"""LLFF: ``poses_bounds.npy`` and a folder of photos (local light field fusion, NeRF's forward-facing scenes).

Format: https://github.com/Fyusion/LLFF, README, "Using your own poses without running COLMAP". A row of 17
numbers a photo, in the order of the photos' names: a 3x5 matrix row by row and the depths of the nearest and
the farthest content. The matrix holds the camera's axes down, right, backwards in the world, its centre, and
the column height, width, focal length in pixels; the principal point is the middle, the lens bends nothing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Camera
from sanerf_hq.scene.image_files import bombs_are_errors, image_size
from sanerf_hq.scene.image_folders import ORIGINALS, choose_folder, list_images
from sanerf_hq.scene.intrinsics import scaled_to_image
from sanerf_hq.scene.paths import SceneFolder
from sanerf_hq.scene.poses import rigid_poses
from sanerf_hq.scene.scene import View
from sanerf_hq.scene.splits import SplitRule, check_trainable

POSES_FILE = "poses_bounds.npy"
COLUMNS = 17
MOST_ROWS = 1_000_000


def read_views(root: Path, images: str | None, rule: SplitRule) -> tuple[View, ...]:
    """Read the photos of a folder with their poses, in the order of their names.

    Focal lengths belong to the originals; a smaller copy scales them by the sizes of the images themselves.

    Args:
        root: The scene's folder.
        images: Folder of the photos, or None to find it.
        rule: What is tested on; where it says nothing, every 8th view by name, as NeRF does.

    Raises:
        InputError: The poses or the photos are missing or broken, or their numbers differ.
    """
    path = root / POSES_FILE
    table = _read_table(path)
    folder = SceneFolder(root)
    chosen = choose_folder(folder, images)
    files = list_images(root / chosen)
    if len(files) != len(table):
        raise InputError(
            f"{path} has {len(table)} poses but {root / chosen} {len(files)} photos, and poses go by names' "
            "order; put back or take out photos until the numbers agree"
        )
    names = _original_names(root, files) if chosen != ORIGINALS else files
    splits = rule.settle(names, aliases={n: [Path(f).stem] for n, f in zip(names, files, strict=True)})
    check_trainable(splits, path)
    poses = _camtoworlds(table, path, names)
    with bombs_are_errors():
        views = []
        for row, name, file, pose, split in zip(table, names, files, poses, splits, strict=True):
            found = folder.find(f"{chosen}/{file}", "photo", str(path))
            if found is None or split is None:
                continue
            camera = _camera(row, pose, image_size(found), f"{path}, {name}")
            near, far = row[15:].tolist()
            views.append(View(name, camera, found, split, bounds=(near, far)))
    return tuple(views)


def _read_table(path: Path) -> Float[Tensor, "n 17"]:
    try:
        # Mapped, so that a header's claims allocate nothing; NumPy refuses pickled objects unless told else.
        stored = np.load(path, mmap_mode="r")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); check the file") from error
    except (ValueError, EOFError, SyntaxError, TypeError, OverflowError) as error:
        raise InputError(f"{path} is no array of numbers or truncated; write it again with NumPy") from error
    if not isinstance(stored, np.ndarray) or stored.dtype.kind not in "fiu":
        raise InputError(f"{path} holds no array of numbers; write {COLUMNS} numbers a photo")
    if stored.ndim != 2 or stored.shape[1] != COLUMNS or not 1 <= stored.shape[0] <= MOST_ROWS:
        shape = "x".join(map(str, stored.shape))
        raise InputError(
            f"{path} holds {shape} numbers where a row of {COLUMNS} a photo belongs; write it so"
        )
    table = torch.from_numpy(np.array(stored, dtype=np.float64))
    bad = (~table.isfinite().all(1)).nonzero()[:, 0].tolist()
    if bad:
        raise InputError(f"{path}: row {bad[0]} holds NaN or infinity; write it again")
    return table


def _camtoworlds(table: Float[Tensor, "n 17"], path: Path, names: list[str]) -> Float[Tensor, "n 4 4"]:
    """OpenCV camera-to-world: right, down, forwards, centre."""
    down, right, backwards, center, _ = table[:, :15].reshape(-1, 3, 5).unbind(-1)
    poses = torch.eye(4, dtype=torch.float64).repeat(len(table), 1, 1)
    poses[:, :3] = torch.stack([right, down, -backwards, center], -1)

    def refuse(index: int, defect: str) -> InputError:
        return InputError(
            f"{path}: the pose of {names[index]} {defect}; its columns have to be down, right, backwards"
        )

    return rigid_poses(poses, refuse)


def _camera(
    row: Float[Tensor, "17"], pose: Float[Tensor, "4 4"], size: tuple[int, int], where: str
) -> Camera:
    height, width, focal = row[:15].reshape(3, 5)[:, 4].tolist()
    if focal <= 0 or height < 1 or width < 1:
        raise InputError(
            f"{where}: height, width, focal length are {height:g}, {width:g}, {focal:g}; give pixels above 0"
        )
    K = torch.tensor([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    return scaled_to_image(Camera(K, pose, round(width), round(height)), size, where)


def _original_names(root: Path, copies: list[str]) -> list[str]:
    """What the originals of copies are called, where they are there; else the copies' own names."""
    originals = list_images(root / ORIGINALS) if (root / ORIGINALS).is_dir() else []
    return originals if len(originals) == len(copies) else copies
