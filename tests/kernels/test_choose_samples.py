"""Samples from candidates: numbers and places equal to the twin's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sanerf_hq import kernels
from sanerf_hq.kernels import allot_samples, pack, place_samples, reference


def candidates(n_rays: int, device: torch.device) -> dict[str, Tensor]:
    """Rays through the middle with up to 40 candidates, some of them empty, some hidden."""
    counts = torch.randint(0, 40, (n_rays,))
    owner = torch.arange(n_rays).repeat_interleave(counts)
    n = len(owner)
    info = torch.stack([counts.cumsum(0) - counts, counts], -1).int()
    rank = torch.arange(n) - info[owner, 0]
    sigmas = torch.where(torch.rand(n) < 0.4, torch.zeros(n), 60 * torch.rand(n))
    light = torch.rand(n) ** rank.float()  # from all of it to none
    made = {
        "sigmas": sigmas,
        "light": light,
        "deltas": 0.05 * torch.rand(n),
        "info": info,
        "lots": torch.rand(n_rays),
        "distances": 1 + 0.05 * rank.float(),
        "lengths": torch.full((n,), 0.05),
        "rays_o": torch.randn(n_rays, 3),
        "rays_d": torch.nn.functional.normalize(torch.randn(n_rays, 3), dim=-1),
    }
    return {name: values.to(device) for name, values in made.items()}


def chosen(ops: object, made: dict[str, Tensor], samples_a_ray: float, closed: bool) -> list[Tensor]:
    """What either implementation makes of candidates."""
    allot, place = (getattr(ops, name) for name in ("allot_samples", "place_samples"))
    names = ("sigmas", "light", "deltas", "info", "lots")
    wanted, counts, totals = allot(*(made[name] for name in names), samples_a_ray, closed)
    info, n_samples, _ = pack(totals, 1 << 24)
    jitter = torch.rand(int(n_samples), generator=torch.Generator().manual_seed(0)).to(totals.device)
    rays = made["rays_o"], made["rays_d"]
    placed = place(made["distances"], made["lengths"], made["info"], wanted, counts, *rays, info, jitter)
    return [wanted, counts, totals, *placed]


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("samples_a_ray", [8.0, 3.3])
def test_equal_to_the_twin(samples_a_ray: float, closed: bool, device: torch.device) -> None:
    made = candidates(400, device)
    mine, theirs = (chosen(ops, made, samples_a_ray, closed) for ops in (kernels, reference))
    for one, two in zip(mine, theirs, strict=True):
        if one.is_floating_point():
            torch.testing.assert_close(one, two, rtol=1e-3, atol=2e-5)
        else:
            assert torch.equal(one, two)
    filled = made["info"][:, 1] > 0
    if samples_a_ray == 8.0:
        assert mine[2][filled].unique().tolist() == [8], "a whole number is kept on each ray"
    assert not mine[2][~filled].any()


def test_the_number_of_threads_does_not_matter(set_threads: Callable[[int], None]) -> None:
    made = candidates(2000, torch.device("cpu"))
    results = []
    for threads in (1, 2):
        set_threads(threads)
        results.append(chosen(kernels, made, 8.0, True))
    assert all(torch.equal(one, two) for one, two in zip(*results, strict=True))


def test_what_the_kernels_cannot_read_is_refused() -> None:
    made = candidates(5, torch.device("cpu"))
    names = ("sigmas", "light", "deltas", "info")
    with pytest.raises(ValueError, match=r"lots must be .*float32"):
        allot_samples(*(made[name] for name in names), made["lots"].double(), 8.0, True)
    wanted, counts, totals = allot_samples(*(made[name] for name in names), made["lots"], 8.0, True)
    info, n_samples, _ = pack(totals, 1000)
    intervals = made["distances"], made["lengths"], made["info"], wanted, counts
    jitter = torch.rand(int(n_samples))
    with pytest.raises(ValueError, match=r"rays_d must be .*strided"):
        place_samples(*intervals, made["rays_o"], made["rays_d"].T.contiguous().T, info, jitter)
