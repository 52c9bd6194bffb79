"""The command line as tests use it."""

from __future__ import annotations

import pytest

from sanerf_hq.cli.main import main
from sanerf_hq.runs import Progress


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error of a command that ends with exit code 2."""
    capsys.readouterr()
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("sanerf: ") and shown.err.count("\n") == 1, shown.err
    return shown.err


def no_work(progress: Progress) -> None:
    """A progress callback of what is to be refused before any work begins."""
    raise AssertionError(f"{progress.stage} has begun")
