"""Segmenters on single photos: what is not to be asked is refused in a sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.paths import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import promptable as benchmark


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--views", "0"], "--views is 0; give 1 or more"), (["--segmenters", "truth"], "segmenter truth")],
)
def test_what_cannot_be_asked_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
):
    monkeypatch.setattr(sys, "argv", ["promptable.py", str(tmp_path), "--out", str(tmp_path / "out"), *words])
    with pytest.raises(SystemExit) as caught:
        benchmark.main()
    assert caught.value.code == 2
    assert said in capsys.readouterr().err
