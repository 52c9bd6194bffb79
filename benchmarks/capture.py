"""Poses found from photos alone, against those a scene gives.

    python benchmarks/capture.py ../shared/scenes/fox ../shared/scenes/cape --out benchmarks/results/capture

Of every scene only the photos are taken, its poses thrown away. What ``sanerf capture`` finds is then laid
over them by the best similarity. ``--out`` gets ``results.json`` and, for each scene, the captured scene with
the splits of the given one, so that both can be trained and scored in the same views:

    sanerf train ../shared/scenes/fox --out runs/fox-given --preset draft --width 270
    sanerf train benchmarks/results/capture/fox --out runs/fox-captured --preset draft --width 270
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from rich.console import Console
from rich.table import Table
from torch import Tensor

from harness import environment
from sanerf_hq.capture import CaptureConfig, capture
from sanerf_hq.cli.console import ConsoleProgress
from sanerf_hq.scene import Scene, View, load_scene


@dataclass(frozen=True)
class Score:
    """Captured poses against given ones, after the best similarity.

    Attributes:
        registered: Part of the photos that were registered.
        center_mean, center_max: Distance of camera centres from the given ones, in parts of the scene's size,
            the diagonal of the box round the given centres.
        rotation_mean, rotation_max: Angle to the given rotations, degrees.
        focal: Captured over given focal length.
        seconds: The capture took.
    """

    registered: float
    center_mean: float
    center_max: float
    rotation_mean: float
    rotation_max: float
    focal: float
    seconds: float


@dataclass(frozen=True)
class Similarity:
    """y = scale · R x + offset."""

    scale: float
    rotation: Float[Tensor, "3 3"]
    offset: Float[Tensor, "3"]


def best_similarity(points: Float[Tensor, "n 3"], targets: Float[Tensor, "n 3"]) -> Similarity:
    """The least-squares similarity from points to targets (Umeyama 1991, eqs. 40-43)."""
    mean, target_mean = points.mean(0), targets.mean(0)
    away, target_away = points - mean, targets - target_mean
    left, values, right = torch.linalg.svd(target_away.T @ away / len(points))
    signs = torch.ones_like(values)
    signs[-1] = torch.linalg.det(left @ right).sign()
    rotation = left @ torch.diag(signs) @ right
    scale = float((values * signs).sum() / away.square().sum(1).mean())
    return Similarity(scale, rotation, target_mean - scale * rotation @ mean)


def compare(found: Scene, given: Scene, seconds: float) -> Score:
    """Score views of equal stem."""
    by_stem = {view.stem: view for view in given.views}
    pairs = [(view, by_stem[view.stem]) for view in found.views]
    centers, targets = (_centers([pair[side] for pair in pairs]) for side in (0, 1))
    similarity = best_similarity(centers, targets)
    moved = similarity.scale * centers @ similarity.rotation.T + similarity.offset
    everywhere = _centers(list(given.views))
    size = (everywhere.amax(0) - everywhere.amin(0)).norm()
    errors = (moved - targets).norm(dim=1) / size
    angles = torch.stack([_angle(similarity.rotation, one, other) for one, other in pairs])
    return Score(
        registered=len(pairs) / len(given.views),
        center_mean=float(errors.mean()),
        center_max=float(errors.max()),
        rotation_mean=float(angles.mean()),
        rotation_max=float(angles.max()),
        focal=pairs[0][0].camera.focal / pairs[0][1].camera.focal,
        seconds=seconds,
    )


def _centers(views: list[View]) -> Float[Tensor, "n 3"]:
    return torch.stack([view.camera.center for view in views]).double()


def _angle(rotation: Float[Tensor, "3 3"], one: View, other: View) -> Float[Tensor, ""]:
    """Degrees between the rotations of two cameras, the first one's world turned by ``rotation``."""
    turned = rotation @ one.camera.camtoworld[:3, :3].double()
    sine = (turned - other.camera.camtoworld[:3, :3].double()).norm() / 8**0.5
    return 2 * torch.rad2deg(torch.asin(sine.clamp(max=1)))


def run_scene(folder: Path, out: Path, config: CaptureConfig) -> Score:
    """Capture a scene from copies of its photos, give it the given splits, score it."""
    given = load_scene(folder)
    with tempfile.TemporaryDirectory() as scratch, ConsoleProgress() as progress:
        for view in given.views:
            shutil.copy(view.image_path, scratch)
        started = time.monotonic()
        report = capture(Path(scratch), out, config, progress)
        seconds = time.monotonic() - started
    print("\n".join([given.name, *report.lines()]))
    file = out / "transforms.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    splits = {view.stem: view.split for view in given.views}
    for frame in content["frames"]:
        frame["split"] = splits[Path(frame["file_path"]).stem]
    file.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return compare(load_scene(out), given, seconds)


def print_table(scores: dict[str, Score]) -> None:
    """One row a scene."""
    table = Table(title="captured poses against given ones")
    columns = (
        "scene",
        "registered %",
        "centre % mean",
        "max",
        "rotation ° mean",
        "max",
        "focal ×",
        "seconds",
    )
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for name, score in scores.items():
        shares = (100 * score.registered, 100 * score.center_mean, 100 * score.center_max)
        table.add_row(
            *(name, f"{shares[0]:.0f}", f"{shares[1]:.3f}", f"{shares[2]:.3f}"),
            *(f"{score.rotation_mean:.3f}", f"{score.rotation_max:.3f}", f"{score.focal:.4f}"),
            f"{score.seconds:.0f}",
        )
    Console(width=max(100, Console().width)).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenes", nargs="+", type=Path, help="scene folders with known poses")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/capture"))
    parser.add_argument("--threads", type=int, default=1, help="0: all there are")
    parser.add_argument("--features", type=int, default=CaptureConfig().features)
    parser.add_argument("--pairing", choices=("auto", "exhaustive", "sequential"), default="auto")
    words = parser.parse_args()
    config = CaptureConfig(features=words.features, threads=words.threads, pairing=words.pairing)
    scores = {}
    for folder in words.scenes:
        name = folder.resolve().name
        scores[name] = run_scene(folder, words.out / name, config)
        where = environment(torch.device("cpu"))
        content = where | {"config": asdict(config), "scenes": {k: asdict(v) for k, v in scores.items()}}
        (words.out / "results.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print_table(scores)


if __name__ == "__main__":
    main()
