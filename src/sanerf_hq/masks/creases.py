"""Creases: where surfaces meet as those of different things do.

Things that stand on or beside each other meet in a crease: whoever walks from one to the other turns upwards.
The faces of one thing meet in an edge, where he turns down. So neighbouring cells of a surface, at x_a and
x_b with normals n_a and n_b, turn by

    turn = (n_a - n_b) · (x_b - x_a) / |x_b - x_a|

and belong together the more, the less this is (local convexity: Stein et al., CVPR 2014), and the more they
are of one colour; at a sharp edge colours say nothing, for its sides are lit differently. Votes for an object
are then evened out among cells that belong together,

    minimise over v:  Σ_a c_a (v_a - share_a)² + 2 Σ_ab bond_ab |v_a - v_b|,

so that a face that few masks took in is won over by the rest of its box, and what masks let run over into a
neighbour is lost again. As differences are not squared, v may jump where bonds are weak: where it passes a
half is the cheapest cut through the bonds (total variation; Rudin et al. 1992).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

REACH = 3.0  # how far round the middle of the object cells are laid, in its radius
RADIUS = 0.9  # share of its points that lie within that
CELLS = 16  # a radius
COARSER = 1.5  # times larger cells where there are too few points
DENSE = 6.0  # points that a cell of the object should hold on average
FEWEST = 3  # points of a cell
LEAST_POINTS = 50  # of the object, below which nothing can be told
STRENGTH = 3.0  # of the bonds, beside the votes of a cell; of twice as strong ones thin parts are lost
FLAT = -0.1  # turn up to which cells belong together in full ...
CREASE = 0.1  # ... and how much more leaves exp(-1) of that
EDGE = -0.3  # turn below which colours do not count
ALIKE = 0.1  # difference of colours, RGB in [0, 1], at which bonds are exp(-1)
DOUBTED = 0.1  # how far a cell's votes count that are for and against
ROUNDS = 7  # of squares whose weights make them absolute values
USUAL = 0.15  # difference of neighbours that the first of them takes for granted
SMALL = 0.02  # difference up to which they remain squares
STEPS = 150  # of conjugate gradients, at most
TOLERANCE = 1e-3  # of the last round
ROUGH = 1e-2  # of those before, which only weigh the next one's squares


@dataclass(frozen=True)
class Crust:
    """Cells of the surfaces round an object.

    Attributes:
        cell: Of each point, -1 for those that lie in none.
        counts: Points in each cell.
        pairs: Neighbouring cells.
        bonds: How far each pair belongs together, in [0, 1].
    """

    cell: Int64[Tensor, "n_points"]
    counts: Float[Tensor, "n_cells"]
    pairs: Int64[Tensor, "n_pairs 2"]
    bonds: Float[Tensor, "n_pairs"]

    def evened(self, shares: Float[Tensor, "n_points"]) -> Float[Tensor, "n_points"]:
        """Votes evened out over cells that belong together; those of points in no cell stay.

        Args:
            shares: How far each point is the object's, by the votes.
        """
        n = len(self.counts)
        there = self.cell >= 0
        mean = torch.zeros(n).index_add_(0, self.cell[there], shares[there]) / self.counts
        sure = DOUBTED + (1 - DOUBTED) * (2 * mean - 1).square()
        trust = (self.counts / self.counts.median()).clamp_max(1) * sure
        evened = _flattened(mean, trust, self.pairs, STRENGTH * self.bonds)
        return torch.where(there, evened[self.cell.clamp_min(0)], shares)


def _flattened(
    values: Float[Tensor, "n"],
    trust: Float[Tensor, "n"],
    pairs: Int64[Tensor, "n_pairs 2"],
    bonds: Float[Tensor, "n_pairs"],
) -> Float[Tensor, "n"]:
    """The minimiser of Σ_a trust_a (v_a - value_a)² + 2 Σ_ab bond_ab |v_a - v_b|, by squares weighed anew."""
    a, b = pairs.unbind(1)
    found = _minimiser(values, trust, pairs, bonds / USUAL, values, ROUGH)
    for further in range(ROUNDS - 1, 0, -1):
        apart = ((found[a] - found[b]).square() + SMALL**2).sqrt()
        found = _minimiser(values, trust, pairs, bonds / apart, found, TOLERANCE if further == 1 else ROUGH)
    return found


def _minimiser(
    values: Float[Tensor, "n"],
    trust: Float[Tensor, "n"],
    pairs: Int64[Tensor, "n_pairs 2"],
    bonds: Float[Tensor, "n_pairs"],
    start: Float[Tensor, "n"],
    tolerance: float,
) -> Float[Tensor, "n"]:
    """Of Σ_a trust_a (v_a - value_a)² + Σ_ab bond_ab (v_a - v_b)²: a sparse linear system.

    In single precision: dot products of doubles are left to threads, which wait for each other where others
    compute too.
    """
    from scipy import sparse
    from scipy.sparse.linalg import cg

    n = len(values)
    a, b = pairs.numpy().T
    upper = sparse.coo_array((bonds.numpy(), (a, b)), shape=(n, n))
    both = (upper + upper.T).tocsr()
    own = trust.numpy()
    diagonal = own + both.sum(1)
    scaled = sparse.diags_array(1 / diagonal)
    system = (sparse.diags_array(diagonal) - both).tocsr()
    wanted = own * values.numpy()
    solved, _ = cg(system, wanted, x0=start.numpy(), rtol=tolerance, maxiter=STEPS, M=scaled)
    return torch.from_numpy(solved)


def crust_round(
    points: Float[Tensor, "n 3"],
    towards: Float[Tensor, "n 3"],
    colours: Float[Tensor, "n 3"],
    on_object: Bool[Tensor, "n"],
) -> Crust | None:
    """Lay cells round an object; None where too few points are known.

    Args:
        points: Of surfaces, NaN where there is none.
        towards: From where each was seen: unit vectors to the camera.
        colours: RGB in [0, 1].
        on_object: Those that are thought to be the object's.
    """
    finite = points.isfinite().all(-1)
    own = points[on_object & finite]
    if len(own) < LEAST_POINTS:
        return None
    middle = own.median(0).values
    radius = float((own - middle).norm(dim=-1).quantile(RADIUS))
    if radius == 0:
        return None
    size = radius / CELLS
    while len(own) < DENSE * len(torch.unique(((own - middle) / size).floor().long(), dim=0)):
        size *= COARSER
    side = 2 * int(REACH * radius / size)
    corner = middle - size * side / 2
    place = ((points.nan_to_num() - corner) / size).floor().long()
    near = (finite & ((place >= 0) & (place < side)).all(-1)).nonzero()[:, 0]
    number = (place[near] * torch.tensor([side * side, side, 1])).sum(-1)
    counts = torch.bincount(number, minlength=side**3)
    filled = (counts >= FEWEST).nonzero()[:, 0]
    if not len(filled):  # a few stray points of a small object take cells larger than all of it
        return None
    row = torch.full((side**3,), -1, dtype=torch.int64)
    row[filled] = torch.arange(len(filled))
    cell = torch.full((len(points),), -1, dtype=torch.int64)
    cell[near] = row[number]
    pairs = _neighbours(filled, row, side)
    near = near[cell[near] >= 0]
    at = cell[near]

    def summed(values: Float[Tensor, "m c"]) -> Float[Tensor, "cells c"]:
        sums = torch.zeros(len(filled), values.shape[1], dtype=torch.float64)
        return sums.index_add_(0, at, values.double())

    inner = (points[near] - middle) / size
    outer = (inner[:, :, None] * inner[:, None]).flatten(1)
    sums = summed(torch.cat([torch.ones(len(near), 1), inner, outer, towards[near], colours[near]], 1))
    n = sums[:, :1]
    centres, colour = sums[:, 1:4] / n, sums[:, 16:] / n
    turn = _turns(centres, _normals(_with_neighbours(sums[:, :16], pairs)), pairs)
    bonds = torch.exp(-((turn - FLAT).clamp_min(0) / CREASE).square())
    a, b = pairs.unbind(1)
    unlike = (colour[a] - colour[b]).square().sum(-1) / ALIKE**2
    bonds = torch.where(turn < EDGE, bonds, bonds * torch.exp(-unlike))
    return Crust(cell, n[:, 0].float(), pairs, bonds.float())


def _neighbours(
    filled: Int64[Tensor, "cells"], row: Int64[Tensor, "cube"], side: int
) -> Int64[Tensor, "n_pairs 2"]:
    """Rows of cells that touch, each pair once."""
    place = torch.stack([filled // side**2, filled // side % side, filled % side], 1)
    pairs = []
    for step in product((-1, 0, 1), repeat=3):
        if step <= (0, 0, 0):
            continue
        there = place + torch.tensor(step)
        inside = ((there >= 0) & (there < side)).all(1).nonzero()[:, 0]
        other = row[(there[inside] * torch.tensor([side * side, side, 1])).sum(-1)]
        pairs.append(torch.stack([inside[other >= 0], other[other >= 0]], 1))
    return torch.cat(pairs)


def _with_neighbours(
    values: Float[Tensor, "cells c"], pairs: Int64[Tensor, "n_pairs 2"]
) -> Float[Tensor, "cells c"]:
    a, b = pairs.unbind(1)
    return values.index_add(0, a, values[b]).index_add(0, b, values[a])


def _normals(sums: Float[Tensor, "cells 16"]) -> Float[Tensor, "cells 3"]:
    """Of the planes that fit points best, on the side that they were seen from; given their moments."""
    n = sums[:, :1]
    mean = sums[:, 1:4] / n
    spread = (sums[:, 4:13] / n).unflatten(1, (3, 3)) - mean[:, :, None] * mean[:, None]
    normals = torch.linalg.eigh(spread).eigenvectors[:, :, 0]
    return normals * torch.where((normals * sums[:, 13:]).sum(1, keepdim=True) < 0, -1.0, 1.0)


def _turns(
    centres: Float[Tensor, "cells 3"], normals: Float[Tensor, "cells 3"], pairs: Int64[Tensor, "n_pairs 2"]
) -> Float[Tensor, "n_pairs"]:
    """How far one turns upwards from a cell to the next."""
    a, b = pairs.unbind(1)
    along = torch.nn.functional.normalize(centres[b] - centres[a], dim=-1)
    return ((normals[a] - normals[b]) * along).sum(-1)
