"""What ``sanerf segment --everything`` finds in scenes with truth: things, and each object's best IoU.

    python benchmarks/everything.py runs/desk runs/groceries --out benchmarks/results/everything

Takes runs that ``sanerf train`` or ``sanerf bench`` made. Each object of ``scene.json`` is given the thing
whose mask in the test views (pooled) has the highest IoU with it; one may be the best for several. Scenes
have more in them than the objects of the list, so a thing that is the best for none is not wrong.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from harness import environment
from object_field import survey_ground
from sanerf_hq.masks import find_everything
from sanerf_hq.objects import object_view, segment_objects
from sanerf_hq.radiance import load_radiance_field, load_view_samples
from sanerf_hq.segmenters import MaskFolder, load_segmenter

NAME = "benchmark"
FOUND = 0.5  # IoU from which an object counts as found


def measure(run: Path, spec: str) -> dict[str, Any]:
    """All figures of a run."""
    field = load_radiance_field(run)
    home = field.at_home()
    segmenter = load_segmenter(spec, home.scene)
    if isinstance(segmenter, MaskFolder):
        raise SystemExit(f"{spec} answers no clicks; give another segmenter")
    pool = load_view_samples(field)
    started = time.monotonic()
    things = find_everything(field, segmenter, pool)
    looked = time.monotonic()
    home.run.remove_segmentation(NAME)
    made = segment_objects(field, segmenter, things, NAME, pool=pool)
    ended = time.monotonic()
    items = home.scene.objects
    both, either = torch.zeros(2, len(items), len(things), dtype=torch.int64)
    for look in survey_ground(field).looks:
        labels = object_view(made.field.logits_of(look.surfaces), look.camera).labels
        for row, item in enumerate(items):
            for column in range(len(things)):
                mine, true = labels == column + 1, look.labels == item.id
                both[row, column] += (mine & true).sum()
                either[row, column] += (mine | true).sum()
    iou = both / either.clamp_min(1)
    best = {item.name: round(float(iou[row].max()), 4) for row, item in enumerate(items)}
    return {
        "scene": home.scene.root.name,
        "things": len(things),
        "objects": best,
        "found": sum(value >= FOUND for value in best.values()),
        "mean_iou": fmean(best.values()),
        "seconds_looking": looked - started,
        "seconds_segmenting": ended - looked,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--segmenter", default="compact")
    parser.add_argument("--out", type=Path, help="folder for results.json")
    args = parser.parse_args()
    rows = [measure(run, args.segmenter) for run in args.runs]
    table = Table("scene", "things", "objects found", "IoU of the best", "s looking", "s segmenting")
    for row in rows:
        table.add_row(
            row["scene"],
            str(row["things"]),
            f"{row['found']} of {len(row['objects'])}",
            f"{row['mean_iou']:.3f}",
            f"{row['seconds_looking']:.0f}",
            f"{row['seconds_segmenting']:.0f}",
        )
        print(json.dumps(row))
    Console().print(table)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        result = {"environment": environment(torch.device("cpu")), "scenes": rows}
        (args.out / "results.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
