"""Console: progress of long stages on stderr, as bars on a terminal and as a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from sanerf_hq.runs.progress import Progress

if TYPE_CHECKING:
    import rich.progress

LINE_SECONDS = 10.0


class ConsoleProgress:
    """A progress callback that shows stage after stage: how far, what is measured, how long still.

    Args:
        clock: Seconds that only grow.

    Example:
        >>> with ConsoleProgress() as progress:  # doctest: +SKIP
        ...     train_radiance_field(scene, out="runs/cape", progress=progress)
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._bars: rich.progress.Progress | None = None
        self._tasks: dict[str, rich.progress.TaskID] = {}
        self._stages: dict[str, _Stage] = {}

    def __enter__(self) -> ConsoleProgress:
        if sys.stderr.isatty():
            self._bars = _bars()
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def __call__(self, progress: Progress) -> None:
        if self._bars is not None:
            self._draw(self._bars, progress)
        else:
            self._say(progress)

    def _draw(self, bars: rich.progress.Progress, progress: Progress) -> None:
        details = describe(progress)
        task = self._tasks.get(progress.stage)
        if task is None or progress.done < bars.tasks[task].completed:  # a new stage, or one begun anew
            task = bars.add_task(
                progress.stage, total=progress.total, completed=progress.done, details=details
            )
            self._tasks[progress.stage] = task
        bars.update(task, total=progress.total, completed=progress.done, details=details)

    def _say(self, progress: Progress) -> None:
        now = self._clock()
        stage = self._stages.get(progress.stage)
        if stage is None or progress.done < stage.done:
            stage = self._stages[progress.stage] = _Stage(now, progress.done)
        stage.done = progress.done
        finished = progress.done >= progress.total
        recent = stage.told_at is not None and now - stage.told_at < LINE_SECONDS
        if stage.finished or (recent and not finished):
            return
        stage.told_at, stage.finished = now, finished
        parts = [f"{progress.stage}: {progress.done}/{progress.total}", describe(progress)]
        if not finished and progress.done > stage.first:
            left = (now - stage.started) / (progress.done - stage.first) * (progress.total - progress.done)
            parts.append(f"{duration(left)} left")
        print(", ".join(part for part in parts if part), file=sys.stderr, flush=True)


class _Stage:
    """What the plain lines remember of a stage."""

    def __init__(self, started: float, first: int) -> None:
        self.started, self.first, self.done = started, first, first
        self.told_at: float | None = None
        self.finished = False


def describe(progress: Progress) -> str:
    """Message and metrics in a few words."""
    parts = [progress.message] if progress.message else []
    parts.extend(_metric(name, value) for name, value in progress.metrics.items())
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Seconds as a person says them: ``8 s``, ``2 min 05 s``, ``1 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _metric(name: str, value: float) -> str:
    if name == "psnr":
        return f"PSNR {value:.1f} dB"
    if name == "rays_per_second":
        return f"{_thousands(value)} rays/s"
    return f"{name.replace('_', ' ')} {value:.4g}"


def _thousands(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.1f}{letter}"
    return f"{value:.0f}"


def _bars() -> rich.progress.Progress:
    import rich.console
    import rich.progress

    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}", markup=False),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TextColumn("{task.fields[details]}", markup=False),
        rich.progress.TimeRemainingColumn(),
        console=rich.console.Console(stderr=True),
    )
