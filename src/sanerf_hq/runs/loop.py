"""The one training loop: it alone knows progress, cancelling, checkpoints and resuming.

A step is ``step(state, key) -> (state, metrics)``; it draws all its chance from ``key``, so a loop that is
killed and resumed ends in the same state as one that is not.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from torch import Tensor

from sanerf_hq.errors import Cancelled, InputError
from sanerf_hq.runs.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from sanerf_hq.runs.history import append_history, cut_history, last_metrics
from sanerf_hq.runs.interrupts import HeldInterrupts
from sanerf_hq.runs.keys import Key
from sanerf_hq.runs.progress import Progress, ProgressCallback, quiet

State = TypeVar("State")
Metrics = Mapping[str, int | float | Tensor]

CALLBACK_SECONDS = 0.2
_log = logging.getLogger(__name__)


class Diverged(InputError):
    """The loss is no longer a finite number; the checkpoint from before stays."""


@dataclass(frozen=True)
class LoopPlan:
    """What a loop is to do.

    Attributes:
        stage: Its name, in progress, checkpoints and keys.
        steps: Steps in all, ≥ 0.
        seed: The run's seed.
        digest: Stands for everything that the outcome depends on beside the seed: configuration and inputs.
            A checkpoint with another digest is not gone on from.
        folder: Where ``checkpoint.safetensors`` and ``log.jsonl`` lie; None keeps nothing.
        checkpoint_seconds: Time between checkpoints; there is always one at the end and when interrupted.
        log_every: Steps between looks at the metrics, ≥ 1; in between they stay on the device.
        rank: Number of this process; only rank 0 writes.
    """

    stage: str
    steps: int
    seed: int
    digest: str = ""
    folder: Path | None = None
    checkpoint_seconds: float = 30.0
    log_every: int = 10
    rank: int = 0

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"steps must not be negative, got {self.steps}")
        if self.log_every < 1:
            raise ValueError(f"log_every must be at least 1, got {self.log_every}")

    @property
    def owner(self) -> dict[str, str]:
        """What a checkpoint of this loop says it belongs to."""
        return {"stage": self.stage, "seed": str(self.seed), "configuration": self.digest}


@dataclass(frozen=True)
class LoopResult(Generic[State]):
    """What a loop came to.

    Attributes:
        state: The state after the last step.
        metrics: As last looked at, be it by the call that this one goes on from; empty if by none.
        seconds: Time of all steps, over all resumes.
        resumed_from: The step it was resumed at; 0 if it was started anew.
        seconds_here: Time of the steps that this call took.
    """

    state: State
    metrics: dict[str, float]
    seconds: float
    resumed_from: int
    seconds_here: float = 0.0


def run_loop(
    plan: LoopPlan,
    step: Callable[[State, Key], tuple[State, Metrics]],
    initial: Callable[[Key], State],
    save: Callable[[State], Mapping[str, Tensor]],
    load: Callable[[dict[str, Tensor]], State],
    progress: ProgressCallback = quiet,
) -> LoopResult[State]:
    """Take ``plan.steps`` steps, going on from the folder's checkpoint where it has a fitting one.

    Args:
        plan: How far, how often, and where to keep what.
        step: One step. It may change the state it is given, draws chance only from its key, and returns
            metrics that may stay on the device; ``loss``, where there is one, must be finite.
        initial: The state before the first step.
        save: The state as tensors by name, everything that later steps depend on: parameters, the
            optimiser's moments, whatever adapts.
        load: Its inverse, given tensors on the CPU. A KeyError, ValueError or RuntimeError means that they
            do not fit.
        progress: Told of the progress a few times a second; may raise Cancelled.

    Raises:
        Cancelled: The callback asked for it. The state was saved.
        KeyboardInterrupt: Ctrl-C or SIGTERM came. The step was finished and the state saved.
        Diverged: The loss became NaN or infinite.
        InputError: The folder cannot be written, or the disk is full.
    """
    state, first, spent = _begin(plan, initial, load)
    keeper = _Keeper(plan, spent, time.monotonic())
    done, whole = first, True
    metrics = {} if plan.folder is None else last_metrics(plan.folder)
    latest: Metrics = {}
    with HeldInterrupts() as interrupts:
        try:
            progress(Progress(plan.stage, done, plan.steps, metrics))
            told_at = time.monotonic()
            while done < plan.steps:
                if interrupts.pending:
                    raise KeyboardInterrupt
                whole = False
                state, latest = step(state, Key(plan.seed, plan.stage, done, plan.rank))
                done += 1
                whole = True
                look = done % plan.log_every == 0 or done == plan.steps
                if look:
                    metrics = {name: _number(value) for name, value in latest.items()}
                    _check_loss(plan, done, metrics)
                    keeper.log(done, metrics)
                if done == plan.steps or keeper.checkpoint_is_due():
                    _check_loss(plan, done, latest)
                    keeper.checkpoint(done, save(state))
                if look or time.monotonic() - told_at >= CALLBACK_SECONDS:
                    progress(Progress(plan.stage, done, plan.steps, metrics))
                    told_at = time.monotonic()
        except (Cancelled, KeyboardInterrupt):
            if whole and done > first and _loss_is_finite(latest):  # never half a step
                keeper.checkpoint(done, save(state))
            raise
    return LoopResult(state, metrics, keeper.seconds(), first, keeper.seconds() - spent)


class _Keeper:
    """What a loop leaves on the disk: nothing where the plan names no folder, or on another rank than 0."""

    def __init__(self, plan: LoopPlan, spent: float, started: float) -> None:
        self._plan, self._spent, self._started = plan, spent, started
        self._folder = plan.folder if plan.rank == 0 else None
        self._kept_at = started

    def seconds(self) -> float:
        return self._spent + time.monotonic() - self._started

    def log(self, done: int, metrics: dict[str, float]) -> None:
        if self._folder is not None:
            append_history(self._folder, done, self.seconds(), metrics)

    def checkpoint_is_due(self) -> bool:
        waited = time.monotonic() - self._kept_at
        return self._folder is not None and waited >= self._plan.checkpoint_seconds

    def checkpoint(self, done: int, tensors: Mapping[str, Tensor]) -> None:
        if self._folder is not None:
            checkpoint = Checkpoint(dict(tensors), done, self.seconds())
            write_checkpoint(self._folder, self._plan.owner, checkpoint)
            self._kept_at = time.monotonic()


def _begin(
    plan: LoopPlan, initial: Callable[[Key], State], load: Callable[[dict[str, Tensor]], State]
) -> tuple[State, int, float]:
    """State, steps done and seconds spent to go on from; cuts the history back to there."""
    checkpoint = None if plan.folder is None else read_checkpoint(plan.folder, plan.owner, plan.steps)
    begun: tuple[State, int, float] | None = None
    if checkpoint is not None:
        try:
            begun = load(checkpoint.tensors), checkpoint.step, checkpoint.seconds
        except (KeyError, ValueError, RuntimeError) as error:
            _log.warning("%s starts anew: its checkpoint does not fit (%s)", plan.stage, error)
    if begun is None:
        begun = initial(Key(plan.seed, plan.stage, 0, plan.rank).fold("initial")), 0, 0.0
    if plan.folder is not None and plan.rank == 0:
        cut_history(plan.folder, begun[1])
    return begun


def _number(value: int | float | Tensor) -> float:
    return float(value.detach()) if isinstance(value, Tensor) else float(value)


def _loss_is_finite(metrics: Metrics) -> bool:
    return "loss" not in metrics or math.isfinite(_number(metrics["loss"]))


def _check_loss(plan: LoopPlan, done: int, metrics: Metrics) -> None:
    if not _loss_is_finite(metrics):
        raise Diverged(
            f"{plan.stage}: the loss is {_number(metrics['loss'])} after {done} of {plan.steps} steps: "
            "begin anew with another seed, in another folder"
        )
