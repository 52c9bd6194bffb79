from __future__ import annotations

import pytest

from sanerf_hq.evaluate.results import BenchResult, ObjectResult, SceneResult
from sanerf_hq.evaluate.table import print_table


def lines(capsys: pytest.CaptureFixture[str], result: BenchResult, width: int = 100) -> list[list[str]]:
    print_table(result, width)
    return [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]


def bench(*scenes: SceneResult) -> BenchResult:
    return BenchResult("truth", "draft", 0, 3, None, "0.1.0", "CPU", scenes)


MUG = ObjectResult("mug", iou=0.9, boundary_iou=0.8, mean_view_iou=0.7, iou_preview=0.6, seconds_refine=12.34)
JUG = ObjectResult("jug", iou=0.5, boundary_iou=0.2, mean_view_iou=0.3, iou_2d=0.25)


def test_rows(capsys: pytest.CaptureFixture[str]) -> None:
    result = bench(SceneResult("desk", 28.0, 26.5, 311.6, objects=(MUG, JUG)), SceneResult("fox", 24.0))
    *_, desk, mug, jug, fox, means = lines(capsys, result)
    assert desk == ["desk", "28.00", "26.50", "312"]
    assert mug == ["mug", "0.900", "0.800", "0.700", "–", "0.600", "12.3"]
    assert jug == ["jug", "0.500", "0.200", "0.300", "0.250", "–", "–"]
    assert fox == ["fox", "24.00", "–", "–"]
    assert means == ["mean", "26.00", "26.50", "0.700", "0.500", "0.500", "0.250", "0.600"]


def test_numbers_are_whole_on_a_narrow_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    result = bench(SceneResult("a scene with a long name", 28.0, 26.5, 311.6, objects=(MUG,)))
    words = [word for line in lines(capsys, result, width=40) for word in line]
    assert {"28.00", "26.50", "312", "0.900", "0.800", "0.700", "0.600", "12.3"} <= set(words)
    assert "".join(words).count("…") == 0


def test_names_are_neither_markup_nor_control_codes(capsys: pytest.CaptureFixture[str]) -> None:
    item = ObjectResult("[red]mug[/red]", iou=0.5)
    rows = lines(capsys, bench(SceneResult("desk\x1b[2J", objects=(item,))))
    assert rows[2][0] == "desk\N{REPLACEMENT CHARACTER}[2J"
    assert rows[3][0] == "[red]mug[/red]"


def test_nothing_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(capsys, bench())[-1] == ["mean", *["–"] * 7]
