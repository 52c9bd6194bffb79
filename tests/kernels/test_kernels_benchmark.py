from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import ROOT

SCRIPT = ROOT / "benchmarks" / "kernels.py"


@pytest.mark.slow
def test_the_benchmark_takes_a_small_step_of_each_operation(tmp_path: Path):
    out = tmp_path / "results" / "kernels.json"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--quick", "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    results = json.loads(out.read_text(encoding="utf-8"))
    assert {"device", "threads", "commit", "versions", "n_samples"} <= results.keys()
    operations = {comparison["operation"]: comparison for comparison in results["comparisons"]}
    assert len(operations) == 13
    for operation, comparison in operations.items():
        assert operation in done.stdout
        assert set(comparison["timings"]) - {"C++"} == {"kernel", "twin"}
        for timing in comparison["timings"].values():
            assert 0 < timing["best_ms"] <= timing["median_ms"] and timing["runs"] >= 3
        ours = comparison["timings"]["kernel"]["median_ms"]
        for name, ratio in comparison["ratios"].items():
            assert ratio == pytest.approx(ours / comparison["timings"][name]["median_ms"])
