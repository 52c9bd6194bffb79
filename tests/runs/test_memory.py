from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from sanerf_hq.runs import memory
from sanerf_hq.runs.memory import peak_memory_mb, reset_peak_memory

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's /proc")


@linux
def test_the_peak_outlives_what_made_it_until_reset() -> None:
    if not reset_peak_memory():
        pytest.skip("this system does not let a process reset its peak")
    before = peak_memory_mb()
    block = torch.ones(50_000_000)  # 200 MB, touched
    del block
    peak = peak_memory_mb()
    assert before is not None and peak is not None
    assert peak - before == pytest.approx(200, abs=40)
    assert reset_peak_memory()
    after = peak_memory_mb()
    assert after is not None and after < before + 100


@linux
def test_status_and_rusage_agree_on_the_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resident = peak_memory_mb()
    monkeypatch.setattr(memory, "STATUS", tmp_path / "missing")
    of_the_process = peak_memory_mb()
    assert resident is not None and of_the_process is not None
    assert resident * 0.9 < of_the_process < resident * 100


def test_status_is_in_kibibytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmPeak:\t 999999 kB\nVmHWM:\t  250000 kB\nVmRSS:\t 1 kB\n")
    monkeypatch.setattr(memory, "STATUS", status)
    assert peak_memory_mb() == 256.0


def test_no_system_call_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "STATUS", tmp_path / "missing")
    monkeypatch.setattr(memory, "CLEAR_REFS", tmp_path / "missing" / "clear_refs")
    monkeypatch.setitem(sys.modules, "resource", None)
    assert peak_memory_mb() is None
    assert reset_peak_memory() is False
