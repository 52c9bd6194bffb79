"""COLMAP: a folder with a sparse model and the photos that it was made from.

COLMAP's image poses go from world to camera, in axes that are ours (x right, y down, z forward), and pixel
centres are at 0.5, as ours (https://colmap.github.io/format.html, "images.txt"). The folder that
``colmap image_undistorter`` writes, 3D Gaussian Splatting's and Mip-NeRF 360's are read alike.
"""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Camera, Distortion
from sanerf_hq.scene.colmap_model import ColmapCamera, ColmapImage, ColmapModel, has_model, read_model
from sanerf_hq.scene.image_files import bombs_are_errors, image_size
from sanerf_hq.scene.image_folders import CANDIDATES, ORIGINALS, choose_folder, match_images
from sanerf_hq.scene.intrinsics import scaled_to_image
from sanerf_hq.scene.paths import SceneFolder
from sanerf_hq.scene.quaternions import rotations_of
from sanerf_hq.scene.scene import View
from sanerf_hq.scene.splits import SplitRule, check_trainable

MODEL_FOLDERS = (
    *("sparse/0", "sparse", "colmap/sparse/0", "colmap/sparse"),
    *("colmap_sparse/0", "colmap_sparse"),  # instant-ngp's and torch-ngp's
)
# The parameters that each model has, in COLMAP's order, as names of ours; f stands for both focal lengths.
READ_MODELS = {
    "SIMPLE_PINHOLE": ("f", "cx", "cy"),
    "PINHOLE": ("fx", "fy", "cx", "cy"),
    "SIMPLE_RADIAL": ("f", "cx", "cy", "k1"),
    "RADIAL": ("f", "cx", "cy", "k1", "k2"),
    "OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2"),
    # Its k4, k5, k6 divide the polynomial; ours has no divisor, so they have to be 0.
    "FULL_OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "r4", "r5", "r6"),
}
LOG = logging.getLogger(__name__)


def find_model(root: Path) -> Path | None:
    """The folder of the sparse model below a scene's folder, or None; of several numbered ones the first."""
    for folder in (*(root / name for name in MODEL_FOLDERS), *_numbered(root / "sparse")):
        if has_model(folder):
            return folder
    return None


def read_views(root: Path, images: str | None, rule: SplitRule) -> tuple[View, ...]:
    """Read the registered images of a folder, in the order of their names.

    Photos that are not in the model are passed over. Registered images whose photo is gone are left out,
    with a warning.

    Args:
        root: The scene's folder.
        images: Folder of the photos, or None to find it.
        rule: What is tested on; where it says nothing, every 8th view by name.

    Raises:
        InputError: The model or the photos are missing, broken or do not fit.
    """
    found = find_model(root) or (root if has_model(root) else None)
    if found == root and images is None:
        _check_has_photos(root)
    if found is None:
        raise InputError(
            f"{root} holds no COLMAP model: no cameras.bin or cameras.txt in {', '.join(MODEL_FOLDERS)}; "
            "export the model there"
        )
    _warn_of_others(found)
    model = read_model(found)
    if not model.images:
        raise InputError(f"{model.file} has no registered image; run COLMAP's mapper again, or more photos")
    folder = SceneFolder(root)
    chosen = choose_folder(folder, images)
    order = sorted(model.images, key=lambda image: image.name)
    files = match_images(folder, chosen, [image.name for image in order], str(model.file))
    _warn_of_missing(model, files, root / chosen)
    order = [image for image in order if image.name in files]
    names = [image.name for image in order]
    splits = rule.settle(names, aliases={name: [files[name].stem] for name in names})
    check_trainable(splits, model.file)
    poses = camtoworlds(order)
    with bombs_are_errors():
        return tuple(
            View(image.name, _camera(model, image, pose, files[image.name]), files[image.name], split)
            for image, pose, split in zip(order, poses, splits, strict=True)
            if split is not None
        )


def camtoworlds(images: list[ColmapImage]) -> Float[Tensor, "n 4 4"]:
    """Camera-to-world matrices, OpenCV axes, float32: R^T and -R^T t."""
    quaternions = torch.tensor([image.quaternion for image in images], dtype=torch.float64).reshape(-1, 4)
    translations = torch.tensor([image.translation for image in images], dtype=torch.float64).reshape(-1, 3)
    rotations = rotations_of(quaternions).mT
    poses = torch.eye(4, dtype=torch.float64).repeat(len(images), 1, 1)
    poses[:, :3, :3] = rotations
    poses[:, :3, 3] = -(rotations @ translations[..., None])[..., 0]
    return poses.float()


def intrinsics(camera: ColmapCamera, where: str) -> tuple[Float[Tensor, "3 3"], Distortion]:
    """K and lens distortion of a camera.

    Raises:
        InputError: Its model is not read, or its focal length is not above 0.
    """
    names = READ_MODELS.get(camera.model)
    values = dict(zip(names, camera.params, strict=True)) if names else {}
    if names is None or any(values.pop(name, 0.0) for name in ("r4", "r5", "r6")):
        raise InputError(
            f"{where}: camera {camera.id} has model {camera.model}, which is not read"
            + (" with k4, k5 or k6" if names else "")
            + "; undistort the images with 'colmap image_undistorter' and give its output folder"
        )
    both = values.pop("f", 0.0)
    fx, fy = values.pop("fx", both), values.pop("fy", both)
    if fx <= 0 or fy <= 0:
        raise InputError(f"{where}: the focal length of camera {camera.id} is not above 0; solve it again")
    K = torch.tensor([[fx, 0.0, values.pop("cx")], [0.0, fy, values.pop("cy")], [0.0, 0.0, 1.0]])
    return K, Distortion(**values)


def _camera(model: ColmapModel, image: ColmapImage, pose: Float[Tensor, "4 4"], file: Path) -> Camera:
    solved = model.cameras[image.camera_id]
    K, distortion = intrinsics(solved, str(model.file.with_stem("cameras")))
    camera = Camera(K, pose, solved.width, solved.height, distortion)
    return scaled_to_image(camera, image_size(file), f"{model.file}, image {image.name}")


def _numbered(folder: Path) -> list[Path]:
    """The models in a folder that COLMAP numbered; it writes several where photos do not hang together."""
    models = [path for path in folder.glob("[0-9]*") if path.name.isdecimal() and has_model(path)]
    return sorted(models, key=lambda path: int(path.name))


def _warn_of_others(found: Path) -> None:
    models = _numbered(found.parent)
    if found in models and len(models) > 1:
        LOG.warning(
            "%s holds %d models, of which %s is read; photos of the others are left out",
            found.parent,
            len(models),
            found.name,
        )


def _check_has_photos(root: Path) -> None:
    """Refuse a model's own folder in place of its scene's."""
    if any((root / name).is_dir() for name in CANDIDATES):
        return
    above = [path for path in root.absolute().parents[:3] if (path / ORIGINALS).is_dir()]
    remedy = f"give the scene's folder, {above[0]}" if above else "put them beside it, into images"
    raise InputError(f"{root} holds a COLMAP model but no photos; {remedy}")


def _warn_of_missing(model: ColmapModel, files: dict[str, Path], folder: Path) -> None:
    missing = [image.name for image in model.images if image.name not in files]
    if len(missing) == len(model.images):
        raise InputError(
            f"{model.file}: none of its {len(missing)} images is in {folder}, such as {missing[0]!r}; "
            "put the photos there, or name their folder by --images"
        )
    if missing:
        LOG.warning(
            "%s: %d of %d registered images are not in %s and are left out, such as %r",
            model.file,
            len(missing),
            len(model.images),
            folder,
            missing[0],
        )
