"""Where to click in a window of the viewer, and waiting for what comes of it."""

from __future__ import annotations

from sanerf_hq.viewer.session import Session
from sanerf_hq.viewer.viewpoint import Viewpoint
from support.balls import CENTERS, ball_camera
from support.chromium import until
from support.recorder import CANVAS


def place(number: int, index: int = 3) -> tuple[float, float]:
    """Where a ball's middle is in a window at a view."""
    window = Viewpoint.of_camera(ball_camera(index), 3.0).camera(*CANVAS)
    x, y = window.project(CENTERS[number - 1 : number]).xy[0].tolist()
    return x / CANVAS[0], y / CANVAS[1]


def refined(session: Session) -> None:
    """Wait until what is asked for is trained, or an error is said."""
    until(lambda: session.is_refined or session.screen.errors, "the refined field")  # pyright: ignore
