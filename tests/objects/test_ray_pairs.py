"""The ray-pair loss against a twin with loops, finite differences, and what Eq. 9-12 say of simple cases."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sanerf_hq.objects.ray_pairs import dissimilarity, draw_references, error_of, pairs, ray_pair_loss

TAU, ALPHA, EPSILON = 0.3, 10.0, 1e-6


def twin(p: Tensor, q: Tensor, colours: Tensor, counts: list[int], references: list[int]) -> Tensor:
    """Eq. 9 written out, with the references' own vectors ``q`` given apart."""
    total, first = p.new_zeros(()), 0
    for count in counts:
        members = range(first, first + count)
        chosen = [i for i in references if i in members]
        first += count
        for i in chosen:
            near = [j for j in members if j != i and float((colours[i] - colours[j]).norm()) < TAU]
            for j in near:
                cosine = (q[i] * p[j]).sum() / (q[i].norm() * p[j].norm())
                total = total + torch.exp(-ALPHA * cosine - EPSILON) / (len(near) * len(chosen))
    return total


@pytest.fixture
def case() -> tuple[Tensor, Tensor, list[int], list[int]]:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(17, 3, generator=generator, dtype=torch.float64)
    colours = 0.5 * torch.rand(17, 3, generator=generator, dtype=torch.float64)
    return logits, colours, [6, 1, 10], [0, 3, 6, 8, 9, 16]


def test_it_is_the_sum_that_the_paper_writes(case: tuple[Tensor, Tensor, list[int], list[int]]):
    logits, colours, counts, references = case
    p = logits.softmax(-1)
    expected = twin(p, p, colours, counts, references)
    found = ray_pair_loss(p, colours, torch.tensor(counts), torch.tensor(references), TAU, ALPHA, EPSILON)
    assert float(expected) > 1e-3
    assert float(found) == pytest.approx(float(expected), rel=1e-9)


def test_gradients_are_finite_differences_with_references_held_fast(
    case: tuple[Tensor, Tensor, list[int], list[int]],
):
    logits, colours, counts, references = case
    leaf = logits.clone().requires_grad_()
    ray_pair_loss(
        leaf.softmax(-1), colours, torch.tensor(counts), torch.tensor(references), TAU, ALPHA, EPSILON
    ).backward()
    assert leaf.grad is not None
    fixed, h = logits.softmax(-1), 1e-6
    for ray in range(len(logits)):
        for channel in range(3):
            moved = logits.clone(), logits.clone()
            moved[0][ray, channel] += h
            moved[1][ray, channel] -= h
            up, down = (twin(one.softmax(-1), fixed, colours, counts, references) for one in moved)
            assert float(leaf.grad[ray, channel]) == pytest.approx(float(up - down) / (2 * h), abs=1e-7)


def test_pairs_never_cross_points():
    colours, counts = torch.zeros(9, 3), torch.tensor([4, 5])
    first, second = pairs(colours, counts, torch.tensor([0, 3, 4, 8]), TAU)
    assert len(first) == 2 * 3 + 2 * 4, "each reference with all others of its set"
    assert bool(((first < 4) == (second < 4)).all())
    assert not bool((first == second).any())
    p = torch.rand(9, 2).softmax(-1)
    together = ray_pair_loss(p, colours, counts, torch.tensor([0, 3, 4, 8]), TAU, ALPHA, EPSILON)
    apart = ray_pair_loss(p[:4], colours[:4], counts[:1], torch.tensor([0, 3]), TAU, ALPHA, EPSILON)
    apart += ray_pair_loss(p[4:], colours[4:], counts[1:], torch.tensor([0, 4]), TAU, ALPHA, EPSILON)
    assert float(together) == pytest.approx(float(apart), rel=1e-5)


def test_what_ends_far_apart_is_no_pair_however_alike():
    colours, counts = torch.zeros(4, 3), torch.tensor([4])
    places = torch.tensor([[0.0, 0, 0], [0.9, 0, 0], [1.8, 0, 0], [torch.nan, 0, 0]])
    first, second = pairs(colours, counts, torch.tensor([0, 1, 3]), TAU, places)
    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 1), (1, 0), (1, 2)]
    p = torch.tensor([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    found = ray_pair_loss(p, colours, counts, torch.tensor([0]), TAU, ALPHA, EPSILON, places)
    assert float(found) == pytest.approx(math.exp(-ALPHA - EPSILON)), "of ray 0's pairs only ray 1 is left"


def test_a_reference_that_nothing_looks_like_adds_nothing():
    colours = torch.tensor([[0.0, 0, 0], [1, 1, 1], [0, 0, 1]])
    p = torch.tensor([[0.9, 0.1], [0.1, 0.9], [0.1, 0.9]])
    found = ray_pair_loss(p, colours, torch.tensor([3]), torch.tensor([0, 1]), TAU, ALPHA, EPSILON)
    assert float(found) == 0.0


def test_a_confident_reference_in_one_view_moves_a_wrong_pixel_in_another():
    # Rays 0-2 are of one view, sure and right; rays 3 and 4 of another, wrong, and 4 is of another colour.
    logits = torch.tensor([[-4.0, 4.0]] * 3 + [[1.0, -1.0]] * 2, requires_grad=True)
    colours = torch.tensor([[0.8, 0.1, 0.1]] * 4 + [[0.1, 0.1, 0.8]])
    before = logits.detach().softmax(-1)[:, 1]
    for _ in range(100):
        loss = ray_pair_loss(
            logits.softmax(-1), colours, torch.tensor([5]), torch.tensor([0, 1]), TAU, ALPHA, EPSILON
        )
        (gradient,) = torch.autograd.grad(loss, logits)
        logits = (logits - 2.0 * gradient).detach().requires_grad_()
    after = logits.detach().softmax(-1)[:, 1]
    assert float(before[3]) < 0.2
    assert float(after[3]) > 0.4
    assert float(after[4]) == pytest.approx(float(before[4])), "another colour is left alone"
    assert bool((after[:3] >= before[:3]).all())


def test_the_distance_of_probability_vectors():
    q = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    p = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    expected = [math.exp(-ALPHA - 1e-3), math.exp(-1e-3), math.exp(-ALPHA / math.sqrt(2) - 1e-3)]
    assert dissimilarity(q, p, ALPHA, 1e-3).tolist() == pytest.approx(expected, rel=1e-5)


def test_errors_carry_no_graph_and_know_sets_of_identities():
    logits = torch.tensor([[8.0, 0, 0], [0, 8, 0], [0, 0, 8], [0, 8, 0]], requires_grad=True)
    possible = torch.tensor([[1, 0, 0], [1, 0, 0], [0, 1, 1], [1, 0, 1]]) > 0
    found = error_of(logits.softmax(-1), possible, ALPHA, EPSILON)
    assert not found.requires_grad
    right, wrong, one_of, neither = found.tolist()
    assert right < 1e-4
    assert one_of < 1e-4
    assert wrong > 0.9
    assert neither > 0.9


def test_references_are_drawn_from_every_set():
    counts = torch.tensor([3, 50, 1])
    chosen = draw_references(counts, 20, torch.Generator().manual_seed(1))
    assert len(set(chosen.tolist())) == len(chosen) == 3 + 20 + 1
    assert {0, 1, 2, 53} <= set(chosen.tolist())
    others = draw_references(counts, 20, torch.Generator().manual_seed(2))
    assert set(others.tolist()) != set(chosen.tolist())
