"""What an object field is worth over its masks, and the ray-pair loss over cross entropy: an ablation.

    python benchmarks/object_field.py runs/desk runs/cape --segmenter compact --out results/object_field
    python benchmarks/object_field.py runs/desk --segmenter damaged:wobble=3,leak=0.3 --seeds 0 1 2 --out out

Takes runs that ``sanerf train`` or ``sanerf bench`` made of scenes with truth. Each object is prompted by its
first clicks and fused in every way of METHODS from two sets of masks: as they come (``equal``), and weighed,
chosen among and asked for again (``weighed``); beside them stands the segmenter itself, shown the same points
in each test photo. Scores are pooled over test views at full size; 3D precision
and recall are those of the depth truth's points, by the field's probability there. The paired bootstrap is
over objects and seeds, of each method against every ``--base``; the first of them is Eq. 8 alone on masks as
they come.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor

from harness import environment
from object_kinds import kinds_of
from sanerf_hq.errors import InputError
from sanerf_hq.evaluate import Confusion, contact_sheet, masks_alone
from sanerf_hq.geometry import Camera
from sanerf_hq.masks import DecodeConfig, MaskSet, decode_masks
from sanerf_hq.masks.rle import decode
from sanerf_hq.objects import (
    ObjectConfig,
    ObjectView,
    RayPairConfig,
    object_view,
    preview_of,
    train_object_field,
)
from sanerf_hq.prompts import PointPrompt
from sanerf_hq.radiance import (
    RadianceField,
    SurfaceSamples,
    ViewSamples,
    load_radiance_field,
    load_view_samples,
)
from sanerf_hq.scene import SceneObject, View, read_depth, read_image, read_instances
from sanerf_hq.segmenters import MaskFolder, Segmenter, load_segmenter

MOST_VIEWS = 8  # test views that are scored, evenly chosen
POINTS_A_VIEW = 4000  # of the depth truth
NAME = "benchmark"
ALONE = "segmenter alone"
BASE = ObjectConfig()
STANDARD = replace(
    BASE, pairs=replace(BASE.pairs, where_exact=True)
)  # with labels, too, the loss is measured
OFF = RayPairConfig(weight=0.0)
EQUAL = DecodeConfig(weigh=False, reject=False, choose=False, rounds=0, again=0)
DECODINGS = {"equal": EQUAL, "weighed": DecodeConfig()}
METHODS: dict[str, ObjectConfig | None] = {
    "preview": None,
    "plain": replace(STANDARD, from_votes=False, clean=False, band_share=0.0, band_rays=0, pairs=OFF),
    "ce": replace(STANDARD, pairs=OFF),
    "within": replace(STANDARD, pairs=replace(STANDARD.pairs, across=False)),
    "across": STANDARD,
    "colour alone": replace(STANDARD, pairs=replace(STANDARD.pairs, reach=0.0, weight=8.0)),
    "photo colours": replace(STANDARD, pairs=replace(STANDARD.pairs, colours="photo")),
    "no outlines": replace(STANDARD, band_share=0.0, band_rays=0),
    "from nothing": replace(STANDARD, from_votes=False),
}
USUAL = ("preview", "plain", "ce", "within", "across")
FIGURES = ("iou", "boundary_iou", "boundary_iou_3px", "precision_3d", "recall_3d")


@dataclass(frozen=True)
class Look:
    """A test view and what is true of it.

    Attributes:
        view: The view.
        camera: Its camera at the size that was trained at.
        surfaces: What its rays meet.
        labels: Identity of each pixel, 0 = background.
    """

    view: View
    camera: Camera
    surfaces: SurfaceSamples
    labels: Tensor


@dataclass(frozen=True)
class Ground:
    """What scores are taken against.

    Attributes:
        looks: Test views.
        points: On true surfaces, in the scene's coordinates; none without depth truth.
        ids: Whose each point is.
    """

    looks: tuple[Look, ...]
    points: Tensor
    ids: Tensor


def survey_ground(field: RadianceField) -> Ground:
    """The test views of a field's scene that have truth.

    Raises:
        InputError: There is none.
    """
    home = field.at_home()
    views = [view for view in home.scene.test_views if view.instance_path is not None]
    if not views:
        raise InputError(f"{home.scene.root} has no test view with truth; choose another scene")
    step = max(1.0, len(views) / MOST_VIEWS)
    looks, points, ids = [], [torch.zeros(0, 3)], [torch.zeros(0, dtype=torch.int64)]
    for view in [views[int(i * step)] for i in range(min(MOST_VIEWS, len(views)))]:
        camera = home.sized(view)
        surfaces = field.surfaces(camera.rays(camera.pixel_grid()))
        looks.append(Look(view, camera, surfaces, read_instances(view, camera.width)))
        if view.depth_path is None:
            continue
        depth, labels = read_depth(view), read_instances(view)
        rows, columns = (depth > 0).nonzero().unbind(-1)
        some = torch.linspace(0, len(rows) - 1, min(POINTS_A_VIEW, len(rows))).long()
        rows, columns = rows[some], columns[some]
        points.append(view.camera.unproject(torch.stack([columns, rows], -1) + 0.5, depth[rows, columns]))
        ids.append(labels[rows, columns])
    return Ground(tuple(looks), torch.cat(points), torch.cat(ids))


@dataclass(frozen=True)
class Score:
    """What a method came to on one object; None where it could not be measured."""

    iou: float | None
    boundary_iou: float | None
    boundary_iou_3px: float | None
    precision_3d: float | None
    recall_3d: float | None


def score(
    ground: Ground, target: SceneObject, mask_of: Callable[[Look], Tensor], on_points: Tensor | None
) -> tuple[Score, list[Tensor]]:
    """Score masks of the test views, and which of the true points are said to be the object's."""
    confusion, masks = Confusion(), []
    for look in ground.looks:
        masks.append(mask_of(look))
        confusion = confusion.add(masks[-1], look.labels == target.id)
    precision = recall = None
    true = ground.ids == target.id
    if on_points is not None and bool(true.any()):
        both = int((on_points & true).sum())
        precision, recall = both / max(1, int(on_points.sum())), both / int(true.sum())
    figures = confusion.iou, confusion.boundary_iou, confusion.boundary_iou_3px
    return Score(*figures, precision, recall), masks


def nothing(look: Look) -> Tensor:
    """The mask of a method that came out with nothing."""
    return torch.zeros_like(look.labels, dtype=torch.bool)


def fuse(
    field: RadianceField,
    masks: MaskSet,
    config: ObjectConfig | None,
    pool: ViewSamples,
    ground: Ground,
    target: SceneObject,
) -> tuple[Score, float, list[Tensor]]:
    """Fuse masks in one way: its score, the processor seconds it took, its masks."""
    started = time.process_time()
    home = field.at_home()
    if config is None:
        preview = preview_of(field, masks, pool)
        seconds = time.process_time() - started

        def shown(look: Look) -> Tensor:
            shares = preview.probabilities_of(look.surfaces).cpu()
            shaped = shares.view(look.camera.height, look.camera.width, -1)
            return ObjectView(shaped, shaped).mask

        found, pictures = score(ground, target, shown, None)
        return found, seconds, pictures
    home.run.remove_segmentation(NAME)
    made = train_object_field(field, masks, NAME, config, pool=pool)
    seconds = time.process_time() - started
    on_points = made.probability(ground.points)[:, 1] > 0.5 if len(ground.points) else None
    found, pictures = score(
        ground, target, lambda look: object_view(made.logits_of(look.surfaces), look.camera).mask, on_points
    )
    return found, seconds, pictures


def measure(folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """All methods on the objects of one run, a record each; pictures on the way."""
    field = load_radiance_field(folder)
    home = field.at_home()
    pool, ground = load_view_samples(field), survey_ground(field)
    records: list[dict[str, Any]] = []
    for target in home.scene.objects:
        if options.objects and target.name not in options.objects:
            continue
        kinds = kinds_of(home, target)
        for seed in options.seeds:
            # Another seed is other chance in training, and other errors where masks are damaged.
            chance = replace(field, home=replace(home, run=replace(home.run, seed=seed)))
            spec = (
                f"{options.segmenter},seed={seed}" if "damaged:" in options.segmenter else options.segmenter
            )
            segmenter = load_segmenter(spec, home.scene)
            rows: dict[str, list[Tensor]] = {}
            about = {"scene": home.scene.name, "object": target.name, "kinds": kinds, "seed": seed}
            if not isinstance(segmenter, MaskFolder):
                one, seconds, pictures = _alone(chance, segmenter, target, options.clicks, ground)
                records.append(about | {"method": ALONE, "seconds": seconds} | asdict(one))
                rows[ALONE] = pictures
                print(f"{home.scene.name}, {target.name}, {seed}, {ALONE}: {_told(one)}", flush=True)
            for decoding in options.decodings:
                made = _decode(chance, segmenter, target, options.clicks, DECODINGS[decoding], pool)
                for method in options.methods:
                    name = f"{decoding}, {method}"
                    if made is None:
                        one, seconds, pictures = score(ground, target, nothing, None)[0], 0.0, []
                    else:
                        one, seconds, pictures = fuse(chance, made, METHODS[method], pool, ground, target)
                    records.append(about | {"method": name, "seconds": seconds} | asdict(one))
                    rows[name] = pictures
                    print(f"{home.scene.name}, {target.name}, {seed}, {name}: {_told(one)}", flush=True)
            if seed == options.seeds[0]:
                _draw(options.out / f"{home.scene.name}-{target.name}.jpg", ground, target, rows)
    return records


def _alone(
    field: RadianceField, segmenter: Segmenter, target: SceneObject, clicks: int, ground: Ground
) -> tuple[Score, float, list[Tensor]]:
    """The segmenter on the test photos, each click shown where it is visible: what 3D is to beat."""
    started = time.process_time()
    prompt = PointPrompt(target.prompt_view, target.positive[:clicks])
    alone, _ = masks_alone(field, segmenter, prompt, None)
    seconds = (time.process_time() - started) / max(1, len(alone))
    found, pictures = score(ground, target, lambda look: decode(alone[look.view.name]), None)
    return found, seconds, pictures


def _decode(
    field: RadianceField,
    segmenter: Segmenter | MaskFolder,
    target: SceneObject,
    clicks: int,
    decoding: DecodeConfig,
    pool: ViewSamples,
) -> MaskSet | None:
    prompt = PointPrompt(target.prompt_view, target.positive[:clicks])
    try:
        return decode_masks(field, segmenter, prompt, target.name, decoding, pool=pool)
    except InputError as error:
        print(f"{target.name}: {error}")
        return None


def _told(one: Score) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in asdict(one).items() if value is not None)


def _draw(path: Path, ground: Ground, target: SceneObject, rows: Mapping[str, list[Tensor]]) -> None:
    """The view that shows most of the object: the photo, and what each method gets wrong in it."""
    number = max(range(len(ground.looks)), key=lambda i: int((ground.looks[i].labels == target.id).sum()))
    look = ground.looks[number]
    truth = look.labels == target.id
    photo = read_image(look.view, look.camera.width)
    tiles, names = [photo], ["photo"]
    for name, masks in rows.items():
        if masks:
            tile = photo.clone()
            tile[~truth & ~masks[number]] //= 3
            tile[masks[number] & ~truth] = torch.tensor([220, 40, 40], dtype=torch.uint8)
            tile[truth & ~masks[number]] = torch.tensor([40, 80, 230], dtype=torch.uint8)
            tiles.append(tile)
            names.append(name)
    Image.fromarray(contact_sheet(tiles, 3).numpy()).save(path, quality=88)
    print(f"{path}: {'; '.join(names)}; red: too much, blue: missing", flush=True)


def bootstrap(gains: Sequence[float], draws: int = 4000) -> tuple[float, float]:
    """The middle 95 % of the mean of paired differences, drawn with replacement."""
    chosen = np.random.default_rng(0).integers(len(gains), size=(draws, len(gains)))
    low, high = np.quantile(np.asarray(gains)[chosen].mean(1), [0.025, 0.975])
    return float(low), float(high)


def summarise(records: Sequence[Mapping[str, Any]], base: str) -> dict[str, dict[str, Any]]:
    """Of each method: means of all figures, deviation over seeds, gain over ``base`` with its 95 %."""
    by_method: dict[str, dict[tuple[str, str, int], Mapping[str, Any]]] = {}
    for one in records:
        by_method.setdefault(one["method"], {})[(one["scene"], one["object"], one["seed"])] = one
    summary: dict[str, dict[str, Any]] = {}
    for name, rows in by_method.items():
        found: dict[str, Any] = {"seconds": fmean(one["seconds"] for one in rows.values())}
        for figure in FIGURES:
            values = [one[figure] for one in rows.values() if one[figure] is not None]
            found[figure] = fmean(values) if values else None
        seeds = sorted({key[2] for key in rows})
        means = [fmean(one["iou"] or 0.0 for key, one in rows.items() if key[2] == seed) for seed in seeds]
        found["iou_deviation"] = pstdev(means)
        for figure in ("iou", "boundary_iou"):
            shared = [key for key in rows if key in by_method.get(base, {})]
            gains = [(rows[key][figure] or 0.0) - (by_method[base][key][figure] or 0.0) for key in shared]
            if gains and name != base:
                low, high = bootstrap(gains)
                found[f"{figure}_gain"] = {"mean": fmean(gains), "low": low, "high": high}
        summary[name] = found
    return summary


def print_summary(summary: Mapping[str, Mapping[str, Any]], base: str, title: str) -> None:
    """Methods down, figures across."""
    table = Table(title=title)
    for column in ("", *FIGURES, "s", f"IoU over {base}", "Boundary IoU over it"):
        table.add_column(column, justify="left" if not column else "right")
    for name, found in summary.items():
        cells = ["" if found[figure] is None else f"{found[figure]:.3f}" for figure in FIGURES]
        cells[0] += f" ± {found['iou_deviation']:.3f}"
        gains = [found.get(f"{figure}_gain") for figure in ("iou", "boundary_iou")]
        cells += [f"{found['seconds']:.1f}"]
        cells += [
            f"{100 * gain['mean']:+.1f} ({100 * gain['low']:+.1f} to {100 * gain['high']:+.1f})"
            if gain
            else ""
            for gain in gains
        ]
        table.add_row(name, *cells)
    Console(width=max(150, Console().width)).print(table)


def report(records: Sequence[Mapping[str, Any]], options: argparse.Namespace) -> None:
    """Print the tables of the records so far, and write ``results.json``."""
    scenes = dict.fromkeys(one["scene"] for one in records)
    title = f"{options.segmenter}, {options.clicks} clicks, test views of {', '.join(scenes)}"
    summary = {base: summarise(records, base) for base in options.base}
    for base, found in summary.items():
        print_summary(found, base, title)
    by_kind = {}
    for kind in sorted({kind for one in records for kind in one["kinds"]}):
        by_kind[kind] = summarise([one for one in records if kind in one["kinds"]], options.base[0])
        print_summary(by_kind[kind], options.base[0], f"objects that are {kind}")
    asked = {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}
    asked["runs"] = [folder.name for folder in options.runs]
    content = environment(torch.device("cpu")) | {"options": asked, "summary": summary, "by_kind": by_kind}
    content |= {"records": records}
    (options.out / "results.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument(
        "--segmenter", default="compact", help="as for sanerf segment; a damaged: one gets seeds"
    )
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(USUAL))
    parser.add_argument("--decodings", nargs="+", choices=list(DECODINGS), default=list(DECODINGS))
    parser.add_argument(
        "--base", nargs="+", default=["equal, plain"], help="methods that gains are taken over"
    )
    parser.add_argument("--objects", nargs="+", help="names of those to segment; all if not given")
    parser.add_argument("--clicks", type=int, default=3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="folder for results.json and pictures")
    options = parser.parse_args(words)
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    records: list[dict[str, Any]] = []
    for folder in options.runs:
        records += measure(folder, options)
        report(records, options)


if __name__ == "__main__":
    main()
