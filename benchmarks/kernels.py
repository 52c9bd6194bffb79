"""The kernels beside their PyTorch twins and the same loops in C++, timed in turn in one run.

    python benchmarks/kernels.py --out benchmarks/results/kernels.json

Each variant's result is compared with ours before it is timed. Without a C++ compiler its column is left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cpp_loops import CompileError, CppLoops, compiler
from harness import Comparison, environment, print_table, time_in_turn, write_json
from sanerf_hq import kernels
from sanerf_hq.kernels import HashGridLayout, MarchConfig, RaySamples, hash_grid_layout, pack, reference

CPP_TARGET = 1.3  # our time over the C++ loop's, at most
GRID_SIDE = 128
Variant = Callable[[], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Case:
    """One operation.

    Attributes:
        operation: Its name and size.
        variants: By name; ours, which is first, is what the others' results must equal.
        targets: Highest time of ours relative to a variant.
    """

    operation: str
    variants: dict[str, Variant]
    targets: dict[str, float]


def hash_grid_cases(
    n_points: int, layout: HashGridLayout, device: torch.device, loops: CppLoops | None
) -> list[Case]:
    """Forward, backward to the table, and backward to the table and the points."""
    x = torch.rand(n_points, layout.n_dims, device=device)
    table = torch.rand(layout.n_entries, layout.n_features, device=device).sub_(0.5).requires_grad_()
    moving = x.clone().requires_grad_()
    upstream = torch.rand(n_points, layout.n_outputs, device=device)
    ops = {"kernel": kernels.hash_grid, "twin": reference.hash_grid}

    def backward(out: Tensor, *leaves: Tensor) -> Variant:
        return lambda: torch.autograd.grad(out, leaves, upstream, retain_graph=True)

    forward: dict[str, Variant] = {
        name: lambda op=op: (op(x, table, layout).detach(),) for name, op in ops.items()
    }
    to_table = {name: backward(op(x, table, layout), table) for name, op in ops.items()}
    to_both = {name: backward(op(moving, table, layout), table, moving) for name, op in ops.items()}
    if loops:
        forward["C++"] = lambda: (loops.hash_grid_forward(x, table, layout),)
        to_table["C++"] = lambda: (loops.hash_grid_backward(x, upstream, layout),)
        to_both["C++"] = lambda: (
            loops.hash_grid_backward(x, upstream, layout),
            loops.hash_grid_backward_position(x, table, upstream, layout),
        )
    name = f"hash grid {layout.n_levels}×{layout.n_features}"
    return [
        Case(f"{name} forward", forward, {"twin": 1 / 7, "C++": CPP_TARGET}),
        Case(f"{name} backward", to_table, {"twin": 1 / 20, "C++": CPP_TARGET}),
        Case(f"{name} backward, points too", to_both, {"twin": 1 / 20, "C++": CPP_TARGET}),
    ]


@dataclass(frozen=True)
class Rays:
    """Rays that look at a ball on a floor between far walls."""

    origins: Tensor
    directions: Tensor
    jitter: Tensor
    occupied: Tensor


def make_rays(n_rays: int, device: torch.device) -> Rays:
    """About 32 samples a ray of the default march."""
    angles = 2 * torch.pi * torch.rand(n_rays)
    origins = torch.stack([1.6 * angles.cos(), 1.6 * angles.sin(), 0.4 + 0.4 * torch.rand(n_rays)], -1)
    targets = torch.randn(n_rays, 3) * torch.tensor([0.35, 0.35, 0.25])
    directions = torch.nn.functional.normalize(targets - origins, dim=-1)
    centres = (torch.arange(GRID_SIDE) + 0.5) / GRID_SIDE * 4 - 2
    x, y, z = torch.meshgrid(centres, centres, centres, indexing="ij")
    ball = ((x.square() + y.square() + z.square()).sqrt() - 0.4).abs() < 0.01
    floor = (z + 0.5).abs() < 0.016
    walls = torch.maximum(x.abs(), y.abs()) > 1.97
    occupied = (ball | floor | walls).to(torch.uint8)
    parts = (origins, directions, torch.rand(n_rays), occupied)
    return Rays(*(part.contiguous().to(device) for part in parts))


def march_case(rays: Rays, capacity: int, loops: CppLoops | None) -> tuple[Case, RaySamples]:
    """The march with its default steps, and what it samples."""
    arguments = (rays.origins, rays.directions, rays.jitter, rays.occupied, MarchConfig(), capacity)

    def variant(op: Callable[..., RaySamples]) -> Variant:
        # Samples and mean distance of each ray: rounding may move a sample across a cell's border.
        def run() -> tuple[Tensor, ...]:
            samples = op(*arguments)
            counts = samples.packed_info[:, 1]
            return counts.clamp_min(1).float().log(), samples.t_starts.mean(), samples.unit_points.mean(0)

        return run

    variants = {"kernel": variant(kernels.ray_march), "twin": variant(reference.ray_march)}
    if loops:
        variants["C++"] = variant(loops.ray_march)
    return Case("ray march", variants, {"twin": 1 / 20, "C++": CPP_TARGET}), kernels.ray_march(*arguments)


def composite_cases(samples: RaySamples, channels: int, loops: CppLoops | None) -> list[Case]:
    """Weights and the sum of ``channels`` numbers along each ray, forward and backward."""
    packed_info, deltas = samples.packed_info, samples.t_ends - samples.t_starts
    sigmas = (20 * torch.rand_like(deltas)).requires_grad_()
    values = torch.rand(deltas.shape[0], channels, device=deltas.device).requires_grad_()
    upstream = torch.rand(packed_info.shape[0], channels, device=deltas.device)

    def render(ops: Any) -> Tensor:
        return ops.accumulate(ops.render_weights(sigmas, deltas, packed_info), values, packed_info)

    def backward(out: Tensor) -> Variant:
        return lambda: torch.autograd.grad(out, (sigmas, values), upstream, retain_graph=True)

    both = {"kernel": kernels, "twin": reference}
    forwards: dict[str, Variant] = {
        name: lambda ops=ops: (render(ops).detach(),) for name, ops in both.items()
    }
    backwards = {name: backward(render(ops)) for name, ops in both.items()}
    if loops:
        _, weights, trans = loops.composite_forward(sigmas, deltas, values, packed_info)
        saved = (weights, trans, deltas, values, upstream, packed_info)
        forwards["C++"] = lambda: loops.composite_forward(sigmas, deltas, values, packed_info)[:1]
        backwards["C++"] = lambda: loops.composite_backward(*saved)
    targets = {"twin": 1 / 20, "C++": CPP_TARGET}
    return [
        Case(f"composite {channels} forward", forwards, targets),
        Case(f"composite {channels} backward", backwards, targets),
    ]


def look_cases(samples: RaySamples, rays: Rays) -> list[Case]:
    """Densities as far as light gets, by a network that makes walls of some cells; samples of them."""
    layout = hash_grid_layout(3, 8, 4, 18, coarsest=16, finest=2048)
    device = samples.t_starts.device
    table = torch.randn(layout.n_entries, layout.n_features, device=device)
    layer = torch.randn(64, layout.n_outputs, device=device) / layout.n_outputs**0.5
    head = torch.randn(64, device=device)
    deltas, info = samples.t_ends - samples.t_starts, samples.packed_info
    distances = (samples.t_starts + samples.t_ends) / 2
    looks = (samples.unit_points, deltas, info, table, layout, layer, head, 8.0, 7.0)
    sigmas, light = reference.lit_densities(*looks)
    lots = torch.rand(len(info), device=device)

    def choose(ops: Any) -> tuple[Tensor, ...]:
        wanted, counts, totals = ops.allot_samples(sigmas, light, deltas, info, lots, 8.0, True)
        packed_info, n_samples, _ = pack(totals, 1 << 24)
        jitter = torch.full((int(n_samples),), 0.5, device=device)
        intervals = (distances, deltas, info, wanted, counts)
        placed = ops.place_samples(*intervals, rays.origins, rays.directions, packed_info, jitter)
        return wanted, placed[1].mean(), placed[3].mean(0)

    both: dict[str, Any] = {"kernel": kernels, "twin": reference}
    looked: dict[str, Variant] = {
        name: lambda ops=ops: (ops.lit_densities(*looks)[1],) for name, ops in both.items()
    }
    chosen: dict[str, Variant] = {name: lambda ops=ops: choose(ops) for name, ops in both.items()}
    return [
        Case("densities as far as light gets", looked, {"twin": 1 / 7}),
        Case("choice of samples", chosen, {"twin": 1 / 20}),
    ]


def compare(case: Case, device: torch.device, seconds: float) -> Comparison:
    """Check that the variants agree, then time them."""
    ours = case.variants["kernel"]()
    for name, run in case.variants.items():
        for mine, theirs in zip(ours, run(), strict=True):
            scale = mine.abs().max().clamp_min(1e-6)
            off = ((mine - theirs).abs() > 2e-3 * scale).float().mean()
            if off > 1e-3:
                raise SystemExit(f"{case.operation}: {off:.1%} of what {name} computes differs from ours")
    return Comparison(case.operation, time_in_turn(case.variants, device, seconds), case.targets)


def cpp_loops(device: torch.device) -> CppLoops | None:
    """The C++ loops with as many threads as the others, or None, said aloud, where they cannot be had."""
    program = compiler()
    if device.type != "cpu" or program is None:
        print(
            "without the C++ loops:", "no C++ compiler found" if device.type == "cpu" else "they need the CPU"
        )
        return None
    try:
        return CppLoops(program, torch.get_num_threads())
    except CompileError as error:
        print("without the C++ loops:", error)
        return None


def all_cases(
    n_points: int,
    march: Case,
    rays: Rays,
    samples: RaySamples,
    device: torch.device,
    loops: CppLoops | None,
) -> Iterator[Case]:
    """One after the other, since the twins hold on to much memory for their backward passes."""
    yield march
    yield from look_cases(samples, rays)
    for channels in (4, 16):
        yield from composite_cases(samples, channels, loops)
    for n_levels, n_features, log2_table in ((16, 2, 17), (8, 4, 18)):
        layout = hash_grid_layout(3, n_levels, n_features, log2_table, coarsest=16, finest=2048)
        yield from hash_grid_cases(n_points, layout, device, loops)


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the results to this JSON file")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--threads", type=int, help="CPU threads of all variants (default: torch's)")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each operation (default: 3)")
    parser.add_argument("--only", default="", help="only operations whose name contains this")
    parser.add_argument("--quick", action="store_true", help="one small step of each, too short to tell")
    arguments = parser.parse_args(argv)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    device = torch.device(arguments.device)
    n_points, n_rays, seconds = (1000, 64, 0.0) if arguments.quick else (131_072, 4096, arguments.seconds)
    loops = cpp_loops(device)

    rays = make_rays(n_rays, device)
    march, samples = march_case(rays, 64 * n_rays, loops)
    comparisons = []
    for case in all_cases(n_points, march, rays, samples, device, loops):
        if arguments.only in case.operation:
            comparisons.append(compare(case, device, seconds))
    sizes = {"n_points": n_points, "n_rays": n_rays, "n_samples": int(samples.n_samples)}
    where = environment(device) | sizes
    print_table(f"{where['device']}, {where['threads']} threads, {sizes}", comparisons)
    if arguments.out:
        write_json(arguments.out, where, comparisons)


if __name__ == "__main__":
    main()
