"""Make the demo scene that the package ships, out of a larger scene with truth.

    python tools/make_demo_scene.py ../shared/scenes/desk src/sanerf_hq/demo_scene/desk

The output folder must not exist. Photos are averaged down, instance images take the commonest id; test views
stay test views, and the views that prompts are given in are kept.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import opengl_to_opencv
from sanerf_hq.scene import (
    Scene,
    SceneObject,
    View,
    instance_mask,
    load_scene,
    read_image,
    read_instances,
)

WIDTH = 240
TRAIN_VIEWS = 40
TEST_VIEWS = 6
JPEG_QUALITY = 88
OBJECTS = ("books", "mug", "monkey", "ball")  # seen from all around, and GrabCut does well from their boxes
MAX_BYTES = 2 * 2**20


def spread_views(views: list[View], count: int, first: list[View]) -> list[View]:
    """``count`` views far from each other: ``first``, then always the farthest from those chosen."""
    chosen = list(first or views[:1])
    while len(chosen) < min(count, len(views)):
        centers = torch.stack([view.camera.center for view in chosen])
        rest = [view for view in views if view not in chosen]
        chosen.append(max(rest, key=lambda view: float((centers - view.camera.center).norm(dim=-1).min())))
    return [view for view in views if view in chosen]


def frame_entry(view: View) -> dict[str, object]:
    camera = view.camera.resized(WIDTH)
    bend = camera.distortion
    return {
        "file_path": f"images/{view.stem}.jpg",
        "instance_path": f"instances/{view.stem}.png",
        "split": view.split,
        "w": camera.width,
        "h": camera.height,
        "fl_x": float(camera.K[0, 0]),
        "fl_y": float(camera.K[1, 1]),
        "cx": float(camera.K[0, 2]),
        "cy": float(camera.K[1, 2]),
        "k1": bend.k1,
        "k2": bend.k2,
        "p1": bend.p1,
        "p2": bend.p2,
        "transform_matrix": opengl_to_opencv(camera.camtoworld).tolist(),
    }


def shared_keys(frames: list[dict[str, object]]) -> dict[str, object]:
    """Take out of the frames what is the same in all of them."""
    own = ("file_path", "instance_path", "split", "transform_matrix")
    same = {key: value for key, value in frames[0].items() if key not in own}
    same = {key: value for key, value in same.items() if all(frame[key] == value for frame in frames)}
    for frame in frames:
        for key in same:
            del frame[key]
    return same


def object_entry(scene: Scene, found: SceneObject) -> dict[str, object]:
    view = scene.view(found.prompt_view)
    mask = instance_mask(view, found.id, WIDTH)
    rows, columns = mask.nonzero(as_tuple=True)
    scale_x = view.camera.width / WIDTH
    scale_y = view.camera.height / mask.shape[0]

    def clicks(pixels: tuple[tuple[int, int], ...], on_object: bool) -> list[list[int]]:
        scaled = [[int((x + 0.5) / scale_x), int((y + 0.5) / scale_y)] for x, y in pixels]
        return [[x, y] for x, y in scaled if bool(mask[y, x]) == on_object]

    return {
        "id": found.id,
        "name": found.name,
        "prompts": {
            "view": f"images/{view.stem}.jpg",
            "positive": clicks(found.positive, True),
            "negative": clicks(found.negative, False),
        },
        "box": [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1],
    }


def make_demo_scene(source: Path, out: Path) -> None:
    """Write the demo scene.

    Raises:
        InputError: ``source`` is no scene with the demo's objects, or ``out`` exists.
    """
    scene = load_scene(source)
    objects = [found for name in OBJECTS for found in scene.objects if found.name == name]
    if len(objects) != len(OBJECTS):
        raise InputError(f"{source} lacks one of the objects {', '.join(OBJECTS)}; give the desk scene")
    if out.exists():
        raise InputError(f"{out} exists; remove it first")
    prompted = {found.prompt_view for found in objects}
    first = [view for view in scene.train_views if view.name in prompted]
    views = spread_views(list(scene.train_views), TRAIN_VIEWS, first)
    views += spread_views(list(scene.test_views), TEST_VIEWS, [])
    views.sort(key=lambda view: view.name)
    (out / "images").mkdir(parents=True)
    (out / "instances").mkdir()
    for view in views:
        photo = Image.fromarray(read_image(view, WIDTH).numpy())
        photo.save(out / "images" / f"{view.stem}.jpg", quality=JPEG_QUALITY, optimize=True)
        ids = Image.fromarray(read_instances(view, WIDTH).numpy().astype(np.uint8))
        ids.save(out / "instances" / f"{view.stem}.png", optimize=True)
    frames = [frame_entry(view) for view in views]
    transforms = {"camera_model": "OPENCV", **shared_keys(frames), "frames": frames}
    entries = [object_entry(scene, found) for found in objects]
    (out / "transforms.json").write_text(json.dumps(transforms, indent=1) + "\n")
    (out / "scene.json").write_text(json.dumps({"name": scene.name, "objects": entries}, indent=1) + "\n")
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{out}: {len(views)} views, {len(entries)} objects, {size / 1e6:.2f} MB")
    if size > MAX_BYTES:
        raise InputError(
            f"{out} is larger than {MAX_BYTES >> 20} MB; lower the quality or the number of views"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="folder of the scene to make it from")
    parser.add_argument("out", type=Path, help="folder to write")
    arguments = parser.parse_args()
    try:
        make_demo_scene(arguments.source, arguments.out)
    except InputError as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
