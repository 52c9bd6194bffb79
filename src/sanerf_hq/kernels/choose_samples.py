"""The few samples of a ray that are worth asking the networks about, drawn from its candidates.

    wanted_k = n · (0.8 w_k / Σw + 0.2 δ_k / Σδ),   count_k = ⌊Σ_{j≤k} wanted_j + u⌋ - ⌊Σ_{j<k} wanted_j + u⌋

with one lot u for the ray, so that its sum is kept; δ counts only where light gets. Samples of a candidate
divide its interval evenly. Work is cut by rays, so results do not depend on the number of threads.
:mod:`sanerf_hq.kernels.reference` is the specification.
"""

import typing

import torch
import warp as wp
from jaxtyping import Float, Int32
from torch import Tensor

from sanerf_hq.kernels import runtime
from sanerf_hq.kernels.contraction import contract_to_unit
from sanerf_hq.kernels.runtime import NOT_NEGATIVE, flat

BY_LENGTH = wp.constant(0.2)  # of a ray's samples, drawn evenly: surfaces may be there unknown
HIDDEN_LIGHT = wp.constant(1e-3)  # of the light: what gets no more is hidden
SLACK = wp.constant(1e-6)  # so that a sum that is whole but for rounding is whole
LEAST = wp.constant(1e-12)
GRAIN = 128  # rays worth a thread

wp.set_module_options(runtime.MODULE_OPTIONS)


@typing.no_type_check
@wp.func
def _weight(sigma: float, delta: float, light: float):
    return light * (1.0 - wp.exp(-sigma * delta))


@typing.no_type_check
@wp.kernel
def _allot(
    begin: int,
    end: int,
    sigmas: wp.array(dtype=wp.float32),
    light: wp.array(dtype=wp.float32),
    deltas: wp.array(dtype=wp.float32),
    packed_info: wp.array2d(dtype=wp.int32),
    lots: wp.array(dtype=wp.float32),
    samples_a_ray: float,
    closed: int,
    wanted: wp.array(dtype=wp.float32),
    counts: wp.array(dtype=wp.int32),
    totals: wp.array(dtype=wp.int32),
):
    ray = begin + wp.tid()
    sigma = flat(sigmas)
    lit = flat(light)
    delta = flat(deltas)
    share = flat(wanted)
    first = packed_info[ray, 0]
    last = first + packed_info[ray, 1]
    weight_sum = float(0.0)
    length_sum = float(0.0)
    k = int(first)
    while k < last:
        i = k & NOT_NEGATIVE
        if sigma[i] > 0.0:
            weight_sum += _weight(sigma[i], delta[i], lit[i])
        if lit[i] > HIDDEN_LIGHT:
            length_sum += delta[i]
        k += 1
    left = float(0.0)
    if closed != 0:
        left = wp.where(weight_sum < 1.0, 1.0 - weight_sum, 0.0)
    by_weight = (1.0 - BY_LENGTH) / wp.where(weight_sum + left > LEAST, weight_sum + left, LEAST)
    by_length = BY_LENGTH / wp.where(length_sum > LEAST, length_sum, LEAST)
    whole = by_weight * (weight_sum + left) + by_length * length_sum
    scale = samples_a_ray / wp.where(whole > LEAST, whole, LEAST)
    lot = wp.float64(lots[ray]) + wp.float64(SLACK)
    upto = wp.float64(0.0)
    before = int(wp.floor(lot))
    total = int(0)
    k = int(first)
    while k < last:
        i = k & NOT_NEGATIVE
        one = float(0.0)
        if sigma[i] > 0.0:
            one = by_weight * _weight(sigma[i], delta[i], lit[i])
        if k == last - 1:
            one += by_weight * left
        if lit[i] > HIDDEN_LIGHT:
            one += by_length * delta[i]
        share[i] = one * scale
        upto += wp.float64(share[i])
        after = int(wp.floor(upto + lot))
        counts[i] = after - before
        total += after - before
        before = after
        k += 1
    totals[ray] = total


@typing.no_type_check
@wp.kernel
def _place(
    begin: int,
    end: int,
    distances: wp.array(dtype=wp.float32),
    lengths: wp.array(dtype=wp.float32),
    candidate_info: wp.array2d(dtype=wp.int32),
    wanted: wp.array(dtype=wp.float32),
    counts: wp.array(dtype=wp.int32),
    rays_o: wp.array(dtype=wp.vec3f),
    rays_d: wp.array(dtype=wp.vec3f),
    packed_info: wp.array2d(dtype=wp.int32),
    jitter: wp.array(dtype=wp.float32),
    ray_indices: wp.array(dtype=wp.int32),
    placed: wp.array(dtype=wp.float32),
    stands_for: wp.array(dtype=wp.float32),
    unit_points: wp.array(dtype=wp.vec3f),
):
    ray = begin + wp.tid()
    k = candidate_info[ray, 0]
    last = k + candidate_info[ray, 1]
    n = packed_info[ray, 0]
    while k < last:
        i = k & NOT_NEGATIVE
        count = counts[i]
        # One that stands for a candidate that is rarely drawn is longer than it.
        parts = wp.where(wanted[i] < 1.0, wanted[i], float(count))
        rank = int(0)
        while rank < count:
            m = n & NOT_NEGATIVE
            t = distances[i] + ((float(rank) + jitter[m]) / float(count) - 0.5) * lengths[i]
            ray_indices[m] = ray
            placed[m] = t
            stands_for[m] = lengths[i] / parts
            unit_points[m] = contract_to_unit(rays_o[ray] + t * rays_d[ray])
            rank += 1
            n += 1
        k += 1


def allot_samples(
    sigmas: Float[Tensor, "n_candidates"],
    light: Float[Tensor, "n_candidates"],
    deltas: Float[Tensor, "n_candidates"],
    packed_info: Int32[Tensor, "n_rays 2"],
    lots: Float[Tensor, "n_rays"],
    samples_a_ray: float,
    closed: bool,
) -> tuple[Float[Tensor, "n_candidates"], Int32[Tensor, "n_candidates"], Int32[Tensor, "n_rays"]]:
    """How many samples fall to each candidate.

    Args:
        sigmas: Densities, ≥ 0.
        light: That gets to each.
        deltas: Lengths, contracted.
        packed_info: First candidate and number of candidates of each ray, together all candidates.
        lots: In [0, 1), by which a ray's numbers are rounded.
        samples_a_ray: Samples of each ray that has candidates.
        closed: Whether a ray's last candidate weighs all that the others leave.

    Returns:
        The number wanted of each candidate; the whole number that it gets; a ray's sum.
    """
    n, n_rays, device = sigmas.shape[0], packed_info.shape[0], sigmas.device
    for name, tensor in (("sigmas", sigmas), ("light", light), ("deltas", deltas)):
        runtime.check(name, tensor, (n,), torch.float32, device)
    runtime.check("packed_info", packed_info, (None, 2), torch.int32, device)
    runtime.check("lots", lots, (n_rays,), torch.float32, device)
    runtime.start()
    wanted = torch.zeros_like(sigmas)
    counts = torch.zeros(n, dtype=torch.int32, device=device)
    totals = torch.zeros(n_rays, dtype=torch.int32, device=device)
    arguments = [
        runtime.as_warp(sigmas, wp.float32),
        runtime.as_warp(light, wp.float32),
        runtime.as_warp(deltas, wp.float32),
        runtime.as_warp(packed_info, wp.int32),
        runtime.as_warp(lots, wp.float32),
        samples_a_ray,
        int(closed),
        runtime.as_warp(wanted, wp.float32),
        runtime.as_warp(counts, wp.int32),
        runtime.as_warp(totals, wp.int32),
    ]
    runtime.launch(_allot, n_rays, arguments, device, GRAIN)
    return wanted, counts, totals


def place_samples(
    distances: Float[Tensor, "n_candidates"],
    lengths: Float[Tensor, "n_candidates"],
    candidate_info: Int32[Tensor, "n_rays 2"],
    wanted: Float[Tensor, "n_candidates"],
    counts: Int32[Tensor, "n_candidates"],
    rays_o: Float[Tensor, "n_rays 3"],
    rays_d: Float[Tensor, "n_rays 3"],
    packed_info: Int32[Tensor, "n_rays 2"],
    jitter: Float[Tensor, "n_samples"],
) -> tuple[
    Int32[Tensor, "n_samples"],
    Float[Tensor, "n_samples"],
    Float[Tensor, "n_samples"],
    Float[Tensor, "n_samples 3"],
]:
    """Lay samples into their candidates' intervals, one behind the other.

    Args:
        distances: Middles of the candidates.
        lengths: Of the candidates.
        candidate_info: First candidate and number of candidates of each ray.
        wanted: Of :func:`allot_samples`.
        counts: Of :func:`allot_samples`.
        rays_o: Origins, field units.
        rays_d: Unit directions.
        packed_info: First sample and number of samples of each ray.
        jitter: Where each sample lies in its part of the interval, [0, 1).

    Returns:
        Ray of each sample, its distance, the length that it stands for, its contracted position in [0, 1]³.
    """
    n, n_rays, device = distances.shape[0], candidate_info.shape[0], distances.device
    for name, tensor in (("distances", distances), ("lengths", lengths), ("wanted", wanted)):
        runtime.check(name, tensor, (n,), torch.float32, device)
    runtime.check("counts", counts, (n,), torch.int32, device)
    for name, tensor in (("candidate_info", candidate_info), ("packed_info", packed_info)):
        runtime.check(name, tensor, (n_rays, 2), torch.int32, device)
    for name, tensor in (("rays_o", rays_o), ("rays_d", rays_d)):
        runtime.check(name, tensor, (n_rays, 3), torch.float32, device)
    runtime.check("jitter", jitter, (None,), torch.float32, device)
    runtime.start()
    placed, stands_for = torch.zeros_like(jitter), torch.zeros_like(jitter)
    ray_indices = torch.zeros(len(jitter), dtype=torch.int32, device=device)
    unit_points = torch.zeros(len(jitter), 3, device=device)
    arguments = [
        runtime.as_warp(distances, wp.float32),
        runtime.as_warp(lengths, wp.float32),
        runtime.as_warp(candidate_info, wp.int32),
        runtime.as_warp(wanted, wp.float32),
        runtime.as_warp(counts, wp.int32),
        runtime.as_warp(rays_o, wp.vec3f),
        runtime.as_warp(rays_d, wp.vec3f),
        runtime.as_warp(packed_info, wp.int32),
        runtime.as_warp(jitter, wp.float32),
        runtime.as_warp(ray_indices, wp.int32),
        runtime.as_warp(placed, wp.float32),
        runtime.as_warp(stands_for, wp.float32),
        runtime.as_warp(unit_points, wp.vec3f),
    ]
    runtime.launch(_place, n_rays, arguments, device, GRAIN)
    return ray_indices, placed, stands_for, unit_points
