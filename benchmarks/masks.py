"""Which masks count: each means of telling good masks from bad ones on and off, and IoU against damage.

    python benchmarks/masks.py runs/desk runs/cape --segmenter compact --out benchmarks/results/masks
    python benchmarks/masks.py runs/desk --damage wrong --seeds 0 1 2 --out benchmarks/results/wrong

Takes runs that ``sanerf train`` or ``sanerf bench`` made of scenes with truth. Without ``--damage`` it
prints, for each scene, the mean IoU of its objects with all means, with each left out, and with none.
With ``--damage`` the masks are the truth's with errors of that kind at growing rates, and the IoU is plotted
against the rate. ``--stage votes`` stops at the closed form, seconds an object; ``field`` trains.
IoU is pooled over the test views, every third pixel of each row and column; say ``--split train`` to tune.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from harness import environment
from plot import line_plot
from sanerf_hq.errors import InputError
from sanerf_hq.evaluate.metrics import Overlap
from sanerf_hq.evaluate.protocol import prompt_of
from sanerf_hq.masks import DecodeConfig, decode_masks
from sanerf_hq.objects import ObjectConfig, preview_of, train_object_field
from sanerf_hq.radiance import (
    RadianceField,
    SurfaceSamples,
    ViewSamples,
    load_radiance_field,
    load_view_samples,
)
from sanerf_hq.scene import SceneObject, read_instances
from sanerf_hq.segmenters import load_segmenter

Split = Literal["train", "test"]
Stage = Literal["votes", "field"]
STRIDE = 3  # of the pixels that are scored
MOST_VIEWS = 12  # of a split that are scored
NAME = "benchmark"


@dataclass(frozen=True)
class Variant:
    """One way to weigh masks.

    Attributes:
        decoding: How they are found and weighed.
        clean: Whether parts apart from the prompted surface are left out.
        from_votes: Whether the field starts from the votes.
    """

    decoding: DecodeConfig
    clean: bool = True
    from_votes: bool = True


ALL = DecodeConfig()
EQUAL = DecodeConfig(weigh=False, reject=False, choose=False, rounds=0, again=0, creases=False)
VARIANTS: dict[str, Variant] = {
    "all": Variant(ALL),
    "no weights": Variant(replace(ALL, weigh=False)),
    "no rejection": Variant(replace(ALL, reject=False)),
    "no choice": Variant(replace(ALL, choose=False)),
    "no creases": Variant(replace(ALL, creases=False)),
    "not asked again": Variant(replace(ALL, rounds=0, again=0)),
    "asked again if poor": Variant(replace(ALL, again=0)),
    "not cleaned": Variant(ALL, clean=False),
    "not from votes": Variant(ALL, from_votes=False),
    "equal weights": Variant(EQUAL, clean=False),
}
DAMAGED = ("all", "no weights", "no rejection", "equal weights")  # what labels do not answer is left out
RATES: dict[str, tuple[float, ...]] = {
    "wrong": (0.0, 0.1, 0.2, 0.3, 0.4, 0.45),
    "leak": (0.0, 0.2, 0.4, 0.6, 0.8),
    "missing": (0.0, 0.2, 0.4, 0.6, 0.8),
    "dropped": (0.0, 0.3, 0.6, 0.9),
    "wobble": (0.0, 2.0, 4.0, 8.0),
}


@dataclass(frozen=True)
class Looks:
    """What some views with truth see, and what it is.

    Attributes:
        surfaces: Of their pixels.
        labels: Identity of each, 0 = background.
    """

    surfaces: SurfaceSamples
    labels: Tensor


def look(field: RadianceField, split: Split) -> Looks:
    """Some pixels of some views of a split that have truth.

    Raises:
        InputError: There is no such view.
    """
    home = field.at_home()
    views = home.scene.test_views if split == "test" else home.views
    views = [view for view in views if view.instance_path is not None]
    if not views:
        raise InputError(f"{home.scene.root} has no {split} view with truth; choose another scene")
    step = max(1.0, len(views) / MOST_VIEWS)
    parts, labels = [], []
    for view in [views[int(i * step)] for i in range(min(MOST_VIEWS, len(views)))]:
        camera = home.sized(view)
        rows, columns = torch.arange(1, camera.height, STRIDE), torch.arange(1, camera.width, STRIDE)
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        xy = torch.stack([x, y], -1).reshape(-1, 2)
        parts.append(field.surfaces(camera.rays(xy + 0.5)))
        labels.append(read_instances(view, camera.width)[xy[:, 1], xy[:, 0]])
    return Looks(SurfaceSamples.join(parts), torch.cat(labels))


@dataclass(frozen=True)
class Outcome:
    """What one object came to.

    Attributes:
        iou: Of the 3D mask, pooled over the views looked at; 0 where no mask came out.
        cpu_seconds: Time of this process from prompt to mask: what a core that does nothing else would take.
    """

    iou: float
    cpu_seconds: float


def attempt(
    field: RadianceField,
    spec: str,
    target: SceneObject,
    variant: Variant,
    stage: Stage,
    clicks: int | None,
    pool: ViewSamples,
    looks: Looks,
) -> Outcome:
    """Cut one object out and score it."""
    home = field.at_home()
    segmenter = load_segmenter(spec, home.scene)
    prompt = prompt_of(target, clicks)
    started = time.process_time()
    try:
        masks = decode_masks(field, segmenter, prompt, target.name, variant.decoding, pool=pool)
        if stage == "votes":
            likeliest = preview_of(field, masks, pool).probabilities_of(looks.surfaces)
            seconds = time.process_time() - started
        else:
            home.run.remove_segmentation(NAME)
            config = ObjectConfig(clean=variant.clean, from_votes=variant.from_votes)
            found = train_object_field(field, masks, NAME, config, pool=pool)
            seconds = time.process_time() - started
            likeliest = found.logits_of(looks.surfaces)
    except InputError:
        return Outcome(0.0, time.process_time() - started)
    mask, truth = likeliest.argmax(-1).cpu() > 0, looks.labels == target.id
    overlap = Overlap(int((mask & truth).sum()), int((mask | truth).sum()))
    return Outcome(overlap.iou or 0.0, seconds)


def damaged(kind: str, rate: float, wobble: float, seed: int) -> str:
    """The segmenter of one point of a plot."""
    settings = {"wobble": wobble} | {kind: rate}
    return "damaged:" + ",".join(f"{name}={value}" for name, value in settings.items()) + f",seed={seed}"


def print_table(rows: Mapping[str, Mapping[Any, float]], title: str) -> None:
    """Variants down, scenes or rates across."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    table = Table(title=title)
    table.add_column("")
    for column in columns:
        table.add_column(str(column), justify="right")
    for name, row in rows.items():
        table.add_row(name, *(f"{row[column]:.3f}" if column in row else "" for column in columns))
    Console(width=max(100, Console().width)).print(table)


def measure(
    folder: Path, options: argparse.Namespace, names: Sequence[str], rates: Sequence[float | None]
) -> list[dict[str, Any]]:
    """Outcomes of one run's objects, a record each."""
    field = load_radiance_field(folder)
    scene = field.at_home().scene
    pool, looks = load_view_samples(field), look(field, options.split)
    wobble = 0.0 if options.damage == "wobble" else options.wobble
    clicks = None if options.box else options.clicks
    records: list[dict[str, Any]] = []
    for target in scene.objects:
        if options.objects and target.name not in options.objects:
            continue
        for rate in rates:
            for seed in [0] if rate is None else options.seeds:
                spec = options.segmenter if rate is None else damaged(options.damage, rate, wobble, seed)
                for name in names:
                    variant = VARIANTS[name]
                    one = attempt(field, spec, target, variant, options.stage, clicks, pool, looks)
                    print(f"{scene.name}, {target.name}, {spec}, {name}: {one.iou:.3f}", flush=True)
                    records.append(
                        {"scene": scene.name, "object": target.name, "segmenter": spec, "variant": name}
                        | {"rate": rate, "iou": one.iou, "cpu_seconds": one.cpu_seconds}
                    )
    return records


def means(records: Sequence[Mapping[str, Any]], names: Sequence[str], by: str) -> dict[str, dict[Any, float]]:
    """Mean IoU of each variant at each scene or rate."""
    values = list(dict.fromkeys(one[by] for one in records))
    return {
        name: {
            value: fmean(one["iou"] for one in records if one["variant"] == name and one[by] == value)
            for value in values
        }
        for name in names
    }


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--segmenter", default="compact")
    parser.add_argument("--damage", choices=sorted(RATES))
    parser.add_argument("--rates", type=float, nargs="+", help="in place of the usual ones")
    parser.add_argument("--wobble", type=float, default=3.0, help="pixels, of every mask, beside the damage")
    parser.add_argument("--variants", nargs="+", choices=sorted(VARIANTS))
    parser.add_argument("--objects", nargs="+", help="names of those to segment; all if not given")
    parser.add_argument("--clicks", type=int, default=3)
    parser.add_argument("--box", action="store_true", help="prompt with boxes in place of clicks")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--stage", choices=("votes", "field"), default="field")
    parser.add_argument("--split", choices=("train", "test"), default="test")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="folder for results.json and the plot")
    options = parser.parse_args(words)
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    names = options.variants or (list(DAMAGED) if options.damage else list(VARIANTS))
    rates = (options.rates or RATES[options.damage]) if options.damage else (None,)
    records = [one for folder in options.runs for one in measure(folder, options, names, rates)]
    rows = means(records, names, "rate" if options.damage else "scene")
    print_table(rows, f"mean IoU, {options.split} views, {options.stage}")
    if options.damage:
        what = "wobble, pixels" if options.damage == "wobble" else f"share of the views: {options.damage}"
        line_plot(rows, what, "mean IoU", options.out / f"{options.damage}.png")
    asked = {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}
    asked["runs"] = [folder.name for folder in options.runs]
    content = environment(torch.device("cpu")) | {"options": asked, "means": rows, "records": records}
    (options.out / "results.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
