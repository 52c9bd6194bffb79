"""What exposure gains and pose refinement are worth: a scene made worse on purpose, trained with and without.

    python benchmarks/corrections.py ../shared/scenes/desk --width 240 --steps 700 --out results/corrections

``exposure``: every training photo darkened by a lot of its own (values times 0.64 to 1, channels 4 % apart);
test photos by the geometric mean. ``poses``: every training camera turned by 0.3° and moved by 0.5 % of its
distance, a standard deviation in each axis; test views are exact. Printed are the test views' PSNR in dB and
how far points near the middle of the scene are projected from where they should be, in pixels of the photos.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor

from harness import environment
from sanerf_hq.cli.train import score_test_views
from sanerf_hq.geometry import WorldTransform
from sanerf_hq.radiance import PRESETS, train_radiance_field
from sanerf_hq.radiance.pose_refinement import rotated
from sanerf_hq.runs import quiet
from sanerf_hq.scene import PhotoSize, Scene, load_scene, read_image

DARKEST = 0.45  # of the log gains, which are spread evenly from minus this to 0
TINT = 0.04  # standard deviation of the channels' log gains beside that
DEGREES = 0.3
SHIFT = 0.01  # field units: cameras stand 2 from what they look at
POINTS = 200
SPREAD = 0.4  # field units, standard deviation of the points that are projected


def unevenly_lit(scene: Scene, folder: Path, seed: int = 0) -> Scene:
    """A copy of the scene whose photos differ in exposure and white balance."""
    generator = torch.Generator().manual_seed(seed)
    known = scene.train_views
    logs = -DARKEST * torch.rand(len(known), 1, generator=generator)
    logs = (logs + TINT * torch.randn(len(known), 3, generator=generator)).clamp(max=0)
    middle = logs.mean(0).exp()
    gains = {view.name: log.exp() for view, log in zip(known, logs, strict=True)}
    views = []
    for number, view in enumerate(scene.views):
        path = folder / f"{number}.png"
        values = read_image(view).float() * gains.get(view.name, middle)
        Image.fromarray(values.round().byte().numpy()).save(path)
        views.append(replace(view, image_path=path))
    return replace(scene, views=tuple(views), root=folder)


def shaken(scene: Scene, seed: int = 0) -> Scene:
    """The scene with training cameras that are a little off."""
    generator = torch.Generator().manual_seed(seed)
    world = WorldTransform.from_cameras([view.camera for view in scene.train_views])
    views = []
    for view in scene.views:
        if view.split == "train":
            pose = view.camera.camtoworld.clone()
            turn = math.radians(DEGREES) * torch.randn(3, generator=generator)
            pose[:3, :3] = rotated(turn.expand(3, 3), pose[:3, :3].T).T
            pose[:3, 3] += world.length_to_scene(SHIFT * torch.randn(3, generator=generator))
            view = replace(view, camera=replace(view.camera, camtoworld=pose))
        views.append(view)
    return replace(scene, views=tuple(views))


def projection_error(found: Scene, true: Scene) -> float:
    """Mean over the training views of the median distance, pixels."""
    world = WorldTransform.from_cameras([view.camera for view in true.train_views])
    points = SPREAD * torch.randn(POINTS, 3, generator=torch.Generator().manual_seed(1))
    points = world.to_scene(points)
    errors: list[Tensor] = []
    for mine, right in zip(found.train_views, true.train_views, strict=True):
        off = mine.camera.project(points).xy - right.camera.project(points).xy
        errors.append(off.norm(dim=-1).median())
    return float(torch.stack(errors).mean())


def main(words: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("scene", type=Path)
    parser.add_argument("--width", type=int)
    parser.add_argument("--steps", type=int, help="in place of the preset's")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="standard")
    parser.add_argument("--only", nargs="+", choices=("exposure", "poses"), default=["exposure", "poses"])
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's)")
    parser.add_argument("--out", type=Path, required=True, help="folder for results.json")
    options = parser.parse_args(words)
    if options.threads:
        torch.set_num_threads(options.threads)
    given = load_scene(options.scene)
    config = PRESETS[options.preset]
    config = config if options.steps is None else replace(config, steps=options.steps)
    options.out.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=options.out))
    uneven = unevenly_lit(given, folder) if "exposure" in options.only else given
    cases: list[tuple[str, Scene, dict[str, bool]]] = [
        ("exposure", given, {"exposure": False}),
        ("exposure", given, {"exposure": True}),
        ("exposure", uneven, {"exposure": False}),
        ("exposure", uneven, {"exposure": True}),
        ("poses", given, {"refine_poses": False}),
        ("poses", given, {"refine_poses": True}),
        ("poses", shaken(given), {"refine_poses": False}),
        ("poses", shaken(given), {"refine_poses": True}),
    ]
    table = Table(title=f"{given.name}, {config.steps} steps")
    for column in ("scene", "setting", "PSNR dB", "off by px"):
        table.add_column(column)
    records = []
    for number, (kind, scene, setting) in enumerate(cases):
        if kind not in options.only:
            continue
        run = folder / f"run{number}"
        field = train_radiance_field(scene, run, replace(config, **setting), size=PhotoSize(options.width))
        scores = score_test_views(field, scene, quiet)
        psnr = fmean(score.psnr for score in scores if score.psnr is not None)
        off = projection_error(field.at_home().scene, given)
        worse = "as given" if scene is given else f"{kind} made worse"
        name = ", ".join(f"{name} {'on' if on else 'off'}" for name, on in setting.items())
        records.append({"scene": worse, "setting": name, "psnr": psnr, "projection_error": off})
        table.add_row(worse, name, f"{psnr:.2f}", f"{off:.2f}")
        print(f"{worse}, {name}: {psnr:.2f} dB, off by {off:.2f} px", flush=True)
        shutil.rmtree(run)
    shutil.rmtree(folder)
    Console(width=max(100, Console().width)).print(table)
    content = environment(torch.device("cpu")) | {"scene": given.name, "results": records}
    (options.out / "results.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
