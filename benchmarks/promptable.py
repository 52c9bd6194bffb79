"""Segmenters side by side on single photos: clicks, boxes, speed. Nothing in 3D.

    python benchmarks/promptable.py ../shared/scenes/desk ../shared/scenes/tools \\
        --segmenters compact grabcut --out benchmarks/results/promptable

Every object of a scene is prompted in several of its training views, by a user who clicks where the mask is
most wrong. ``--out`` gets ``results.json`` and a picture sheet for each scene and segmenter: photo with the
truth, then the masks after one, three and five clicks and with the box.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor

from clicking import Attempt, Mask, attempt, rank_correlation
from harness import environment, time_in_turn
from sanerf_hq.errors import InputError
from sanerf_hq.evaluate.pictures import contact_sheet, difference, overlay
from sanerf_hq.scene import Scene, View, load_scene, read_image, read_instances
from sanerf_hq.segmenters import DecoderPrompt, Segmenter, load_segmenter
from sanerf_hq.segmenters.compact.segmenter import Compact

CLICKS = (1, 3, 5)
LEAST_SHARE = 0.0005  # of the photo: an object that shows less of itself is not asked for
SHEET_ROWS = 10
TRUTH_COLOUR = (40, 220, 90)
Cases = list[tuple[View, int, str, Mask]]


def cases_of(scene: Scene, n_views: int) -> Cases:
    """Objects in views spread over the training views with truth."""
    views = [view for view in scene.train_views if view.instance_path is not None]
    step = max(1.0, len(views) / n_views)
    chosen = [views[int(i * step)] for i in range(min(n_views, len(views)))]
    cases = []
    for view in chosen:
        ids = read_instances(view)
        for item in scene.objects:
            truth = ids == item.id
            if int(truth.sum()) >= LEAST_SHARE * truth.numel():
                cases.append((view, item.id, item.name, truth))
    return cases


def run_scene(segmenter: Segmenter, cases: Cases, feed_back: bool) -> tuple[list[Attempt], list[Tensor]]:
    """Attempts at all cases, and the rows of a picture sheet for some of them."""
    single = segmenter.with_single_mask() if isinstance(segmenter, Compact) else None
    attempts, pictures = [], []
    embedded, photo, embedding = "", torch.empty(0), None
    every = max(1, len(cases) // SHEET_ROWS)
    for number, (view, _, _, truth) in enumerate(cases):
        if view.name != embedded or embedding is None:
            photo = read_image(view)
            embedding, embedded = segmenter.embed(photo, view.name), view.name
        attempts.append(attempt(segmenter, single, embedding, truth, CLICKS, feed_back))
        if number % every == 0:
            pictures.append(overlay(photo, truth, TRUTH_COLOUR))
            pictures.extend(difference(photo, mask, truth) for mask in attempts[-1].shown)
    return attempts, pictures


def summary(attempts: Sequence[Attempt]) -> dict[str, float | None]:
    """Means over attempts."""
    after = {f"iou_{n}": fmean(one.ious[n - 1] for one in attempts) for n in CLICKS}
    singles = [one.single for one in attempts if one.single is not None]
    return after | {
        "iou_box": fmean(one.box for one in attempts),
        "best_of_three_1": fmean(one.best[0] for one in attempts),
        "single_1": fmean(singles) if singles else None,
        "clicks_to_90": fmean(one.clicks for one in attempts),
        "rank_correlation": rank_correlation(
            [value for one in attempts for value in one.predicted],
            [value for one in attempts for value in one.ious],
        ),
    }


def timings(segmenters: dict[str, Segmenter], photo: Tensor, seconds: float) -> dict[str, dict[str, float]]:
    """Median milliseconds to encode a photo and to decode one click, in turn."""
    device = torch.device("cpu")
    height, width, _ = photo.shape
    click = DecoderPrompt(torch.tensor([[width / 2, height / 2]]), torch.ones(1, dtype=torch.int64))
    embeddings = {name: segmenter.embed(photo) for name, segmenter in segmenters.items()}
    encode = time_in_turn({n: lambda s=s: s.embed(photo) for n, s in segmenters.items()}, device, seconds)
    decode = time_in_turn(
        {n: lambda s=s, n=n: s.decode(embeddings[n], [click]) for n, s in segmenters.items()}, device, seconds
    )
    return {
        name: {"encode_ms": encode[name].median_ms, "decode_ms": decode[name].median_ms}
        for name in segmenters
    }


def print_results(results: list[dict[str, Any]]) -> None:
    columns = [key for key in results[0] if key not in ("objects",)]
    table = Table(title="one photo at a time")
    for column in columns:
        table.add_column(
            column, justify="left" if column in ("scene", "segmenter") else "right", no_wrap=True
        )
    for row in results:
        values = [row[column] for column in columns]
        table.add_row(*("" if v is None else f"{v:.3f}" if isinstance(v, float) else str(v) for v in values))
    Console(width=max(160, Console().width)).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scenes", type=Path, nargs="+")
    parser.add_argument("--segmenters", nargs="+", default=["compact", "grabcut"])
    parser.add_argument("--views", type=int, default=10, help="training views a scene")
    parser.add_argument("--feed-back", action="store_true", help="give each answer along with the next click")
    parser.add_argument(
        "--as-decoded", action="store_true", help="compact also without its outlines settled by colours"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=4.0, help="for timings, of each kind")
    parser.add_argument("--out", type=Path, required=True, help="folder for results.json and picture sheets")
    options = parser.parse_args()
    if options.views < 1:
        parser.error(f"--views is {options.views}; give 1 or more")
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        loaded = {spec: load_segmenter(spec) for spec in options.segmenters}
    except InputError as error:
        parser.error(str(error))
    segmenters = {spec: one for spec, one in loaded.items() if isinstance(one, Segmenter)}
    if len(segmenters) < len(loaded):
        parser.error("masks and truth are not to be prompted; leave them out")
    if options.as_decoded:
        raw = {
            f"{name}, as decoded": s.as_decoded() for name, s in segmenters.items() if isinstance(s, Compact)
        }
        segmenters |= raw

    results: list[dict[str, Any]] = []
    photo = None
    for folder in options.scenes:
        scene = load_scene(folder)
        cases = cases_of(scene, options.views)
        if not cases:
            parser.error(f"{folder} has no training view with truth")
        photo = read_image(cases[0][0]) if photo is None else photo
        for spec, segmenter in segmenters.items():
            attempts, pictures = run_scene(segmenter, cases, options.feed_back)
            names = [name for _, _, name, _ in cases]
            by_object = {
                name: summary([one for one, whose in zip(attempts, names, strict=True) if whose == name])
                for name in dict.fromkeys(names)
            }
            line = {"scene": scene.name, "segmenter": spec, "n": len(attempts)}
            results.append(line | summary(attempts) | {"objects": by_object})
            sheet = contact_sheet(pictures, 2 + len(CLICKS))
            Image.fromarray(sheet.numpy()).save(
                options.out / f"{scene.name}-{re.sub('[^A-Za-z0-9_.-]+', '-', spec)}.png"
            )
    print_results(results)
    assert photo is not None
    speed = timings(segmenters, photo, options.seconds)
    for spec, times in speed.items():
        print(f"{spec}: encode {times['encode_ms']:.0f} ms, decode one click {times['decode_ms']:.1f} ms")
    content = environment(torch.device("cpu")) | {"views": options.views, "results": results, "speed": speed}
    (options.out / "results.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
