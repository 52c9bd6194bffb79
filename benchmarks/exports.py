"""Time and memory of exports that go from view to view: masks, training sets, videos.

    python benchmarks/exports.py runs/desk --object "bench mug"

Each is made of half the views and then of all (videos: of half the frames and of all). Memory is the peak
above that of the process with the run loaded and one view rendered: it must not grow with the number of
views.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from harness import environment
from sanerf_hq.export import (
    export_dataset,
    export_masks,
    export_video,
    find_placement,
    find_target,
    turntable,
)
from sanerf_hq.export.target import Target
from sanerf_hq.radiance import load_radiance_field
from sanerf_hq.runs import peak_memory_mb, reset_peak_memory

VIDEO_SIZE = (640, 480)


def exports(target: Target, n_frames: int) -> dict[str, tuple[int, Callable[[Path, int], None]]]:
    """Every export by name: how many pictures it is of, and how to make it of the first n of them."""
    home = target.radiance.at_home()
    views = home.scene.views
    cameras = turntable(find_placement(target), target.cameras(), n_frames, VIDEO_SIZE)
    return {
        "masks png": (len(views), lambda out, n: export_masks(target, out, "png", views[:n])),
        "masks soft": (len(views), lambda out, n: export_masks(target, out, "soft", views[:n])),
        "masks coco": (
            len(views),
            lambda out, n: export_masks(target, out.with_suffix(".json"), "coco", views[:n]),
        ),
        "dataset": (len(views), lambda out, n: export_dataset(target, out, views[:n])),
        "video overlay": (
            n_frames,
            lambda out, n: export_video(target, cameras[:n], out.with_suffix(".mp4"), "overlay"),
        ),
        "video alone": (
            n_frames,
            lambda out, n: export_video(target, cameras[:n], out.with_suffix(".webm"), "alone"),
        ),
        "video removed": (
            n_frames,
            lambda out, n: export_video(target, cameras[:n], out.with_suffix(".mp4"), "removed"),
        ),
    }


def measured(make: Callable[[], None]) -> tuple[float, float | None]:
    """Seconds, and megabytes more than before at the peak; None where the system does not tell."""
    reset_peak_memory()
    before, start = peak_memory_mb(), time.perf_counter()
    make()
    seconds, peak = time.perf_counter() - start, peak_memory_mb()
    return seconds, None if peak is None or before is None else peak - before


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--object", required=True, help="as sanerf export takes it")
    parser.add_argument("--frames", type=int, default=100, help="of a video")
    parser.add_argument("--only", nargs="*", help="some of the exports")
    parser.add_argument("--out", type=Path, help="folder for results.json")
    args = parser.parse_args()
    field = load_radiance_field(args.run)
    target = find_target(field, args.object)
    field.render(field.at_home().scene.test_views[0].camera)
    rows: list[dict[str, Any]] = []
    table = Table("export", "pictures", "s", "s a picture", "MB more")
    with tempfile.TemporaryDirectory() as folder:
        for name, (n, make) in exports(target, args.frames).items():
            if args.only and name not in args.only:
                continue
            for count in (n // 2, n):
                out = Path(folder) / f"{name} {count}"
                seconds, memory = measured(lambda out=out, count=count, make=make: make(out, count))
                rows.append({"export": name, "pictures": count, "seconds": seconds, "memory_mb": memory})
                print(json.dumps(rows[-1]), flush=True)
                table.add_row(
                    name,
                    str(count),
                    f"{seconds:.1f}",
                    f"{seconds / count:.2f}",
                    "-" if memory is None else f"{memory:.0f}",
                )
    Console().print(table)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        result = {"environment": environment(torch.device("cpu")), "exports": rows}
        (args.out / "results.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
