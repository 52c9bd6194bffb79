"""A toy stage over the training loop: fits a line to random points with Adam, adds up what it has seen."""

from __future__ import annotations

import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from torch import Tensor

from sanerf_hq.runs import (
    Key,
    LoopPlan,
    LoopResult,
    ProgressCallback,
    load_optimiser,
    optimiser_tensors,
    quiet,
    run_loop,
    under_prefix,
    with_prefix,
)
from sanerf_hq.runs.loop import Metrics


@dataclass
class ToyState:
    """The parameter, its optimiser, and something that adapts."""

    weights: Tensor
    optimiser: torch.optim.Adam
    seen: Tensor


def state_of(weights: Tensor, seen: Tensor) -> ToyState:
    weights = weights.clone().requires_grad_()
    return ToyState(weights, torch.optim.Adam([weights], lr=0.05), seen)


def initial(key: Key) -> ToyState:
    return state_of(torch.randn(3, generator=key.generator()), torch.zeros(1))


def save(state: ToyState) -> dict[str, Tensor]:
    moments = with_prefix("optimiser", optimiser_tensors(state.optimiser))
    return {"weights": state.weights, "seen": state.seen} | moments


def load(tensors: dict[str, Tensor]) -> ToyState:
    state = state_of(tensors["weights"], tensors["seen"])
    load_optimiser(state.optimiser, under_prefix("optimiser", tensors))
    return state


def step(state: ToyState, key: Key) -> tuple[ToyState, Metrics]:
    x = torch.randn(8, 3, generator=key.fold("points").generator())
    loss = (x @ state.weights - x @ torch.tensor([1.0, -2.0, 0.5])).square().mean()
    state.optimiser.zero_grad()
    loss.backward()
    state.optimiser.step()
    return ToyState(state.weights, state.optimiser, state.seen + x.sum()), {"loss": loss, "at": key.step}


def run_toy(plan: LoopPlan, progress: ProgressCallback = quiet) -> LoopResult[ToyState]:
    return run_loop(plan, step, initial, save, load, progress)


def victim(folder: Path, steps: int, pipe: Connection) -> None:
    """Run the stage with a checkpoint after each step, say their number, and never take the last one."""

    def held(state: ToyState, key: Key) -> tuple[ToyState, Metrics]:
        if key.step == steps - 1:
            time.sleep(600)
        return step(state, key)

    plan = LoopPlan("toy", steps, 1, "d", folder, checkpoint_seconds=0.0, log_every=1)
    run_loop(plan, held, initial, save, load, lambda progress: pipe.send(progress.done))
