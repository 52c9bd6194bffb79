"""transforms.json: the format of nerfstudio (LERF's scenes too), instant-ngp and Blender's synthetic scenes.

All write OpenGL camera-to-world matrices (y up, z backward: "Data conventions" of https://docs.nerf.studio,
and NeRF's own renders of Blender); here, once, they become OpenCV's. NeRF's synthetic scenes give the
horizontal angle of view ``camera_angle_x`` in place of a focal length, f = w / (2 tan(angle / 2)).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Camera
from sanerf_hq.scene.fields import Fields, read_json_object
from sanerf_hq.scene.image_files import bombs_are_errors, image_size, is_scaled_copy
from sanerf_hq.scene.image_folders import ORIGINALS, choose_folder, match_images
from sanerf_hq.scene.intrinsics import read_camera
from sanerf_hq.scene.paths import SceneFolder
from sanerf_hq.scene.poses import read_poses
from sanerf_hq.scene.scene import Split, View
from sanerf_hq.scene.splits import SPLIT_WORDS, SplitRule, check_trainable, written_splits

DEPTH_UNIT = 1e-3  # nerfstudio's: millimetres where the file does not say
PIXEL_KEYS = ("fl_x", "fl_y", "cx", "cy")


@dataclass(frozen=True)
class _Frame:
    """One frame, with its file's top level and what the file says of its use."""

    fields: Fields
    shared: Fields
    name: str
    split: str | None


def read_views(path: Path, images: str | None, rule: SplitRule) -> tuple[View, ...]:
    """Read the views of a ``transforms.json``, or of ``transforms_train.json`` and those beside it.

    Args:
        path: The file; ``transforms_train.json``, ``_val`` and ``_test`` stand for all three.
        images: Folder of smaller copies that stands for the folder ``images`` in the file's paths, as
            nerfstudio's ``downscale_factor`` has it; None: photos are where the file says.
        rule: What is tested on; where it says nothing, what the file says.

    Returns:
        The views that are trained or tested on, in the file's order.

    Raises:
        InputError: Anything in it is missing, broken or does not fit.
    """
    folder = SceneFolder(path.parent)
    frames = [frame for file, split in _files(path) for frame in _read_frames(file, split, folder)]
    if not frames:
        raise InputError(f"{path} has no frames; export the scene again with its posed images")
    _check_unique(path, frames)
    splits = rule.settle([frame.name for frame in frames], [frame.split for frame in frames])
    used: list[tuple[_Frame, Split]] = [
        (frame, split) for frame, split in zip(frames, splits, strict=True) if split is not None
    ]
    check_trainable(splits, path)
    files = _find_images(path, folder, [frame for frame, _ in used], images)
    poses = read_poses([frame.fields for frame, _ in used])
    with bombs_are_errors():
        _check_sizes([frame for frame, _ in used], files)
        views = tuple(
            _read_view(folder, frame, split, file, _read_camera(frame, file, pose))
            for (frame, split), file, pose in zip(used, files, poses, strict=True)
        )
    with_time = sum(view.camera.time is not None for view in views)
    if with_time not in (0, len(views)):
        raise InputError(f"{path} gives {with_time} of {len(views)} frames a time; give it to all or to none")
    return views


def _files(path: Path) -> list[tuple[Path, str | None]]:
    """The files that make up the scene, each with the split that its name gives its frames."""
    siblings = {path.with_name(f"transforms_{word}.json"): word for word in SPLIT_WORDS}
    if path not in siblings:
        return [(path, None)]
    return [(file, word) for file, word in siblings.items() if file == path or file.is_file()]


def _read_frames(path: Path, split: str | None, folder: SceneFolder) -> list[_Frame]:
    shared = read_json_object(path)
    entries = shared.items("frames")
    if entries is None:
        raise shared.error("there is no list of frames; give a transforms.json with posed images")
    fields: list[Fields] = []
    names: list[str] = []
    for index, entry in enumerate(entries):
        frame = shared.inside(entry, f"frame {index}")
        name = folder.name(frame, "file_path")
        if name is None:
            raise frame.error("file_path is missing; name the frame's image")
        fields.append(Fields(frame.values, f"{frame.where} ({name})"))
        names.append(name)
    splits = [split] * len(names) if split else written_splits(shared, fields, names, folder)
    return [_Frame(f, shared, name, word) for f, name, word in zip(fields, names, splits, strict=True)]


def _check_unique(path: Path, frames: list[_Frame]) -> None:
    seen: set[str] = set()
    for frame in frames:
        if frame.name in seen:
            raise InputError(f"{path} has two frames named {frame.name!r}; keep one of them")
        seen.add(frame.name)


def _find_images(path: Path, folder: SceneFolder, frames: list[_Frame], images: str | None) -> list[Path]:
    if images is None:
        found = [folder.find(frame.name, "file_path", frame.fields.where) for frame in frames]
    else:
        chosen = choose_folder(folder, images)
        names = [frame.name.removeprefix(f"{ORIGINALS}/") for frame in frames]
        matched = match_images(folder, chosen, names, str(path))
        found = [matched.get(name) for name in names]
    missing = [frame.name for frame, image in zip(frames, found, strict=True) if image is None]
    if missing:
        remedy = folder.remedy(missing[0], "put the images back or take those frames out")
        raise InputError(
            f"{path}: the image {missing[0]!r} does not exist ({len(missing)} of {len(frames)} are missing); "
            f"{remedy}"
        )
    return [image for image in found if image is not None]


def _check_sizes(frames: list[_Frame], images: list[Path]) -> None:
    """Refuse intrinsics in pixels that images of several sizes share: they belong to one of the sizes.

    Raises:
        InputError: ``w`` and ``h`` do not say to which.
    """
    sized: dict[int, tuple[int, int]] = {}
    for frame, image in zip(frames, images, strict=True):
        shared = frame.shared
        own = any(frame.fields.number(key) is not None for key in ("fl_x", "fl_y", "w", "h"))
        if own or shared.integer("w") is not None or all(shared.number(k) is None for k in PIXEL_KEYS):
            continue
        size = image_size(image)
        first = sized.setdefault(id(shared), size)
        if size != first:
            raise frame.fields.error(
                f"the image is {size[0]}x{size[1]}, others are {first[0]}x{first[1]}, and w, h do not say "
                "which of them the shared intrinsics are of; write w and h"
            )


def _read_camera(frame: _Frame, image: Path, pose: Float[Tensor, "4 4"]) -> Camera:
    time = frame.fields.number("time")
    if time is not None and not 0 <= time <= 1:
        raise frame.fields.error(f"time is {time:g}; scale the times to lie between 0 and 1")
    return read_camera(frame.fields, frame.shared, pose, image_size(image), time)


def _read_view(folder: SceneFolder, frame: _Frame, split: Split, image: Path, camera: Camera) -> View:
    fields = frame.fields
    unit = frame.shared.number("depth_unit_scale_factor")
    if unit is not None and unit <= 0:
        raise frame.shared.error(f"depth_unit_scale_factor is {unit:g}; write a number above 0")
    view = View(
        name=frame.name,
        camera=camera,
        image_path=image,
        split=split,
        mask_path=folder.required(fields, "mask_path"),
        instance_path=folder.required(fields, "instance_path"),
        depth_path=folder.required(fields, "depth_file_path"),
        depth_unit_scale=DEPTH_UNIT if unit is None else unit,
        camera_id=fields.integer("camera_id"),
    )
    for path in (view.mask_path, view.instance_path, view.depth_path):
        if path is not None and not is_scaled_copy(image_size(path), (camera.width, camera.height)):
            raise fields.error(
                f"{path.relative_to(folder.root).as_posix()} is of other shape than the frame's image, "
                f"{camera.width}x{camera.height}; bring it to that size"
            )
    return view
