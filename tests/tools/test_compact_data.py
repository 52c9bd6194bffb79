"""Generated pictures: the same for the same seed, of things with truth; prompts that fit their things."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sanerf_hq.errors import InputError
from sanerf_hq.runs import optimiser_tensors, read_tensors, write_tensors
from support.paths import ROOT

sys.path.insert(0, str(ROOT / "tools"))

from compact_data.batches import Pictures, make_batch
from compact_data.losses import mask_loss, overlap
from compact_data.prompting import boxes_of, first_prompts, next_clicks
from compact_data.solids import FAMILIES
from compact_data.training import Training, step
from generate_compact import generate


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    generate(folder, seed=3, first=0, count=6)
    return folder


def test_a_picture_depends_on_its_seed_and_number_alone(folder: Path, tmp_path: Path):
    generate(tmp_path, seed=3, first=0, count=2)
    for name in ("000000.jpg", "000000.png", "000001.png"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_what_is_there_is_kept(folder: Path):
    before = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    generate(folder, seed=3, first=0, count=6)
    assert before == {file: file.stat().st_mtime_ns for file in folder.iterdir()}


@pytest.mark.parametrize("family", [family for family, _ in FAMILIES], ids=lambda family: family.__name__)
def test_solids_are_whole(family):
    for seed in range(5):
        mesh = family(np.random.default_rng(seed))
        assert np.isfinite(mesh.vertices).all()
        assert mesh.faces.max() < len(mesh.vertices)
        assert len(mesh.parts) == len(mesh.faces)
        assert np.linalg.norm(mesh.normals, axis=1).max() < 1.001
        assert 0.05 < np.ptp(mesh.vertices, axis=0).max() < 6


def test_a_batch_asks_for_things_that_are_there(folder: Path):
    rng = np.random.default_rng(0)
    batch = make_batch(rng, Pictures([folder]), 3, 4, 64)
    assert batch.pixels.shape == (3, 3, 64, 64)
    assert batch.levels.shape == (12, 3, 32, 32)
    part, whole, group = batch.levels.unbind(1)
    assert (part <= whole).all()
    assert (whole <= group).all()
    inside = batch.inside.repeat_interleave(4, 0)
    assert not batch.levels.bool()[:, 2][~inside].any()
    cells = (batch.clicks / 2).long()
    assert all(part[i, y, x] for i, (x, y) in enumerate(cells.tolist()))


def test_prompts_lie_where_they_say(folder: Path):
    rng = np.random.default_rng(1)
    batch = make_batch(rng, Pictures([folder]), 3, 4, 64)
    for _ in range(20):
        prompts = first_prompts(rng, batch.masks, batch.clicks, 64)
        if prompts.points is None or prompts.labels is None:
            assert prompts.boxes is not None
            continue
        cells = (prompts.points / 2).long().clamp(0, 31)
        near = torch.nn.functional.max_pool2d(batch.masks[:, None], 7, 1, 3)[:, 0]  # clicks may miss by three
        for mask, around, xy, labels in zip(batch.masks, near, cells, prompts.labels, strict=True):
            for (x, y), label in zip(xy[1:].tolist(), labels[1:].tolist(), strict=True):
                assert around[y, x] if label else not mask[y, x]


def test_further_clicks_are_in_errors(folder: Path):
    batch = make_batch(np.random.default_rng(2), Pictures([folder]), 2, 3, 64)
    inside = batch.inside.repeat_interleave(3, 0)
    wrong = -torch.ones_like(batch.masks)
    points, labels = next_clicks(None, wrong, batch.masks, inside, 64)
    assert (labels == 1).all()
    cells = (points / 2).long()
    assert all(mask[y, x] for mask, (x, y) in zip(batch.masks, cells.tolist(), strict=True))
    everything = torch.ones_like(batch.masks)
    points, labels = next_clicks(None, everything, batch.masks, inside, 64)
    cells = (points / 2).long()
    for mask, (x, y), label in zip(batch.masks, cells.tolist(), labels.tolist(), strict=True):
        assert bool(mask[y, x]) == bool(label)


def test_boxes_are_tight():
    mask = torch.zeros(1, 32, 32)
    mask[0, 4:9, 10:20] = 1
    assert boxes_of(mask, 64).tolist() == [[20, 8, 40, 18]]


def test_losses_of_right_and_wrong_answers():
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 4:9, 4:9] = 1
    inside = torch.ones(1, 16, 16, dtype=torch.bool)
    right, wrong = (mask - 0.5) * 20, (0.5 - mask) * 20
    assert mask_loss(right, mask, inside) < 0.01
    assert mask_loss(torch.full_like(mask, -10.0), mask, inside) > 1
    assert mask_loss(wrong, mask, inside) > mask_loss(torch.full_like(mask, -10.0), mask, inside)
    assert overlap(right, mask, inside) == 1
    assert overlap(wrong, mask, inside) == 0


def everything(training: Training) -> dict[str, torch.Tensor]:
    """Weights, their running mean, and the optimisers' moments."""
    parts = {"model": training.model.state_dict(), "mean": training.mean.state_dict()}
    parts["hints"] = training.hints.state_dict()
    parts |= {name: optimiser_tensors(optimiser) for name, optimiser in training.optimisers.items()}
    return {
        f"{part}.{name}": tensor.clone() for part, found in parts.items() for name, tensor in found.items()
    }


def test_a_checkpoint_goes_on_as_if_unbroken(folder: Path, tmp_path: Path):
    pictures = Pictures([folder])
    file = tmp_path / "checkpoint.safetensors"
    ends = []
    for breaks in (False, True):
        torch.manual_seed(0)
        training = Training.begin(64, 1e-3)
        for number in range(2):
            batch = make_batch(np.random.default_rng(number), pictures, 1, 2, 64)
            step(training, batch, np.random.default_rng(number), 2, 1e-3, False)
            if breaks and number == 0:
                training.save(file)
                training = Training.begin(64, 1e-3)
                training.load(file)
        ends.append(everything(training))
        assert training.step == 2
    assert ends[0].keys() == ends[1].keys()
    differing = [name for name in ends[0] if not torch.equal(ends[0][name], ends[1][name])]
    assert differing == []


def test_a_checkpoint_is_replaced_in_one_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "checkpoint.safetensors"
    training = Training.begin(64, 1e-3)
    training.save(file)
    before = file.read_bytes()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", killed)
    training.step = 7
    with pytest.raises(KeyboardInterrupt):
        training.save(file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("spoil", ["flipped", "emptied", "pickled", "format", "sizes", "lacking"])
def test_only_a_checkpoint_of_its_own_is_gone_on_from(tmp_path: Path, spoil: str):
    file = tmp_path / "checkpoint.safetensors"
    training = Training.begin(64, 1e-3)
    training.save(file)
    content = bytearray(file.read_bytes())
    kept = read_tensors(file)
    if spoil == "flipped":
        content[-7] ^= 1
        file.write_bytes(bytes(content))
    if spoil == "emptied":
        file.write_bytes(b"")
    if spoil == "pickled":
        torch.save(training.model.state_dict(), file)
    if spoil in ("format", "sizes"):
        write_tensors(file, kept.tensors, kept.metadata | {spoil: "other"})
    if spoil == "lacking":
        write_tensors(file, dict(list(kept.tensors.items())[1:]), kept.metadata)
    with pytest.raises(InputError) as caught:
        Training.begin(64, 1e-3).load(file)
    assert str(file) in str(caught.value)


def test_half_precision_learns_much_the_same(folder: Path):
    pictures = Pictures([folder])
    losses = []
    for half in (False, True):
        torch.manual_seed(0)
        training = Training.begin(64, 1e-3)
        batch = make_batch(np.random.default_rng(0), pictures, 1, 2, 64)
        losses.append(step(training, batch, np.random.default_rng(0), 2, 1e-3, half)["loss"])
        assert all(p.dtype == torch.float32 for p in training.parameters)
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


def test_training_starts_from_shipped_weights(tmp_path: Path):
    other = Training.begin(64, 1e-3)
    other.model.save(tmp_path)
    training = Training.begin(64, 1e-3)
    training.start_from(tmp_path)
    for model in (training.model, training.mean):
        for name, weight in model.state_dict().items():
            assert torch.allclose(weight, other.model.state_dict()[name], atol=1e-3), name
