"""Doctor: what works on this machine, and what to do where something does not."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from sanerf_hq.segmenters.weights import Kind

PACKAGES = ("torch", "warp-lang", "transformers", "opencv-python-headless")
EXTRAS = {"sfm": ("pycolmap", "pillow-heif"), "ui": ("viser", "websockets")}
NEEDED_BY = {"sfm": "sanerf capture", "ui": "sanerf view"}
TOLERANCE = 1e-4  # of sums of a few float32 products, relative to values near 1


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        part: What was looked at.
        state: ``ok``; ``absent``: one can do without it; ``broken``: it has to be mended.
        text: What was found and, unless it is well, what to do.
    """

    part: str
    state: Literal["ok", "absent", "broken"]
    text: str


@dataclass(frozen=True)
class Doctor:
    """Say what works here: versions, device, kernels, caches, segmenters; and what to do about the rest.

    Ends with code 1 if something is broken. Downloads nothing. Kernels are compiled the first time, which
    takes some seconds.
    """

    def run(self) -> int:
        """Look at each part and print a line about it."""
        findings = [*versions(), *extras(), *devices(), *kernels(), cache_folder(), *segmenters()]
        for found in findings:
            print(f"{found.state:<6}  {found.part}: {found.text}")
        return int(any(found.state == "broken" for found in findings))


def versions() -> list[Finding]:
    """The packages that results depend on."""
    findings = []
    for package in PACKAGES:
        try:
            findings.append(Finding(package, "ok", version(package)))
        except PackageNotFoundError:
            findings.append(Finding(package, "broken", "not installed; install sanerf-hq again with pip"))
    return findings


def extras() -> list[Finding]:
    """The packages that only some verbs need, and how to get those that are not there."""
    findings = []
    for extra, packages in EXTRAS.items():
        for package in packages:
            part = f"{package} for {NEEDED_BY[extra]}"
            try:
                findings.append(Finding(part, "ok", version(package)))
            except PackageNotFoundError:
                findings.append(
                    Finding(part, "absent", f"not installed; to have it: pip install 'sanerf-hq[{extra}]'")
                )
    return findings


def devices() -> list[Finding]:
    """The processor, and a GPU where there is one."""
    import torch

    cpu = Finding("cpu", "ok", f"{torch.get_num_threads()} threads")
    if torch.cuda.is_available():
        return [cpu, Finding("cuda", "ok", torch.cuda.get_device_name())]
    return [cpu, Finding("cuda", "absent", "no CUDA device, none is needed: all runs on the CPU, slower")]


def kernels() -> list[Finding]:
    """Whether the kernels compile and agree with their specification, on each device."""
    import torch

    names = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    return [_kernels_on(name) for name in names]


def _kernels_on(device: str) -> Finding:
    part = f"kernels on {device}"
    try:
        worst = largest_difference(device)
    except Exception as error:  # a compiler, a driver or a full disk: whatever it is, it is the finding
        lines = str(error).strip().splitlines() or [""]
        reason = f"{type(error).__name__}: {lines[0]}".rstrip(": .")
        return Finding(part, "broken", f"do not run ({reason}); delete the kernel cache, then try again")
    if not worst <= TOLERANCE:  # NaN fails as well
        return Finding(
            part,
            "broken",
            f"differ by {worst:.1e} from the reference; delete the kernel cache, then try again",
        )
    return Finding(part, "ok", f"compiled, within {worst:.0e} of the reference")


def largest_difference(device: str) -> float:
    """The kernels against their PyTorch twins on a small input: march, hash grid, weights, sums.

    Returns:
        The largest absolute difference of any number, infinite where the numbers of samples differ.
    """
    import torch

    from sanerf_hq.kernels import (
        MarchConfig,
        accumulate,
        hash_grid,
        hash_grid_layout,
        ray_march,
        reference,
        render_weights,
    )

    chance = torch.Generator().manual_seed(0)
    origins = torch.rand(33, 3, generator=chance) - 0.5
    directions = torch.nn.functional.normalize(torch.randn(33, 3, generator=chance), dim=-1)
    occupied = (torch.rand(8, 8, 8, generator=chance) < 0.5).to(torch.uint8)
    rays = (origins, directions, torch.full((33,), 0.5), occupied)
    config, capacity = MarchConfig(far=4.0, step=0.05), 4096
    there = [tensor.to(device) for tensor in rays]
    samples = ray_march(there[0], there[1], there[2], there[3], config, capacity)
    expected = reference.ray_march(*rays, config, capacity)
    n_samples = int(expected.n_samples)
    if int(samples.n_samples) != n_samples:
        return float("inf")

    layout = hash_grid_layout(3, 4, 2, 10, 4, 32)
    table = torch.rand(layout.n_entries, layout.n_features, generator=chance)
    points = expected.unit_points.contiguous()
    features = hash_grid(points.to(device), table.to(device), layout)
    expected_features = reference.hash_grid(points, table, layout)

    sigmas, deltas = expected_features[:, 0].contiguous(), expected.t_ends - expected.t_starts
    packed = expected.packed_info
    weights = render_weights(sigmas.to(device), deltas.to(device), packed.to(device))
    expected_weights = reference.render_weights(sigmas, deltas, packed)
    sums = accumulate(expected_weights.to(device), expected_features.to(device), packed.to(device))
    pairs = [
        (samples.t_starts[:n_samples], expected.t_starts),
        (features, expected_features),
        (weights, expected_weights),
        (sums, reference.accumulate(expected_weights, expected_features, packed)),
    ]
    return max(float((found.cpu() - wanted).abs().max()) for found, wanted in pairs)


def cache_folder() -> Finding:
    """Where compiled kernels are kept, and whether that can be written."""
    import platformdirs

    folder = Path(os.environ.get("SANERF_KERNEL_CACHE") or platformdirs.user_cache_dir("sanerf_hq")) / "warp"
    existing = next(path for path in [folder, *folder.absolute().parents] if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        return Finding(
            "kernel cache",
            "broken",
            f"{folder} cannot be written; set SANERF_KERNEL_CACHE to a folder that can",
        )
    return Finding("kernel cache", "ok", str(folder))


def segmenters() -> list[Finding]:
    """Each segmenter, and what finds words: ready, or how to get its weights."""
    from sanerf_hq.segmenters.weights import KINDS

    return [
        _compact(),
        Finding("segmenter grabcut", "ok", "needs no weights: a baseline that sees colours alone"),
        Finding("segmenter masks:FOLDER", "ok", "takes your own mask images, one a view"),
        Finding("segmenter truth", "ok", "takes a scene's own instance images, for measuring"),
        *(_weights(kind) for kind in KINDS),
    ]


def _compact() -> Finding:
    """Whether the shipped weights load."""
    from sanerf_hq.errors import InputError
    from sanerf_hq.segmenters import load_segmenter

    try:
        load_segmenter("compact")
    except InputError as error:
        return Finding("segmenter compact", "broken", f"{error}; or install sanerf-hq again with pip")
    return Finding("segmenter compact", "ok", "its weights are part of the package")


def _weights(kind: Kind) -> Finding:
    from sanerf_hq.segmenters import WEIGHTS
    from sanerf_hq.segmenters.hub import cached_folder
    from sanerf_hq.segmenters.weights import called

    of_kind = [weights for weights in WEIGHTS if weights.kind == kind]
    cached = [weights.size for weights in of_kind if cached_folder(weights.hub_id) is not None]
    part = called(kind)
    if cached:
        return Finding(part, "ok", f"weights in the cache: {', '.join(cached)}")
    first = of_kind[0]
    return Finding(
        part,
        "absent",
        f"no weights here; its first use downloads {first.hub_id} ({first.megabytes} MB, {first.licence}), "
        f"as does sanerf weights fetch {kind}; or name a folder that holds them, {kind}:FOLDER",
    )
