"""How long the viewer takes to answer: first picture after a move, sharp picture, overlay after a click.

    python benchmarks/viewer_times.py RUN --preset standard

A session without a browser looks from several views of the run and clicks near the middle of each. Times are
from the event to the picture, as the page would be given it; to send it comes on top. RUN is left as it is,
but that the segmenter's embeddings of its views are kept in it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from sanerf_hq.radiance import load_radiance_field
from sanerf_hq.viewer.app import Nobody
from sanerf_hq.viewer.session import Session
from sanerf_hq.viewer.viewpoint import Viewpoint
from sanerf_hq.viewer.workshop import Workshop

LONGEST = 120.0  # seconds that an answer is waited for
DISTANCE = 3.0  # scene units to what the camera turns round


def seconds_until(happened: Callable[[], bool], started: float) -> float:
    """Seconds from ``started`` to the event; infinite where it does not come."""
    while not happened():
        if time.monotonic() - started > LONGEST:
            return float("inf")
        time.sleep(0.005)
    return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--preset", choices=("draft", "standard", "paper"), default="standard")
    parser.add_argument("--segmenter", default="compact")
    parser.add_argument("--views", type=int, default=5)
    parser.add_argument("--canvas", type=int, nargs=2, default=(960, 720), help="the window, pixels")
    parser.add_argument("--threads", type=int, default=1)
    words = parser.parse_args()
    torch.set_num_threads(words.threads)
    workshop = Workshop(load_radiance_field(words.run), words.preset, "cpu")
    workshop.encode_views(words.segmenter)
    session = Session(workshop, Nobody(), words.segmenter)
    table = Table("view", "first picture, s", "sharp", "overlay, s", "refined")
    views = workshop.home.views
    for view in views[:: max(1, len(views) // words.views)][: words.views]:
        session.frame = None
        started = time.monotonic()
        session.moved(Viewpoint.of_camera(view.camera, DISTANCE), tuple(words.canvas))
        first = seconds_until(lambda: session.frame is not None, started)
        sharp = seconds_until(lambda: not session.is_busy, started)
        session.times.clear()
        started = time.monotonic()
        session.clicked((0.5, 0.5), True)
        overlay = seconds_until(lambda: "preview" in session.times or not session.is_busy, started)
        refined = seconds_until(lambda: not session.is_busy, started)
        table.add_row(view.name, *(f"{value:.2f}" for value in (first, sharp, overlay, refined)))
    session.close()
    Console(width=max(100, Console().width)).print(table)


if __name__ == "__main__":
    main()
