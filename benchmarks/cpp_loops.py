"""The C++ loops of ``cpp/``, compiled where a compiler is found and called through ctypes."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from sanerf_hq.kernels import HashGridLayout, MarchConfig, RaySamples
from sanerf_hq.kernels.ray_march import MAX_STEPS, pack

SOURCES = sorted((Path(__file__).parent / "cpp").glob("*.cpp"))
FLAGS = ("-O3", "-march=native", "-fopenmp", "-shared", "-fPIC")


def compiler() -> str | None:
    """``$CXX``, else the first C++ compiler on the path; None without one."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++", "c++"]
    return next((found for name in names if (found := shutil.which(name))), None)


class _March(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_float) for name in ("near", "far", "step", "cone")),
        *((name, ctypes.c_int32) for name in ("side", "max_steps")),
    )


class CompileError(Exception):
    """The compiler that was found cannot compile the loops (no OpenMP, say)."""


class CppLoops:
    """The loops as functions of CPU tensors; all of them use ``threads`` threads.

    Args:
        program: The compiler.
        threads: OpenMP threads.

    Raises:
        CompileError: The program failed; the message holds what it said.
    """

    def __init__(self, program: str, threads: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder) / "loops.so"
            command = [program, *FLAGS, *map(str, SOURCES), "-o", str(library)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise CompileError(f"{program} could not compile the C++ loops: {done.stderr}")
            self._library = ctypes.CDLL(str(library))
        self._threads = threads

    def _call(self, name: str, *arguments: object) -> None:
        given = [_pointer(a) if isinstance(a, Tensor) else a for a in arguments]
        given = [ctypes.c_int64(a) if isinstance(a, int) else a for a in given]
        if getattr(self._library, name)(*given, self._threads) == -1:
            raise ValueError(f"{name} was not compiled for this number of features")

    def hash_grid_forward(self, x: Tensor, table: Tensor, layout: HashGridLayout) -> Tensor:
        out = torch.empty(x.shape[0], layout.n_outputs)
        self._call("hash_grid_forward", *_sizes(x, layout), x, table, out)
        return out

    def hash_grid_backward(self, x: Tensor, grad_out: Tensor, layout: HashGridLayout) -> Tensor:
        """Gradient of the table."""
        grad_table = torch.zeros(layout.n_entries, layout.n_features)
        self._call("hash_grid_backward", *_sizes(x, layout), x, grad_out, grad_table)
        return grad_table

    def hash_grid_backward_position(
        self, x: Tensor, table: Tensor, grad_out: Tensor, layout: HashGridLayout
    ) -> Tensor:
        """Gradient of the points."""
        grad_x = torch.zeros_like(x)
        self._call("hash_grid_backward_position", *_sizes(x, layout), x, table, grad_out, grad_x)
        return grad_x

    def ray_march(
        self,
        rays_o: Tensor,
        rays_d: Tensor,
        jitter: Tensor,
        occupied: Tensor,
        config: MarchConfig,
        capacity: int,
    ) -> RaySamples:
        march = _March(config.near, config.far, config.step, config.cone, occupied.shape[0], MAX_STEPS)
        n_rays = rays_o.shape[0]
        counts = torch.empty(n_rays, dtype=torch.int32)
        common = (n_rays, rays_o, rays_d, jitter, occupied, ctypes.byref(march))
        self._call("ray_march_count", *common, counts)
        packed_info, n_samples, n_dropped = pack(counts, capacity)
        rows = int(n_samples)
        ray_indices = torch.empty(rows, dtype=torch.int32)
        t_starts, t_ends, unit_points = torch.empty(rows), torch.empty(rows), torch.empty(rows, 3)
        self._call("ray_march_fill", *common, packed_info, ray_indices, t_starts, t_ends, unit_points)
        return RaySamples(ray_indices, t_starts, t_ends, unit_points, packed_info, n_samples, n_dropped)

    def composite_forward(
        self, sigmas: Tensor, deltas: Tensor, values: Tensor, packed_info: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The sums, and the weights and transmittances that the backward pass needs."""
        n_rays, channels = packed_info.shape[0], values.shape[1]
        weights, transmittances = torch.empty_like(sigmas), torch.empty_like(sigmas)
        out = torch.empty(n_rays, channels)
        self._call("weights_forward", n_rays, sigmas, deltas, packed_info, weights, transmittances)
        self._call("accumulate_forward", n_rays, channels, weights, values, packed_info, out)
        return out, weights, transmittances

    def composite_backward(
        self,
        weights: Tensor,
        transmittances: Tensor,
        deltas: Tensor,
        values: Tensor,
        grad_out: Tensor,
        packed_info: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Gradients to the densities and the values."""
        n_rays, channels = packed_info.shape[0], values.shape[1]
        grad_weights, grad_values = torch.empty_like(weights), torch.empty_like(values)
        grad_sigmas = torch.empty_like(weights)
        sums = (weights, values, grad_out, packed_info, grad_weights, grad_values)
        self._call("accumulate_backward", n_rays, channels, *sums)
        saved = (weights, transmittances, deltas, grad_weights, packed_info, grad_sigmas)
        self._call("weights_backward", n_rays, *saved)
        return grad_sigmas, grad_values


def _pointer(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


def _sizes(x: Tensor, layout: HashGridLayout) -> tuple[int, int, int, Tensor, ctypes.c_uint32]:
    """Points, levels, features, the levels' constants and the bits that are left of a hash."""
    sizes = [end - begin for begin, end in pairwise(layout.offsets)]
    levels = torch.tensor(list(zip(layout.resolutions, layout.offsets, layout.dense, strict=False)))
    hashed = [size for size, dense in zip(sizes, layout.dense, strict=True) if not dense]
    mask = ctypes.c_uint32(hashed[0] - 1 if hashed else 0)
    return x.shape[0], layout.n_levels, layout.n_features, levels.int(), mask
