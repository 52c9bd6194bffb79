from __future__ import annotations

import itertools
import subprocess
import sys

import torch

from sanerf_hq.runs import Key


def draw(key: Key, device: torch.device | str = "cpu") -> list[float]:
    return torch.rand(4, generator=key.generator(device), device=device).tolist()


def test_equal_keys_draw_equal_numbers(device: torch.device):
    assert draw(Key(3, "radiance", 5), device) == draw(Key(3, "radiance", 5), device)


def test_every_field_counts():
    keys = [Key(*fields) for fields in itertools.product((0, 1), ("a", "b"), (0, 1, 10), (0, 1))]
    keys += [key.fold("pixels") for key in keys] + [Key(0, "a", 0).fold("x").fold("y"), Key(0, "", 0)]
    assert len({tuple(draw(key)) for key in keys}) == len(keys)


def test_fields_do_not_run_into_each_other():
    assert Key(1, "1", 1).number != Key(11, "", 1).number
    assert Key(0, "a", 11, 1).number != Key(0, "a", 1, 11).number


def test_numbers_fit_a_seed():
    assert all(0 <= Key(seed, "x", 0).number < 2**63 for seed in (-1, 0, 2**80))


def test_neighbouring_steps_are_independent():
    firsts = torch.tensor([draw(Key(0, "radiance", step))[0] for step in range(400)])
    assert abs(float(firsts.mean()) - 0.5) < 0.06
    shifted = (firsts[1:] - 0.5) * (firsts[:-1] - 0.5)
    assert abs(float(shifted.mean())) < 0.02


def test_the_same_in_another_process():
    code = "from sanerf_hq.runs.keys import Key; print(Key(7, 'objects', 42, 1).fold('x').number)"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert int(shown.stdout) == Key(7, "objects", 42, 1).fold("x").number
