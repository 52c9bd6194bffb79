"""Training and rendering of radiance fields: time to quality, growth with views and pixels, parts of a step.

    python benchmarks/radiance.py ../shared/scenes/desk --only step --out benchmarks/results/radiance
    python benchmarks/radiance.py ../shared/scenes/desk --only growth --views 10 60 --widths 120 480 ...
    python benchmarks/radiance.py ../shared/scenes/desk --only quality --preset standard --width 240 ...

``step``: one training step of a field that is well under way: its parts as shares; its time beside the
same network and sampler in plain PyTorch at the same precision (the twin, run in turn with it); and
beside the time that its matrix products and memory traffic need at this machine's measured rates.
``growth``: rays and samples a second, seconds to render a view, and peak memory, as views and size grow.
``quality``: PSNR of the test views against seconds of training, with a plot.
Results go to ``radiance.json`` in the folder ``--out``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from harness import Comparison, environment, print_table, time_in_turn
from plot import line_plot
from radiance_twin import DenseAdam, plain_pytorch
from sanerf_hq.errors import InputError
from sanerf_hq.evaluate.metrics import psnr
from sanerf_hq.geometry import WorldTransform
from sanerf_hq.radiance import PRESETS, RadianceConfig, RadianceField, train_radiance_field
from sanerf_hq.radiance import step as steps
from sanerf_hq.radiance.candidates import CandidateDensities
from sanerf_hq.radiance.step import TrainState, make_step, new_state
from sanerf_hq.runs import Key, peak_memory_mb, reset_peak_memory
from sanerf_hq.scene import (
    PhotoSize,
    Scene,
    TrainingPixels,
    View,
    load_scene,
    load_training_pixels,
    read_image,
)

TWIN_TARGET = 1 / 5
PARTS = {
    "march": ("ray_march",),
    "densities of candidates": ("look_at",),
    "choice of samples": ("choose_samples",),
    "features of samples": ("_encoding",),
    "carving": ("carving",),
    "compositing and colour": ("composite",),
    "table and optimiser": ("_descend",),
    "occupancy": ("_remember", "_review"),
}
Step = Callable[[TrainState, Key], tuple[TrainState, dict[str, float | Tensor]]]
SEEN_VIEWS = 4  # test views that are looked at while training
DECIBELS = 40.0  # that the plot goes up to


def started(
    scene: Scene, config: RadianceConfig, width: int | None
) -> tuple[TrainState, Step, TrainingPixels]:
    """The first state, the step, and the pixels of a scene's training."""
    pixels = load_training_pixels(scene, PhotoSize(width))
    world = WorldTransform.from_cameras(list(pixels.cameras))
    state = new_state(config, Key(0, "radiance", 0), "cpu", pixels.cameras, world)
    return state, make_step(pixels, config, world, "cpu"), pixels


@dataclass
class Stopwatch:
    """Seconds by part of a step."""

    seconds: dict[str, float]

    def timed(self, part: str, do: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            begin = time.perf_counter()
            result = do(*arguments)
            self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - begin
            return result

        return run

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Inside, steps are timed part by part."""
        with ExitStack() as stack:
            for part, names in PARTS.items():
                for name in names:
                    timed = self.timed(part, getattr(steps, name))
                    stack.enter_context(mock.patch.object(steps, name, timed))
            backward = self.timed("backward pass", Tensor.backward)
            stack.enter_context(mock.patch.object(Tensor, "backward", backward))
            yield


def machine_rates() -> tuple[float, float]:
    """Multiply-adds a second of a large matrix product; bytes a second, read and written, of a copy."""
    size = 768
    a, b = torch.randn(size, size), torch.randn(size, size)
    block = torch.empty(64 << 20, dtype=torch.uint8)
    target = torch.empty_like(block)
    best = [
        min(_seconds(do) for _ in range(7)) for do in (lambda: torch.mm(a, b), lambda: target.copy_(block))
    ]
    return size**3 / best[0], 2 * block.numel() / best[1]


def _seconds(do: Callable[[], object]) -> float:
    begin = time.perf_counter()
    do()
    return time.perf_counter() - begin


def bound_seconds(
    config: RadianceConfig, known: int, kept: int, rays: int, rates: tuple[float, float]
) -> float:
    """Least seconds of a step: matrix products at the matmul rate, plus what must be moved at the copy rate.

    Args:
        config: Of the field.
        known: Candidates whose densities are asked for.
        kept: Samples.
        rays: Rays.
        rates: Of :func:`machine_rates`.
    """
    grid = config.grid
    encoded = grid.n_levels * grid.n_features
    density = config.hidden * (encoded + 1 + config.geometry_features)
    colour = config.hidden * (config.geometry_features + 16 + config.hidden + 3)
    coloured = rays if config.shading == "ray" else kept
    products = density * (known + 3 * kept) + 3 * colour * coloured  # a backward pass costs two forwards
    corners = 8 * 4 * encoded
    traffic = corners * (known + kept + 2 * kept) + 4 * encoded * 2 * (known + 2 * kept)
    return products / rates[0] + traffic / rates[1]


def measure_step(scene: Scene, config: RadianceConfig, width: int | None, seconds: float) -> dict[str, Any]:
    """Parts, twin and bound of one step at the end of a training."""
    state, step, _ = started(scene, config, width)
    for number in range(config.steps):
        state, _ = step(state, Key(0, "radiance", number))
    last = Key(0, "radiance", config.steps - 2)

    def stepper(state: TrainState) -> Callable[[], object]:
        fixed = state.n_rays, state.spacing

        def run() -> object:
            state.n_rays, state.spacing = fixed
            return step(state, last)[1]

        return run

    ours, twin_state = stepper(deepcopy(state)), deepcopy(state)
    table, theirs = DenseAdam(twin_state), stepper(twin_state)

    def twin() -> object:
        with plain_pytorch(table):
            return theirs()

    timings = time_in_turn({"kernel": ours, "twin": twin}, torch.device("cpu"), seconds)
    comparison = Comparison("training step", timings, {"twin": TWIN_TARGET})
    watch = Stopwatch({})
    with watch.watching():
        begin = time.perf_counter()
        repeats = max(3, timings["kernel"].runs)
        for _ in range(repeats):
            ours()
        total = time.perf_counter() - begin
    counts = _counted(ours)
    rates = machine_rates()
    bound = bound_seconds(config, counts["candidates asked"], counts["samples"], state.n_rays, rates)
    parts = {name: spent / total for name, spent in sorted(watch.seconds.items(), key=lambda pair: -pair[1])}
    parts["the rest"] = 1 - sum(parts.values())
    print_table(f"{scene.name}: one step of {state.n_rays} rays, {counts}", [comparison])
    _print_shares(parts)
    ratio = timings["kernel"].best_ms / (1e3 * bound)
    print(
        f"matmul {rates[0] / 1e9:.1f} G multiply-adds/s, copy {rates[1] / 1e9:.1f} GB/s: "
        f"at least {1e3 * bound:.1f} ms, ours takes {ratio:.1f} times that"
    )
    return {
        "rays": state.n_rays,
        **counts,
        "comparison": comparison.to_json(),
        "shares": parts,
        "multiply_adds_a_second": rates[0],
        "copied_bytes_a_second": rates[1],
        "bound_ms": 1e3 * bound,
        "over_bound": ratio,
    }


def _counted(run: Callable[[], object]) -> dict[str, int]:
    """Candidates that the network was asked about, and samples, of a step."""
    asked = 0
    look_at = steps.look_at

    def counted(*arguments: Any) -> CandidateDensities:
        nonlocal asked
        found = look_at(*arguments)
        asked += int((found.sigmas > 0).sum())
        return found

    with mock.patch.object(steps, "look_at", counted):
        metrics: Any = run()
    return {"candidates asked": asked, "samples": int(metrics["samples"])}


def _print_shares(shares: dict[str, float]) -> None:
    table = Table(title="shares of a step")
    table.add_column("part")
    table.add_column("%", justify="right")
    for name, share in shares.items():
        table.add_row(name, f"{100 * share:.1f}")
    Console(width=max(100, Console().width)).print(table)


def fewer_views(scene: Scene, count: int) -> Scene:
    """So many of the training views, evenly; all test views.

    Raises:
        InputError: There are not so many.
    """
    known = scene.train_views
    if count > len(known):
        raise InputError(f"{scene.root} has {len(known)} training views, not {count}; ask for fewer")
    chosen = {known[int(i * len(known) / count)].name for i in range(count)}
    return replace(scene, views=tuple(v for v in scene.views if v.split == "test" or v.name in chosen))


def measure_growth(
    scene: Scene, config: RadianceConfig, views: Sequence[int], widths: Sequence[int]
) -> list[dict[str, Any]]:
    """Rates, render time and memory of short trainings, a record each."""
    records: list[dict[str, Any]] = []
    table = Table(title=f"{scene.name}: {config.steps} steps each")
    for column in ("views", "width", "read s", "rays/s", "samples/s", "render s", "µs a pixel", "peak MB"):
        table.add_column(column, justify="right")
    for count in views:
        for width in widths:
            one = _growth(fewer_views(scene, count), config, width)
            records.append({"views": count, "width": width} | one)
            table.add_row(str(count), str(width), *(f"{value:,.5g}" for value in one.values()))
    Console(width=max(100, Console().width)).print(table)
    return records


def _growth(scene: Scene, config: RadianceConfig, width: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        reset_peak_memory()
        begin = time.perf_counter()
        state, step, pixels = started(scene, config, width)
        read = time.perf_counter() - begin
        rays = samples = 0.0
        begin = time.perf_counter()
        for number in range(config.steps):
            state, metrics = step(state, Key(0, "radiance", number))
            rays, samples = rays + float(metrics["rays"]), samples + float(metrics["samples"])
        spent = time.perf_counter() - begin
        del state, step
        field = train_radiance_field(scene, Path(folder) / "run", config, size=PhotoSize(width))
        camera = pixels.cameras[0]
        begin = time.perf_counter()
        field.render(camera)
        render = time.perf_counter() - begin
        return {
            "read_seconds": read,
            "rays_a_second": rays / spent,
            "samples_a_second": samples / spent,
            "render_seconds": render,
            "render_us_a_pixel": 1e6 * render / (camera.width * camera.height),
            "peak_memory_mb": peak_memory_mb() or float("nan"),
        }


def measure_quality(
    scene: Scene, config: RadianceConfig, width: int | None, out: Path
) -> list[dict[str, float]]:
    """PSNR of some test views against seconds of training; looking at them is not counted."""
    step = max(1, len(scene.test_views) // SEEN_VIEWS)
    views = scene.test_views[::step][:SEEN_VIEWS]
    photos = [read_image(view, width).float() / 255 for view in views]
    begin, looked = time.perf_counter(), 0.0
    records: list[dict[str, float]] = []

    def watch(field: RadianceField) -> None:
        nonlocal looked
        now = time.perf_counter()
        seconds = now - begin - looked
        if not records or seconds >= records[-1]["seconds"] * 1.3 + 1:
            records.append({"seconds": seconds, "psnr": _psnr(field, photos, views)})
            print(f"{seconds:6.1f} s  {records[-1]['psnr']:.2f} dB", flush=True)
        looked += time.perf_counter() - now

    with tempfile.TemporaryDirectory() as folder:
        field = train_radiance_field(scene, Path(folder) / "run", config, size=PhotoSize(width), watch=watch)
    end = time.perf_counter() - begin - looked
    records.append({"seconds": end, "psnr": _psnr(field, photos, views)})
    print(f"{end:6.1f} s  {records[-1]['psnr']:.2f} dB at the end")
    line = {round(one["seconds"], 1): max(0.0, one["psnr"] / DECIBELS) for one in records}
    line_plot({scene.name: line}, "seconds", f"PSNR / {DECIBELS:.0f} dB", out / "quality.png")
    return records


def _psnr(field: RadianceField, photos: Sequence[Tensor], views: Sequence[View]) -> float:
    found = [
        psnr(field.render(field.at_home().sized(view)).rgb, photo)
        for view, photo in zip(views, photos, strict=True)
    ]
    return sum(found) / len(found)


def main(words: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("scene", type=Path)
    parser.add_argument("--only", nargs="+", choices=("step", "growth", "quality"), help="default: all three")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="standard")
    parser.add_argument(
        "--steps", type=int, help="in place of the preset's; step and growth: 200 if not given"
    )
    parser.add_argument("--width", type=int, help="of the photos, for step and quality")
    parser.add_argument("--views", type=int, nargs="+", default=[10, 30, 60])
    parser.add_argument("--widths", type=int, nargs="+", default=[120, 240, 480])
    parser.add_argument("--seconds", type=float, default=20.0, help="for the step and its twin together")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's)")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(words)
    if options.threads:
        torch.set_num_threads(options.threads)
    scene = load_scene(options.scene)
    preset = PRESETS[options.preset]
    short = replace(preset, steps=options.steps or 200)
    options.out.mkdir(parents=True, exist_ok=True)
    asked = options.only or ("step", "growth", "quality")
    content: dict[str, Any] = environment(torch.device("cpu")) | {
        "scene": scene.name,
        "preset": options.preset,
    }
    if "step" in asked:
        content["step"] = measure_step(scene, short, options.width, options.seconds)
    if "growth" in asked:
        content["growth"] = measure_growth(scene, short, options.views, options.widths)
    if "quality" in asked:
        whole = preset if options.steps is None else replace(preset, steps=options.steps)
        content["quality"] = measure_quality(scene, whole, options.width, options.out)
    (options.out / "radiance.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
