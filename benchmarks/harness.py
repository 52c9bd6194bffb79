"""What every benchmark needs: variants timed in turn, the machine they ran on, JSON and a table.

Variants are run A B C A B C ..., so that what else the machine does disturbs all of them alike.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from sanerf_hq.evaluate.commit import commit

SETTLE = 0.02  # seconds: OpenMP's threads spin on for a while and would be in the way of the next variant


@dataclass(frozen=True)
class Timing:
    """How long a variant took.

    Attributes:
        median_ms: Median of the runs, milliseconds.
        best_ms: The fastest of them: what it takes when nothing disturbs.
        runs: Their number.
    """

    median_ms: float
    best_ms: float
    runs: int


def time_in_turn(
    variants: Mapping[str, Callable[[], object]], device: torch.device, seconds: float, least: int = 3
) -> dict[str, Timing]:
    """Time variants in turn; each turn is two runs, of which the first wakes threads and caches.

    Args:
        variants: What to run, by name.
        device: Waited for before the clock is read.
        seconds: A variant that has used its even share of this, and ``least`` runs, sits out later rounds.
        least: Runs each variant gets in any case.
    """
    taken: dict[str, list[float]] = {name: [] for name in variants}
    share = seconds / len(variants)
    while waiting := [name for name in variants if len(taken[name]) < least or sum(taken[name]) < share]:
        for name in waiting:
            time.sleep(SETTLE)
            variants[name]()
            _wait(device)
            begin = time.perf_counter()
            variants[name]()
            _wait(device)
            taken[name].append(time.perf_counter() - begin)
    return {
        name: Timing(1e3 * statistics.median(times), 1e3 * min(times), len(times))
        for name, times in taken.items()
    }


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


PACKAGES = ("torch", "warp-lang", "numpy")


def environment(device: torch.device) -> dict[str, Any]:
    """The machine and the code a result belongs to."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "commit": commit(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
    }


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@dataclass(frozen=True)
class Comparison:
    """One operation's variants, timed side by side.

    Attributes:
        operation: What was run, at which size.
        timings: By variant; the first is ours.
        targets: Highest time of ours relative to a variant that is asked for.
    """

    operation: str
    timings: dict[str, Timing]
    targets: dict[str, float]

    def ratio(self, variant: str) -> float:
        """Our median time over the variant's."""
        ours = next(iter(self.timings.values()))
        return ours.median_ms / self.timings[variant].median_ms

    def to_json(self) -> dict[str, Any]:
        others = list(self.timings)[1:]
        return asdict(self) | {"ratios": {name: self.ratio(name) for name in others}}


def write_json(path: Path, where: dict[str, Any], comparisons: Sequence[Comparison]) -> None:
    """Write all results with the machine they were measured on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = where | {"comparisons": [comparison.to_json() for comparison in comparisons]}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def print_table(title: str, comparisons: Sequence[Comparison]) -> None:
    """Print median times, and beside each other variant's how ours compares with it and with the target."""
    variants = list(dict.fromkeys(name for comparison in comparisons for name in comparison.timings))
    table = Table(title=title)
    table.add_column("operation", no_wrap=True)
    for i, name in enumerate(variants):
        table.add_column(f"{name} ms", justify="right", no_wrap=True)
        if i > 0:
            table.add_column(f"kernel : {name}", justify="right", no_wrap=True)
    for comparison in comparisons:
        cells = []
        for i, name in enumerate(variants):
            timing = comparison.timings.get(name)
            cells.append(f"{timing.median_ms:.2f}" if timing else "")
            if i > 0:
                cells.append(_relation(comparison, name) if timing else "")
        table.add_row(comparison.operation, *cells)
    Console(width=max(120, Console().width)).print(table)


def _relation(comparison: Comparison, variant: str) -> str:
    """``21.3× as fast (≥ 20)``, or ``0.94 of its time (≤ 1.3)``; in red if the target is missed."""
    ratio, highest = comparison.ratio(variant), comparison.targets[variant]
    if highest < 1:
        text = f"{1 / ratio:.1f}× as fast (≥ {1 / highest:.0f})"
    else:
        text = f"{ratio:.2f} of its time (≤ {highest:g})"
    return text if ratio <= highest else f"[red]{text}[/red]"
