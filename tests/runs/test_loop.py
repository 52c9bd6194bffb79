from __future__ import annotations

import logging
import multiprocessing
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from sanerf_hq.errors import Cancelled, InputError
from sanerf_hq.runs import (
    Diverged,
    Key,
    LoopPlan,
    Progress,
    discard_checkpoint,
    files,
    loop,
    read_history,
    read_tensors,
    run_loop,
)
from sanerf_hq.runs.checkpoints import CHECKPOINT_FILE, Checkpoint, read_checkpoint, write_checkpoint
from sanerf_hq.runs.history import HISTORY_FILE
from sanerf_hq.runs.loop import Metrics
from support import toy_loop
from support.toy_loop import ToyState, initial, load, run_toy, save, step

STEPS = 23


def plan(folder: Path | None = None, steps: int = STEPS, **fields: object) -> LoopPlan:
    return LoopPlan(
        **(
            {"stage": "toy", "steps": steps, "seed": 1, "digest": "d", "folder": folder, "log_every": 3}
            | fields
        )
    )


def assert_equal(state: ToyState, other: ToyState) -> None:
    ours, theirs = save(state), save(other)
    assert ours.keys() == theirs.keys() and "optimiser.0.exp_avg_sq" in ours
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name


def cancel_at(step_number: int):
    def progress(told: Progress) -> None:
        if told.done >= step_number:
            raise Cancelled

    return progress


def interrupted(folder: Path, at: int, steps: int = STEPS) -> None:
    with pytest.raises(Cancelled):
        run_toy(plan(folder, steps, log_every=1), progress=cancel_at(at))


def test_it_learns_and_is_repeatable():
    first, second = run_toy(plan(steps=400)), run_toy(plan(steps=400))
    assert torch.allclose(first.state.weights, torch.tensor([1.0, -2.0, 0.5]), atol=0.05)
    assert_equal(first.state, second.state)
    assert (first.resumed_from, first.metrics["at"]) == (0, 399)


def test_another_seed_or_stage_is_another_run():
    ends = [
        run_toy(plan(**fields)).state.weights for fields in ({}, {"seed": 2}, {"stage": "b"}, {"rank": 1})
    ]
    assert not any(torch.equal(ends[0], other) for other in ends[1:])


def test_nothing_is_written_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    run_toy(plan())
    assert list(tmp_path.iterdir()) == []


def test_no_steps(tmp_path: Path):
    result = run_toy(plan(tmp_path, steps=0))
    assert torch.equal(result.state.weights, initial(Key(1, "toy", 0).fold("initial")).weights)
    assert result.metrics == {} and not (tmp_path / CHECKPOINT_FILE).exists()


@pytest.mark.parametrize("fields", [{"steps": -1}, {"log_every": 0}])
def test_a_plan_names_what_is_wrong(fields: dict[str, int]):
    with pytest.raises(ValueError, match=next(iter(fields))):
        plan(**fields)


@pytest.mark.parametrize("at", [1, 2, 11, STEPS - 1])
def test_cancelled_and_resumed_equals_unbroken(tmp_path: Path, at: int):
    unbroken = run_toy(plan())
    interrupted(tmp_path, at)
    resumed = run_toy(plan(tmp_path))
    assert resumed.resumed_from == at
    assert_equal(resumed.state, unbroken.state)


def test_cancelled_before_the_first_step(tmp_path: Path):
    interrupted(tmp_path, 0)
    assert not (tmp_path / CHECKPOINT_FILE).exists()


def test_a_finished_loop_takes_no_step_again(tmp_path: Path):
    first = run_toy(plan(tmp_path))
    again = run_toy(plan(tmp_path))
    assert again.resumed_from == STEPS
    assert again.metrics == first.metrics, "as they were looked at last"
    assert_equal(again.state, first.state)
    discard_checkpoint(tmp_path)
    discard_checkpoint(tmp_path)
    assert run_toy(plan(tmp_path)).resumed_from == 0


def test_a_longer_plan_goes_on_and_a_shorter_one_starts_anew(tmp_path: Path):
    run_toy(plan(tmp_path))
    longer = run_toy(plan(tmp_path, steps=STEPS + 5))
    assert longer.resumed_from == STEPS
    assert_equal(longer.state, run_toy(plan(steps=STEPS + 5)).state)
    assert run_toy(plan(tmp_path)).resumed_from == 0


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"digest": "e"}, "configuration"),
        ({"seed": 2}, "seed"),
        ({"stage": "b"}, "stage"),
        ({"steps": 5}, "steps"),
    ],
)
def test_a_foreign_checkpoint_is_reported_and_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fields: dict[str, object], told: str
):
    interrupted(tmp_path, 11)
    with caplog.at_level(logging.WARNING):
        result = run_toy(plan(tmp_path, **fields))
    assert result.resumed_from == 0
    assert_equal(result.state, run_toy(plan(**fields)).state)
    assert told in caplog.text and CHECKPOINT_FILE in caplog.text


@pytest.mark.parametrize("damage", ["flip", "cut", "other", "words"])
def test_a_damaged_checkpoint_is_reported_and_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
):
    interrupted(tmp_path, 11)
    path = tmp_path / CHECKPOINT_FILE
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    if damage == "flip":
        path.write_bytes(content)
    elif damage == "cut":
        path.write_bytes(content[:100])
    elif damage == "other":  # whole, of this configuration, but not what `load` knows
        write_checkpoint(tmp_path, plan().owner, Checkpoint({"heights": torch.zeros(1)}, 11, 1.0))
    else:
        files.write_tensors(path, {}, plan().owner | {"format": "1", "step": "eleven", "seconds": "1"})
    with caplog.at_level(logging.WARNING):
        result = run_toy(plan(tmp_path))
    assert result.resumed_from == 0
    assert_equal(result.state, run_toy(plan()).state)
    assert "anew" in caplog.text


def test_a_checkpoint_of_negative_steps_is_foreign(tmp_path: Path):
    write_checkpoint(tmp_path, plan().owner, Checkpoint({}, -3, 0.0))
    assert read_checkpoint(tmp_path, plan().owner, STEPS) is None


def test_checkpoints_while_running(tmp_path: Path):
    found: list[int] = []

    def look(told: Progress) -> None:
        checkpoint = read_checkpoint(tmp_path, plan().owner, STEPS)
        found.append(checkpoint.step if checkpoint else 0)

    run_toy(plan(tmp_path, checkpoint_seconds=0.0, log_every=1), progress=look)
    assert found == list(range(STEPS + 1))
    discard_checkpoint(tmp_path)
    found.clear()
    run_toy(plan(tmp_path, checkpoint_seconds=1e9, log_every=1), progress=look)
    assert found == [0] * STEPS + [STEPS]


def test_seconds_add_up_over_resumes(tmp_path: Path):
    write_checkpoint(tmp_path, plan().owner, Checkpoint(save(run_toy(plan(steps=5)).state), 5, 1000.0))
    result = run_toy(plan(tmp_path))
    assert 1000.0 < result.seconds < 1100.0
    assert read_checkpoint(tmp_path, plan().owner, STEPS).seconds == pytest.approx(result.seconds, abs=5)
    assert read_history(tmp_path)[-1]["seconds"] >= 1000.0


def test_progress_tells_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "CALLBACK_SECONDS", 1e9)
    told: list[Progress] = []
    interrupted(tmp_path, 11)
    run_toy(plan(tmp_path, log_every=5), progress=told.append)
    assert [progress.done for progress in told] == [11, 15, 20, STEPS]
    assert {(progress.stage, progress.total) for progress in told} == {("toy", STEPS)}
    assert told[0].metrics["at"] == 10 and told[-1].metrics["at"] == STEPS - 1


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, [0, 1, 2, 3, 4]), (1e9, [0, 3, 4])])
def test_slow_steps_are_told_of_between_logs(
    monkeypatch: pytest.MonkeyPatch, seconds: float, expected: list[int]
):
    monkeypatch.setattr(loop, "CALLBACK_SECONDS", seconds)
    told: list[int] = []
    run_toy(plan(steps=4), progress=lambda progress: told.append(progress.done))
    assert told == expected


def test_metrics_stay_where_they_are_between_logs():
    class Watched(torch.Tensor):
        reads = 0

        def __float__(self) -> float:
            Watched.reads += 1
            return float(self.as_subclass(torch.Tensor))

    def watched(state: int, key: Key) -> tuple[int, dict[str, torch.Tensor]]:
        return state + 1, {"loss": torch.ones(()).as_subclass(Watched)}

    run_loop(plan(steps=20, log_every=10), watched, lambda key: 0, lambda state: {}, lambda tensors: 0)
    assert 0 < Watched.reads <= 4


def test_history_has_each_logged_step_once_after_resumes(tmp_path: Path):
    for at in (4, 5, 9):
        interrupted(tmp_path, at)
        with (tmp_path / HISTORY_FILE).open("a") as file:  # what a kill between checkpoints leaves
            file.write('{"step": 21, "loss": 7.0}\n{"step": 22, "lo')
    run_toy(plan(tmp_path, log_every=1))
    history = read_history(tmp_path)
    assert [entry["step"] for entry in history] == list(range(1, STEPS + 1))
    assert (tmp_path / HISTORY_FILE).read_text().count("\n") == STEPS

    unbroken = tmp_path / "unbroken"
    run_toy(plan(unbroken, log_every=1))
    assert [entry["loss"] for entry in history] == [entry["loss"] for entry in read_history(unbroken)]


def test_a_run_begun_anew_has_no_old_history(tmp_path: Path):
    run_toy(plan(tmp_path, seed=5))
    run_toy(plan(tmp_path, log_every=10))
    assert [entry["step"] for entry in read_history(tmp_path)] == [10, 20, STEPS]


def test_history_of_infinite_figures_and_foreign_lines(tmp_path: Path):
    def infinite(state: int, key: Key) -> tuple[int, dict[str, float]]:
        return state, {"psnr": float("inf")}

    run_loop(plan(tmp_path, steps=1), infinite, lambda key: 0, lambda state: {}, lambda tensors: 0)
    with (tmp_path / HISTORY_FILE).open("ab") as file:
        file.write(b'[1]\n{"step": "x"}\n\xff\xfe\n')
    assert [(entry["step"], entry["psnr"]) for entry in read_history(tmp_path)] == [(1, None)]


def test_a_metric_cannot_take_the_name_of_what_every_line_has(tmp_path: Path):
    def misnamed(state: int, key: Key) -> tuple[int, dict[str, float]]:
        return state, {"seconds": 1.0}

    with pytest.raises(ValueError, match="'seconds'"):
        run_loop(plan(tmp_path), misnamed, lambda key: 0, lambda state: {}, lambda tensors: 0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_and_keeps_the_checkpoint_before(tmp_path: Path, bad: float):
    def diverging(state: ToyState, key: Key) -> tuple[ToyState, Metrics]:
        state, metrics = step(state, key)
        return state, metrics | {"loss": torch.tensor(bad)} if key.step >= 12 else metrics

    busy = plan(tmp_path, checkpoint_seconds=0.0, log_every=5)
    with pytest.raises(Diverged, match=r"toy: the loss is (nan|inf) after 13 of 23"):
        run_loop(busy, diverging, initial, save, load)
    assert read_checkpoint(tmp_path, busy.owner, STEPS).step == 12
    with pytest.raises(Diverged, match="after 15 of 23"):
        run_loop(plan(log_every=5), diverging, initial, save, load)


def test_cancelling_does_not_keep_a_diverged_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "CALLBACK_SECONDS", 0.0)

    def diverging(state: ToyState, key: Key) -> tuple[ToyState, dict[str, float]]:
        return state, {"loss": float("nan")}

    with pytest.raises(Cancelled):
        run_loop(plan(tmp_path, log_every=100), diverging, initial, save, load, cancel_at(1))
    assert not (tmp_path / CHECKPOINT_FILE).exists()


@pytest.mark.parametrize("error", [Cancelled, KeyboardInterrupt])
def test_half_a_step_is_never_kept(tmp_path: Path, error: type[BaseException]):
    def broken_off(state: ToyState, key: Key) -> tuple[ToyState, Metrics]:
        if key.step == 7:
            with torch.no_grad():
                state.weights += 100
            raise error
        return step(state, key)

    with pytest.raises(error):
        run_loop(plan(tmp_path), broken_off, initial, save, load)
    assert not (tmp_path / CHECKPOINT_FILE).exists()
    assert_equal(run_toy(plan(tmp_path)).state, run_toy(plan()).state)


@pytest.fixture(params=[signal.SIG_DFL, signal.default_int_handler], ids=["ends", "as Ctrl-C"])
def sigterm(request: pytest.FixtureRequest) -> Iterator[None]:
    """What SIGTERM does outside, in Python or on the command line."""
    before = signal.signal(signal.SIGTERM, request.param)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("sigterm")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_step_and_the_state_is_kept(tmp_path: Path, number: signal.Signals):
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    def signalled(state: ToyState, key: Key) -> tuple[ToyState, Metrics]:
        if key.step == 7:
            signal.raise_signal(number)
        return step(state, key)

    with pytest.raises(KeyboardInterrupt):
        run_loop(plan(tmp_path), signalled, initial, save, load)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    resumed = run_toy(plan(tmp_path))
    assert resumed.resumed_from == 8
    assert_equal(resumed.state, run_toy(plan()).state)


def test_a_signal_in_the_last_step_is_not_swallowed(tmp_path: Path):
    def signalled(state: ToyState, key: Key) -> tuple[ToyState, Metrics]:
        if key.step == STEPS - 1:
            signal.raise_signal(signal.SIGINT)
        return step(state, key)

    with pytest.raises(KeyboardInterrupt):
        run_loop(plan(tmp_path), signalled, initial, save, load)
    assert run_toy(plan(tmp_path)).resumed_from == STEPS


def test_a_second_signal_interrupts_at_once(tmp_path: Path):
    def signalled(state: ToyState, key: Key) -> tuple[ToyState, Metrics]:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second signal was held back")

    with pytest.raises(KeyboardInterrupt):
        run_loop(plan(tmp_path), signalled, initial, save, load)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not (tmp_path / CHECKPOINT_FILE).exists()


def test_handlers_of_the_program_around_are_left_alone():
    seen: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:

        def signalled(state: ToyState, key: Key) -> tuple[ToyState, Metrics]:
            if key.step == 0:
                signal.raise_signal(signal.SIGINT)
            return step(state, key)

        result = run_loop(plan(), signalled, initial, save, load)
    finally:
        signal.signal(signal.SIGINT, previous)
    assert seen == [signal.SIGINT] and result.metrics["at"] == STEPS - 1


def test_it_runs_outside_the_main_thread():
    ends: list[ToyState] = []
    thread = threading.Thread(target=lambda: ends.append(run_toy(plan()).state))
    thread.start()
    thread.join()
    assert_equal(ends[0], run_toy(plan()).state)


def test_only_rank_0_writes_and_every_rank_resumes(tmp_path: Path):
    run_toy(plan(tmp_path, rank=1))
    assert list(tmp_path.iterdir()) == []
    interrupted(tmp_path, 11)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert run_toy(plan(tmp_path, rank=1)).resumed_from == 11
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_full_disk_is_told_and_the_checkpoint_before_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    interrupted(tmp_path, 11)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(files.os, "replace", full)
        with pytest.raises(InputError, match="disk is full"):
            run_toy(plan(tmp_path))
    resumed = run_toy(plan(tmp_path))
    assert resumed.resumed_from == 11
    assert_equal(resumed.state, run_toy(plan()).state)


def test_killed_five_times_at_random_moments(tmp_path: Path):
    steps, chance = 60, random.Random(0)
    context = multiprocessing.get_context("forkserver")  # torch is imported once, not for each victim
    context.set_forkserver_preload(["torch._dynamo", "sanerf_hq.runs"])  # Adam asks for the first
    begun_at = []
    for _ in range(5):
        ours, theirs = context.Pipe()
        process = context.Process(target=toy_loop.victim, args=(tmp_path, steps, theirs))
        process.start()
        begun_at.append(ours.recv())
        for _ in range(chance.randrange(8)):
            ours.recv()
        time.sleep(chance.uniform(0.0, 0.003))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        process.close()
        if (tmp_path / CHECKPOINT_FILE).exists():
            read_tensors(tmp_path / CHECKPOINT_FILE)  # whole, whenever the kill came
    result = run_toy(plan(tmp_path, steps, log_every=1))

    assert begun_at == sorted(begun_at) and 0 < result.resumed_from < steps
    assert_equal(result.state, run_toy(plan(steps=steps)).state)
    assert [entry["step"] for entry in read_history(tmp_path)] == list(range(1, steps + 1))
