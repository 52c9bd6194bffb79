"""The one place that knows how Warp is started and how its launches are spread over CPU threads.

A CPU launch of Warp runs on one thread and lets go of the interpreter lock, so work is cut into slices that
a small pool runs side by side. Slices never write to the same address: results do not depend on the number
of threads. On CUDA a launch goes to torch's current stream.
"""

import contextlib
import functools
import os
import sys
import tempfile
import threading
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import platformdirs
import torch
import warp as wp
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.kernels.threads import run_jobs, thread_count

# As a C++ compiler does by default: this machine's instructions, calls inlined, a · b + c in one instruction.
_FLAGS = "-w -march=native -mllvm=-inline-threshold=9000 -mllvm=-inline-cold-callsite-threshold=3000"
_OPTIONS = {"fast_math": False, "optimization_level": 3, "enable_backward": False}
# Vector instructions are made of an entry's features, not of neighbouring samples, which lie a row apart.
MODULE_OPTIONS = {**_OPTIONS, "cpu_compiler_flags": f"{_FLAGS} -ffp-contract=fast -fno-vectorize"}
# Each operation rounded by itself: two kernels that compute the same get the same.
EXACT_MODULE_OPTIONS = {**_OPTIONS, "cpu_compiler_flags": _FLAGS, "fuse_fp": False}
NOT_NEGATIVE = wp.constant(0x7FFFFFFF)  # an index bit-and this needs no look for negative ones
NO_DRIVER = b"Warp CUDA warning: Could not find or load the NVIDIA CUDA driver"
STDERR = 2
_lock = threading.Lock()


@typing.no_type_check
@wp.func
def flat(values: wp.array(dtype=wp.float32)):
    # An array that is known to be contiguous is read without a multiplication by its stride.
    return wp.array(ptr=values.ptr, shape=(values.shape[0],), dtype=wp.float32)


@functools.cache
def start() -> None:
    """Start Warp once: quiet, kernels compiled into the user's cache folder, or ``$SANERF_KERNEL_CACHE``."""
    with _lock, _without_driver_warning():
        wp.config.log_level = wp.LOG_ERROR
        cache = os.environ.get("SANERF_KERNEL_CACHE") or platformdirs.user_cache_dir("sanerf_hq")
        folder = Path(cache) / "warp"
        _check_cache(folder)
        wp.config.kernel_cache_dir = str(folder)
        # Storage on the stack, of no use to our kernels, is found through one pointer for all threads.
        wp.config.enable_tiles_in_stack_memory = False
        wp.init()


def _check_cache(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"the kernel cache {folder} cannot be written ({error.strerror}): set SANERF_KERNEL_CACHE to a "
            "folder that can be"
        ) from error


@contextlib.contextmanager
def _without_driver_warning() -> Iterator[None]:
    """Keep one line from standard error, which no option of Warp does: that there is no CUDA driver."""
    try:
        kept = os.dup(STDERR)
    except OSError:  # there is no standard error
        yield
        return
    with tempfile.TemporaryFile() as held:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(held.fileno(), STDERR)
        try:
            yield
        finally:
            os.dup2(kept, STDERR)
            os.close(kept)
            held.seek(0)
            for line in held:
                if not line.startswith(NO_DRIVER):
                    os.write(STDERR, line)


_loaded: set[tuple[Any, str]] = set()


def load(kernel: Any, device: str) -> None:
    """Compile a kernel's module once, before several threads want it at the same time."""
    key = (kernel.module, device)
    if key not in _loaded:
        with _lock:
            wp.force_load(device=device, modules=[kernel.module])
            _loaded.add(key)


def launch(kernel: Any, count: int, arguments: list[Any], device: torch.device, grain: int = 1024) -> None:
    """Launch a kernel whose first two parameters are the range ``begin``, ``end`` of its work items.

    On CUDA one launch covers the range; on the CPU it is cut into one slice a thread, of ``grain`` items at
    least.
    """
    if count == 0:
        return
    load(kernel, str(device))
    if device.type == "cuda":
        stream = wp.stream_from_torch(torch.cuda.current_stream(device))
        wp.launch(kernel, dim=count, inputs=[0, count, *arguments], stream=stream)
        return
    slices = max(1, min(thread_count(), count // grain))
    bounds = [count * i // slices for i in range(slices + 1)]

    def job(begin: int, end: int) -> None:
        wp.launch(kernel, dim=end - begin, inputs=[begin, end, *arguments], device="cpu")

    run_jobs([functools.partial(job, bounds[i], bounds[i + 1]) for i in range(slices)])


def as_warp(tensor: Tensor, dtype: Any) -> Any:
    """Share a contiguous tensor's memory with a kernel, as long as the tensor lives."""
    return wp.from_torch(tensor.detach(), dtype=dtype, requires_grad=False, return_ctype=True)


def check(
    name: str,
    tensor: Tensor,
    shape: tuple[int | None, ...],
    dtype: torch.dtype,
    device: torch.device | None = None,
) -> None:
    """Kernel entry points look before they leap: a bad index is a crash, not an exception.

    Raises:
        ValueError: ``tensor`` has another shape, type, layout or device than the kernel reads.
    """
    fits = tensor.ndim == len(shape) and all(
        want is None or want == got for want, got in zip(shape, tensor.shape, strict=True)
    )
    here = device is None or tensor.device == device
    if not fits or tensor.dtype != dtype or not tensor.is_contiguous() or not here:
        wanted = ", ".join("?" if side is None else str(side) for side in shape)
        layout = "contiguous" if tensor.is_contiguous() else "strided"
        raise ValueError(
            f"{name} must be a contiguous ({wanted}) {dtype} tensor on {device or tensor.device}, "
            f"got a {layout} {tuple(tensor.shape)} {tensor.dtype} one on {tensor.device}"
        )
