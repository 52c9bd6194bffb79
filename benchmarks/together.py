"""All objects of a scene in one field against a field for each: seconds and IoU.

    python benchmarks/together.py runs/desk --segmenter compact --out benchmarks/results/together

Takes a run that ``sanerf train`` or ``sanerf bench`` made of a scene with truth. Every object is segmented by
itself from its first clicks, then all are in one go; embeddings and surface samples are there before. IoU is
pooled over the test views.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from harness import environment
from object_field import Look, survey_ground
from sanerf_hq.evaluate import Confusion
from sanerf_hq.masks import DecodeConfig, Pictures
from sanerf_hq.objects import ObjectConfig, object_view, segment_objects
from sanerf_hq.prompts import PointPrompt
from sanerf_hq.radiance import RadianceField, ViewSamples, load_radiance_field, load_view_samples
from sanerf_hq.scene import SceneObject
from sanerf_hq.segmenters import MaskFolder, Segmenter, load_segmenter

NAME = "benchmark"


def segmented(
    field: RadianceField,
    segmenter: Segmenter | MaskFolder,
    targets: Sequence[SceneObject],
    clicks: int,
    pool: ViewSamples,
    looks: Sequence[Look],
) -> tuple[dict[str, float], dict[str, float]]:
    """Objects in one field: seconds to the preview and in all, and each one's IoU."""
    prompts = {one.name: PointPrompt(one.prompt_view, one.positive[:clicks]) for one in targets}
    field.at_home().run.remove_segmentation(NAME)
    previewed: list[float] = []
    started = time.monotonic()
    made = segment_objects(
        field,
        segmenter,
        prompts,
        NAME,
        DecodeConfig(),
        ObjectConfig(),
        pool=pool,
        on_preview=lambda _: previewed.append(time.monotonic() - started),
    )
    seconds = {"preview": previewed[0] if previewed else float("nan"), "all": time.monotonic() - started}
    confusions = {one.name: Confusion() for one in targets}
    for look in looks:
        labels: Tensor = object_view(made.field.logits_of(look.surfaces), look.camera).labels
        for number, one in enumerate(targets, 1):
            confusions[one.name] = confusions[one.name].add(labels == number, look.labels == one.id)
    return seconds, {name: confusion.iou or 0.0 for name, confusion in confusions.items()}


def print_table(alone: Mapping[str, float], together: Mapping[str, float], title: str) -> None:
    table = Table(title=title)
    for column in ("object", "IoU alone", "IoU together", "points"):
        table.add_column(column, justify="left" if column == "object" else "right")
    for name, iou in alone.items():
        table.add_row(name, f"{iou:.3f}", f"{together[name]:.3f}", f"{100 * (together[name] - iou):+.1f}")
    means = fmean(alone.values()), fmean(together.values())
    table.add_row("mean", f"{means[0]:.3f}", f"{means[1]:.3f}", f"{100 * (means[1] - means[0]):+.1f}")
    Console().print(table)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--segmenter", default="compact", help="as for sanerf segment")
    parser.add_argument("--objects", nargs="+", help="names of those to segment; all if not given")
    parser.add_argument("--clicks", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="folder for results.json")
    options = parser.parse_args(words)
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    field = load_radiance_field(options.run)
    home = field.at_home()
    segmenter = load_segmenter(options.segmenter, home.scene)
    pool, looks = load_view_samples(field), survey_ground(field).looks
    targets = [one for one in home.scene.objects if not options.objects or one.name in options.objects]
    if not isinstance(segmenter, MaskFolder):
        pictures = Pictures(field, segmenter, DecodeConfig().segment_on)
        for view in home.views:
            pictures.of_view(view)
    alone: dict[str, float] = {}
    seconds: list[dict[str, float]] = []
    for one in targets:
        took, ious = segmented(field, segmenter, [one], options.clicks, pool, looks)
        alone |= ious
        seconds.append(took)
        print(f"{one.name}: preview {took['preview']:.1f} s, all {took['all']:.1f} s", flush=True)
    took, together = segmented(field, segmenter, targets, options.clicks, pool, looks)
    mean = {key: fmean(one[key] for one in seconds) for key in took}
    print_table(alone, together, f"{home.scene.name}, {options.segmenter}, {options.clicks} clicks")
    print(f"one object: preview {mean['preview']:.1f} s, all {mean['all']:.1f} s in the mean")
    print(
        f"{len(targets)} together: preview {took['preview']:.1f} s, all {took['all']:.1f} s, "
        f"{took['all'] / mean['all']:.1f} times one"
    )
    content = environment(torch.device("cpu")) | {"scene": home.scene.name, "segmenter": options.segmenter}
    content |= {"seconds_alone": seconds, "seconds_together": took}
    content |= {"iou_alone": alone, "iou_together": together}
    (options.out / "results.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
