from __future__ import annotations

import contextlib
import io

import pytest

from sanerf_hq.cli.console import ConsoleProgress, describe, duration
from sanerf_hq.runs import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def say(times: list[float], told: list[Progress]) -> list[str]:
    stream, clock = io.StringIO(), iter(times)
    with contextlib.redirect_stderr(stream), ConsoleProgress(lambda: next(clock)) as progress:
        for each in told:
            progress(each)
    return stream.getvalue().splitlines()


def test_a_line_now_and_then_where_there_is_no_terminal():
    told = [Progress("radiance", done, 100, {"psnr": 20.0 + done}) for done in (0, 5, 10, 50, 100, 100)]
    assert say([0, 1, 10, 11, 12, 13], told) == [
        "radiance: 0/100, PSNR 20.0 dB",
        "radiance: 10/100, PSNR 30.0 dB, 1 min 30 s left",
        "radiance: 100/100, PSNR 120.0 dB",
    ]


def test_time_left_counts_from_where_it_was_resumed():
    told = [Progress("radiance", 80, 100), Progress("radiance", 90, 100)]
    assert say([0, 20], told)[-1] == "radiance: 90/100, 20 s left"


def test_stages_have_lines_of_their_own_and_may_begin_anew():
    told = [Progress("a", 1, 1), Progress("b", 0, 2), Progress("a", 0, 1), Progress("a", 1, 1)]
    assert say([0, 1, 2, 3], told) == ["a: 1/1", "b: 0/2", "a: 0/1", "a: 1/1"]


def test_nothing_to_do_is_said_once():
    assert say([0, 1], [Progress("decode", 0, 0), Progress("decode", 0, 0)]) == ["decode: 0/0"]


def test_bars_on_a_terminal(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with contextlib.redirect_stderr(stream), ConsoleProgress() as progress:
        for done in (0, 50, 100):
            progress(Progress("[radiance]", done, 100, {"rays_per_second": 1.25e6}, "view [3]"))
        progress(Progress("[radiance]", 0, 10))
    shown = stream.getvalue()
    assert "[radiance]" in shown and "100/100" in shown and "0/10" in shown
    assert "view [3], 1.2M rays/s" in shown


def test_the_terminal_is_given_back_after_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with pytest.raises(RuntimeError), contextlib.redirect_stderr(stream), ConsoleProgress() as progress:
        progress(Progress("radiance", 1, 2))
        raise RuntimeError
    shown = stream.getvalue()
    assert "1/2" in shown and 0 <= shown.rfind("\x1b[?25l") < shown.rfind("\x1b[?25h")  # the cursor is back


@pytest.mark.parametrize(
    ("metrics", "shown"),
    [
        ({"psnr": 27.349}, "PSNR 27.3 dB"),
        ({"rays_per_second": 950.0}, "950 rays/s"),
        ({"rays_per_second": 2400.0}, "2.4k rays/s"),
        ({"rays_per_second": 3e9}, "3.0G rays/s"),
        ({"loss": 0.012344, "ray_drops": 3.0}, "loss 0.01234, ray drops 3"),
        ({}, ""),
    ],
)
def test_metrics_in_words(metrics: dict[str, float], shown: str):
    assert describe(Progress("x", 0, 1, metrics)) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3600, "1 h 00 min"),
        (4260, "1 h 11 min"),
    ],
)
def test_durations(seconds: float, shown: str):
    assert duration(seconds) == shown
