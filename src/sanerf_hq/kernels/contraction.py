"""The contraction of :mod:`sanerf_hq.geometry.contraction`, for kernels."""

import typing

import warp as wp

# wp.max and wp.min look out for NaN, which costs more than they do.


@typing.no_type_check
@wp.func
def larger(a: float, b: float):
    return wp.where(a > b, a, b)


@typing.no_type_check
@wp.func
def smaller(a: float, b: float):
    return wp.where(a < b, a, b)


@typing.no_type_check
@wp.func
def magnitude(x: wp.vec3f):
    return larger(larger(wp.abs(x[0]), wp.abs(x[1])), larger(wp.abs(x[2]), 1.0))


@typing.no_type_check
@wp.func
def contract_to_unit(x: wp.vec3f):
    m = magnitude(x)
    return x * ((2.0 - 1.0 / m) / m * 0.25) + wp.vec3f(0.5, 0.5, 0.5)
