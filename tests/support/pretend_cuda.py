"""A CUDA device that is not there: its tensors say that they lie on one, and are computed with on the CPU.

What a real device would refuse is refused: tensors of both devices in one operation, ``numpy()`` of what
lies there, a generator of the other device. Kernels run as they are launched on CUDA, one work item each. So
code that was never run on a GPU can be looked through for what assumes the CPU, and its results compared
with the CPU's. What is not told: races, bfloat16, and time.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import torch
import warp as wp
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

from sanerf_hq.kernels import runtime
from sanerf_hq.runs import Key

CUDA = torch.device("cuda", 0)
META = torch.device("meta")  # what torch itself is told: a device without memory that needs no driver
ops = torch.ops.aten
ACROSS = {ops.copy_.default, ops._to_copy.default}  # may read one device and write the other
INDEXED = {ops.index.Tensor, ops.index_put.default, ops.index_put_.default, ops._index_put_impl_.default}
SIZED_BY_VALUES = {
    *(ops._local_scalar_dense.default, ops.nonzero.default, ops.masked_select.default),
    *(ops._unique2.default, ops.unique_consecutive.default, ops.unique_dim.default),
}


@dataclass
class Pretence:
    """What a device that is not there was asked for.

    Attributes:
        waits: Operations after which a program would have waited for the device.
        kernels: Kernels of ours that were launched.
    """

    waits: list[str] = field(default_factory=list)
    kernels: set[Any] = field(default_factory=set)


_pretence = Pretence()
_generators: list[torch.Generator] = []


class Pretended(Tensor):
    """A tensor on the CPU that says it lies on CUDA."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> Pretended:
        made = Tensor._make_wrapper_subclass(  # pyright: ignore[reportAttributeAccessIssue]
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            layout=inner.layout,
            device=META,
        )
        made.inner = inner
        return made

    def __repr__(self) -> str:
        return f"Pretended({self.inner!r})"

    @property
    def device(self) -> torch.device:
        return CUDA

    @property
    def is_cuda(self) -> bool:
        return True

    def tolist(self) -> Any:
        return self.inner.tolist()

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        copied = self.detach().clone()
        if isinstance(self, torch.nn.Parameter):
            copied = torch.nn.Parameter(copied, self.requires_grad)
        memo[id(self)] = copied
        return copied

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


class _Factories(TorchDispatchMode):
    """Makes what is asked for on CUDA on the CPU."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


class _Renamed(TorchFunctionMode):
    """Asks for the device that torch is told where CUDA is asked for."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.device:
            return func(*args, **kwargs)
        generator = kwargs.get("generator")
        there = any(isinstance(arg, Pretended) for arg in args)
        if generator is not None and _is_of_cuda(generator) != _is_cuda(kwargs.get("device", there)):
            raise RuntimeError(f"{func}: the generator is of another device than what is drawn")
        if func in (torch.tensor, torch.as_tensor) and _is_cuda(kwargs.get("device")):
            return Pretended(func(*args, **kwargs | {"device": "cpu"}))
        if func is Tensor.new_tensor and there:
            return Pretended(torch.tensor(*args[1:], **{"dtype": args[0].dtype} | kwargs))
        named = {name: _renamed(value) for name, value in kwargs.items()}
        return func(*[_renamed(arg) for arg in args], **named)


def _is_cuda(value: Any) -> bool:
    return value is True or (isinstance(value, str | torch.device) and str(value).startswith("cuda"))


def _renamed(value: Any) -> Any:
    return META if value is not True and _is_cuda(value) else value


def _computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    if _waits_for(func, args, kwargs):
        _pretence.waits.append(str(func))
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    there = any(isinstance(tensor, Pretended) for tensor in tensors)
    _check_devices(func, args, tensors, there)
    asked = kwargs.get("device")
    on_cuda = there if asked is None else torch.device(asked).type == META.type
    if asked is not None:
        kwargs = kwargs | {"device": torch.device("cpu")}
    if func is ops.copy_.default:  # into the memory of the first, whichever device that is on
        func(_inner(args[0]), *[_inner(arg) for arg in args[1:]])
        return args[0]
    plain_args, plain_kwargs = tree_map(_inner, (args, kwargs))
    out = func(*plain_args, **plain_kwargs)
    if not on_cuda:
        return out
    out = tree_map(lambda leaf: Pretended(leaf) if isinstance(leaf, Tensor) else leaf, out)
    return return_and_correct_aliasing(func, args, kwargs, out) if there else out


def _check_devices(func: Any, args: Any, tensors: list[Tensor], there: bool) -> None:
    """As CUDA's own operations do; a number without dimensions may lie anywhere."""
    if not there or func in ACROSS:
        return
    if func in INDEXED and isinstance(args[0], Pretended):
        tensors = [args[0], *args[2:3]]
        tensors = [one for one in tensors if isinstance(one, Tensor)]
    if any(not isinstance(one, Pretended) and one.ndim > 0 for one in tensors):
        places = [(str(one.device), tuple(one.shape)) for one in tensors]
        raise RuntimeError(f"{func}: all tensors must be on one device, got {places}")


def _waits_for(func: Any, args: Any, kwargs: dict[str, Any]) -> bool:
    """Whether the program would stand still until the device has come so far."""
    if not args or not isinstance(args[0], Pretended):
        return func is ops.copy_.default and isinstance(args[1], Pretended)
    if func is ops._to_copy.default:
        return str(kwargs.get("device")) == "cpu"
    if func is ops.repeat_interleave.Tensor:
        return kwargs.get("output_size") is None
    masks = func in INDEXED and any(one is not None and one.dtype == torch.bool for one in args[1])
    return masks or func in SIZED_BY_VALUES


def _inner(value: Any) -> Any:
    return value.inner if isinstance(value, Pretended) else value


def _is_of_cuda(generator: torch.Generator) -> bool:
    return any(generator is one for one in _generators)


def _generator(key: Key, device: torch.device | str = "cpu") -> torch.Generator:
    generator = torch.Generator().manual_seed(key.number)
    if torch.device(device).type == "cuda":
        _generators.append(generator)
    return generator


def _as_warp(as_warp: Callable[..., Any], tensor: Tensor, dtype: Any) -> Any:
    return as_warp(_inner(tensor.detach()), dtype)


def _launch(
    launch: Callable[..., None],
    kernel: Any,
    count: int,
    arguments: list[Any],
    device: torch.device,
    grain: int = 1024,
) -> None:
    if device.type != "cuda":
        launch(kernel, count, arguments, device, grain)
    elif count:
        _pretence.kernels.add(kernel)
        runtime.load(kernel, "cpu")
        wp.launch(kernel, dim=count, inputs=[0, count, *arguments], device="cpu")


def _run(run: Callable[[threading.Thread], None], thread: threading.Thread) -> None:
    with _Factories(), _Renamed():
        run(thread)


@contextlib.contextmanager
def pretended_cuda() -> Iterator[Pretence]:
    """Within it, ``cuda`` is a device. Given is what it is asked for, as far as the program has come."""
    _pretence.waits.clear()
    _pretence.kernels.clear()
    with contextlib.ExitStack() as stack:

        def put(place: Any, name: str, value: Any) -> None:
            stack.enter_context(mock.patch.object(place, name, value))

        put(torch.cuda, "_lazy_init", lambda: None)
        put(torch.cuda, "is_available", lambda: True)
        put(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
        put(torch.accelerator, "current_accelerator", lambda check_available=False: None)
        put(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
        put(Key, "generator", _generator)
        put(runtime, "as_warp", functools.partial(_as_warp, runtime.as_warp))
        put(runtime, "launch", functools.partial(_launch, runtime.launch))
        grid = sys.modules["sanerf_hq.kernels.hash_grid"]  # the package has a function of this name
        arrays = grid._level_arrays
        put(grid, "_level_arrays", lambda layout, device: arrays(layout, "cpu"))
        run = threading.Thread.run
        put(threading.Thread, "run", lambda thread: _run(run, thread))
        stack.enter_context(_Factories())
        stack.enter_context(_Renamed())
        yield _pretence
    _generators.clear()
