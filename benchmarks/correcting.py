"""A user who corrects in 3D: looks at an object from several sides and clicks where it is most wrong.

    python benchmarks/correcting.py runs/desk --objects plant lamp --corrections 4 --out results/correcting

Takes runs that ``sanerf train`` or ``sanerf bench`` made of scenes with truth. Every object is segmented from
its first clicks; then the user looks at some of the training views, clicks in the one with most errors in the
middle of the largest, and all clicks made so far are segmented again, one after the other. Printed is the
IoU, pooled over the test views, after each correction, and how often one made it worse.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import torch
from rich.console import Console
from rich.table import Table

from clicking import next_click
from harness import environment
from object_field import Look, survey_ground
from sanerf_hq.evaluate import Confusion
from sanerf_hq.objects import ObjectField, object_view, segment_objects
from sanerf_hq.prompts import PointPrompt
from sanerf_hq.radiance import RadianceField, load_radiance_field, load_view_samples
from sanerf_hq.scene import SceneObject, View, read_instances
from sanerf_hq.segmenters import MaskFolder, Segmenter, load_segmenter

NAME = "benchmark"
SIDES = 6  # training views that the user looks at
WORSE = 0.02  # IoU lost by a correction that counts as worse


def sides_of(field: RadianceField, target: SceneObject) -> tuple[Look, ...]:
    """Training views spread over those that show an object, the prompted one among them."""
    home = field.at_home()
    seeing: list[tuple[View, torch.Tensor]] = []
    for view in home.scene.train_views:
        if view.instance_path is not None:
            labels = read_instances(view, home.sized(view).width)
            if bool((labels == target.id).any()):
                seeing.append((view, labels))
    step = max(1.0, len(seeing) / SIDES)
    chosen = [seeing[int(i * step)] for i in range(min(SIDES, len(seeing)))]
    prompted = home.scene.view(target.prompt_view)
    chosen += [pair for pair in seeing if pair[0] == prompted and pair not in chosen]
    looks = []
    for view, labels in chosen:
        camera = home.sized(view)
        looks.append(Look(view, camera, field.surfaces(camera.rays(camera.pixel_grid())), labels))
    return tuple(looks)


def masks_in(found: ObjectField, looks: Sequence[Look]) -> list[torch.Tensor]:
    """The object in views."""
    return [object_view(found.logits_of(look.surfaces), look.camera).mask for look in looks]


def corrected(
    prompts: list[PointPrompt], masks: Sequence[torch.Tensor], looks: Sequence[Look], target: SceneObject
) -> list[PointPrompt]:
    """The prompts and one click more, in the middle of the largest error of the view with most of it."""
    truths = [look.labels == target.id for look in looks]
    wrong = [int((mask ^ truth).sum()) for mask, truth in zip(masks, truths, strict=True)]
    worst = max(range(len(looks)), key=lambda index: wrong[index])
    point, label = next_click(masks[worst], truths[worst])
    view = looks[worst].view.name
    on, beside = ([point], []) if label == 1 else ([], [point])
    return [*prompts, PointPrompt(view, on, beside)]


def followed(
    field: RadianceField,
    segmenter: Segmenter | MaskFolder,
    target: SceneObject,
    clicks: int,
    corrections: int,
    tests: Sequence[Look],
) -> list[float]:
    """IoU over the test views with the first clicks, then after each correction."""
    pool, sides = load_view_samples(field), sides_of(field, target)
    prompts = [PointPrompt(target.prompt_view, target.positive[:clicks])]
    ious: list[float] = []
    while True:
        made = segment_objects(
            field, segmenter, {target.name: prompts}, NAME, pool=pool, overwrite=True
        ).field
        confusion = Confusion()
        for mask, look in zip(masks_in(made, tests), tests, strict=True):
            confusion = confusion.add(mask, look.labels == target.id)
        ious.append(confusion.iou or 0.0)
        if len(ious) > corrections:
            return ious
        prompts = corrected(prompts, masks_in(made, sides), sides, target)


def main(words: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--segmenter", default="compact", help="as for sanerf segment")
    parser.add_argument("--objects", nargs="+", help="names of those to segment; all if not given")
    parser.add_argument("--clicks", type=int, default=1, help="before the first correction")
    parser.add_argument("--corrections", type=int, default=4)
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's)")
    parser.add_argument("--out", type=Path, required=True, help="folder for results.json")
    options = parser.parse_args(words)
    if options.threads:
        torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    table = Table(title=f"{options.segmenter}, {options.clicks} clicks, then corrections")
    for column in ("object", *(f"+{n}" for n in range(options.corrections + 1))):
        table.add_column(column, justify="left" if column == "object" else "right")
    found: dict[str, list[float]] = {}
    for run in options.runs:
        field = load_radiance_field(run)
        scene = field.at_home().scene
        segmenter = load_segmenter(options.segmenter, scene)
        tests = survey_ground(field).looks
        for target in scene.objects:
            if not target.prompt_view or (options.objects and target.name not in options.objects):
                continue
            ious = followed(field, segmenter, target, options.clicks, options.corrections, tests)
            found[f"{scene.name}/{target.name}"] = ious
            print(f"{scene.name}/{target.name}: {' '.join(f'{iou:.3f}' for iou in ious)}", flush=True)
        field.at_home().run.remove_segmentation(NAME)
    for name, ious in found.items():
        table.add_row(name, *(f"{iou:.3f}" for iou in ious))
    table.add_row("mean", *(f"{fmean(column):.3f}" for column in zip(*found.values(), strict=True)))
    Console(width=max(100, Console().width)).print(table)
    steps = [b - a for ious in found.values() for a, b in pairwise(ious)]
    worse = sum(step < -WORSE for step in steps)
    print(f"{worse} of {len(steps)} corrections cost more than {100 * WORSE:.0f} points")
    content = environment(torch.device("cpu")) | {"segmenter": options.segmenter, "iou": found}
    (options.out / "results.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
