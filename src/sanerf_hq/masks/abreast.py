"""Small work on many things at once: a thread each, for what libraries do on one core alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


def abreast(
    work: Callable[[T], R],
    items: Sequence[T],
    threads: int,
    cores: int = 1,
    hurry: Callable[[], None] = lambda: None,
) -> Iterator[R]:
    """Results in the order of the items.

    Decoding a prompt and settling its outline are too small for PyTorch to divide; views are the better
    share. Every thread computes on one core, so the results do not depend on how many there are.

    Args:
        work: Done to each item; must not write to what others read.
        items: What it is done to.
        threads: At most; with one, all is done in the caller's own.
        cores: That each thread computes on.
        hurry: Called when no more results are wanted, before what is begun is waited for.
    """
    if threads == 1 or len(items) < 2:
        yield from map(work, items)
        return
    own = torch.get_num_threads()
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(cores,)) as pool:
        try:
            yield from pool.map(work, items)
        except BaseException:
            hurry()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(own)  # what threads to come begin with
