from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sanerf_hq.kernels import runtime

EVERY_KERNEL = """
import torch
from sanerf_hq.kernels import (
    MarchConfig, accumulate, adam_rows, hash_grid, hash_grid_layout, ray_march, render_weights
)
torch.manual_seed(0)
torch.set_num_threads(2)
rays_d = torch.nn.functional.normalize(torch.randn(300, 3), dim=-1)
grid = (torch.rand(16, 16, 16) < 0.3).byte()
config = MarchConfig(far=10.0, step=0.1)
samples = ray_march(torch.randn(300, 3), rays_d, torch.rand(300), grid, config, 10**5)
layout = hash_grid_layout(3, 4, 2, 8, coarsest=4, finest=64)
table = torch.rand(layout.n_entries, 2, requires_grad=True)
points = samples.unit_points.requires_grad_()
values = hash_grid(points, table, layout)[:, :4].contiguous()
sigmas = 1 + values[:, 0]
weights = render_weights(sigmas, samples.t_ends - samples.t_starts, samples.packed_info)
accumulate(weights, values, samples.packed_info).square().sum().backward()
adam_rows(table.detach(), table.grad, torch.zeros_like(table), torch.zeros_like(table), 1, 0.1)
print(int(samples.n_samples), float(table.detach().sum()), float(points.grad.sum()))
"""


def _start(code: str, cache: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"SANERF_KERNEL_CACHE": str(cache)}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_processes_that_compile_at_once_agree_and_are_quiet(tmp_path: Path):
    processes = [_start(EVERY_KERNEL, tmp_path) for _ in range(2)]
    outputs = [process.communicate(timeout=250) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert outputs[0] == outputs[1]
    printed, errors = outputs[0]
    assert len(printed.splitlines()) == 1 and int(printed.split()[0]) > 1000
    assert errors == ""
    assert list(tmp_path.rglob("*.o"))  # the folder asked for is the folder used


@pytest.mark.slow
def test_kernels_stay_within_their_arrays(tmp_path: Path):
    """All other tests of the kernels once more, compiled with a check of each index."""
    modules = ("adam", "composite", "distortion", "hash_grid", "ray_march")
    tests = [str(Path(__file__).with_name(f"test_{module}.py")) for module in modules]
    code = f"import sys, pytest, warp; warp.config.mode = 'debug'; sys.exit(pytest.main({tests!r}))"
    process = _start(code, tmp_path)
    output, errors = process.communicate(timeout=280)
    assert process.returncode == 0, output + errors


@pytest.mark.slow
def test_an_index_out_of_an_array_is_found(tmp_path: Path):
    code = """
import torch, warp
warp.config.mode = "debug"
from sanerf_hq.kernels import render_weights
render_weights(torch.rand(3), torch.rand(3), torch.tensor([[0, 4]], dtype=torch.int32))
"""
    process = _start(code, tmp_path)
    output, errors = process.communicate(timeout=100)
    assert process.returncode != 0
    assert "shape" in output + errors  # the assertion that failed


def test_only_the_missing_driver_is_kept_from_standard_error(capfd: pytest.CaptureFixture[str]):
    with runtime._without_driver_warning():
        os.write(2, runtime.NO_DRIVER + b". GPU execution will not be available.\nSomething else\n")
    os.write(2, b"and after\n")
    assert capfd.readouterr().err == "Something else\nand after\n"


def test_a_tensor_that_does_not_fit_is_described():
    runtime.check("x", torch.zeros(2, 3), (None, 3), torch.float32, torch.device("cpu"))
    wanted = r"x must be a contiguous \(\?, 4\) torch.float32 tensor on cpu"
    with pytest.raises(ValueError, match=wanted + r", got a contiguous \(2, 3\) torch.int64 one on cpu"):
        runtime.check("x", torch.zeros(2, 3, dtype=torch.int64), (None, 4), torch.float32)
    with pytest.raises(ValueError, match=r"tensor on cpu, got a contiguous .* one on meta"):
        runtime.check("x", torch.zeros(2, device="meta"), (2,), torch.float32, torch.device("cpu"))


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    code = "from sanerf_hq.kernels import runtime\nfrom sanerf_hq.errors import InputError\n" + (
        "try:\n    runtime.start()\nexcept InputError as error:\n    print(error)\n"
    )
    with _start(code, tmp_path / "file") as process:
        said, _ = process.communicate(timeout=120)
    assert "file/warp cannot be written" in said.replace("\\", "/")
    assert "SANERF_KERNEL_CACHE" in said
