"""The compact model: shapes, what a prompt's form means, files; and that the shipped weights heed prompts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import sanerf_hq
from sanerf_hq.errors import InputError
from sanerf_hq.scene import load_scene, read_image, read_instances
from sanerf_hq.segmenters import DecoderPrompt, Embedding, Segmenter, load_segmenter
from sanerf_hq.segmenters.compact.config import CompactConfig
from sanerf_hq.segmenters.compact.model import CompactModel
from sanerf_hq.segmenters.compact.segmenter import SHIPPED, Compact
from support.tiny_models import photo

TINY = CompactConfig(
    side=64, width=32, dims=(4, 8, 12, 16, 20), depths=(1, 1, 1, 1), fine=8, finest=4, heads=2, mlp=32
)
POINTS = torch.tensor([[20.5, 30.5], [41.5, 12.5], [3.0, 44.0]])
LABELS = torch.tensor([1, 0, 1])
BOX = torch.tensor([4.0, 6.0, 37.0, 41.0])


@pytest.fixture(scope="module")
def model() -> CompactModel:
    torch.manual_seed(0)
    return CompactModel(TINY).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def segmenter(model: CompactModel) -> Compact:
    return Compact("compact", "compact-0", model)


@pytest.fixture(scope="module")
def shipped() -> Segmenter:
    loaded = load_segmenter("compact")
    assert isinstance(loaded, Segmenter)
    return loaded


def prompts() -> list[DecoderPrompt]:
    mask = torch.linspace(-5, 5, 32 * 32).reshape(32, 32)
    return [
        DecoderPrompt(POINTS[:1], LABELS[:1]),
        DecoderPrompt(POINTS[::2], LABELS[::2]),
        DecoderPrompt(POINTS, LABELS),
        DecoderPrompt(box=BOX),
        DecoderPrompt(POINTS[:2], LABELS[:2], BOX),
        DecoderPrompt(POINTS[:1], LABELS[:1], None, mask),
        DecoderPrompt(POINTS[:1] + 9, LABELS[:1]),
        DecoderPrompt(POINTS[:2], LABELS[:2]),
        DecoderPrompt(POINTS[1:2], LABELS[1:2]),
        DecoderPrompt(mask_logits=mask),
    ]


@pytest.mark.parametrize("size", [(45, 61), (64, 40), (130, 211)])
def test_candidates_are_as_many_as_a_prompt_leaves_in_doubt(segmenter: Compact, size: tuple[int, int]):
    embedding = segmenter.embed(photo(*size), "a")
    assert (embedding.height, embedding.width, embedding.view) == (*size, "a")
    answers = segmenter.decode(embedding, prompts())
    assert [len(answer.mask_logits) for answer in answers] == [3, 1, 2, 1, 1, 1, 3, 4, 3, 1]
    for answer in answers:
        assert answer.mask_logits.shape[1:] == size
        assert answer.low_res_logits.shape[1:] == (32, 32)
        assert (answer.iou_predictions.diff() <= 0).all()
        assert ((answer.iou_predictions >= 0) & (answer.iou_predictions <= 1)).all()
    assert segmenter.decode(embedding, []) == []


def test_clicks_beside_the_object_correct_what_those_on_it_are_answered_by(segmenter: Compact):
    decoded = segmenter.as_decoded()
    embedding, clicks = decoded.embed(photo(45, 61)), DecoderPrompt(POINTS, LABELS)
    first = decoded.decode(embedding, [DecoderPrompt(POINTS[::2], LABELS[::2])])[0]
    # With a mask beside them, and so in one step.
    corrected = decoded.decode(embedding, [replace(clicks, mask_logits=first.low_res_logits[0])])[0]
    found = decoded.decode(embedding, [clicks])[0]
    assert any(torch.allclose(one, corrected.mask_logits[0], atol=1e-5) for one in found.mask_logits)
    assert not torch.allclose(found.mask_logits[0], found.mask_logits[1], atol=1e-3)


def test_a_prompt_does_not_depend_on_its_neighbours(segmenter: Compact):
    embedding = segmenter.embed(photo(45, 61))
    together = segmenter.decode(embedding, prompts())
    for prompt, answer in zip(prompts(), together, strict=True):
        alone = segmenter.decode(embedding, [prompt])[0]
        assert torch.allclose(alone.mask_logits, answer.mask_logits, atol=1e-4)
        assert torch.allclose(alone.iou_predictions, answer.iou_predictions, atol=1e-5)


@pytest.mark.parametrize("part", ["point", "label", "box", "mask"])
def test_every_part_of_a_prompt_is_heeded(segmenter: Compact, part: str):
    embedding = segmenter.embed(photo(45, 61))
    mask = torch.full((32, 32), -4.0)
    mask[8:20, 4:16] = 4
    one = DecoderPrompt(POINTS, LABELS, BOX, mask)
    other = {
        "point": replace(one, point_coords=POINTS + torch.tensor([3.0, 0.0])),
        "label": replace(one, point_labels=1 - LABELS),
        "box": replace(one, box=BOX + 5),
        "mask": replace(one, mask_logits=mask.flip(0)),
    }[part]
    first, second = (answer.low_res_logits for answer in segmenter.decode(embedding, [one, other]))
    assert (first - second).abs().max() > 1e-4


def test_a_click_carries_what_the_image_shows_there(model: CompactModel):
    """Points (0, 0) and (side, side) are the outer corners of the first and last cells."""
    features = model.encode(torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)))
    swapped = replace(features, image=features.image.flip(-1), fine=features.fine.flip(-1))
    model.point_image.weight.data.mul_(4)
    left, right = (torch.tensor([[[x, 20.0]]]) for x in (10.0, 54.0))
    label = torch.ones(1, 1, dtype=torch.int64)
    sparse = model._sparse(features, left, label, None)
    mirrored = model._sparse(swapped, right, label, None)
    bare = [model.prompts(p[:, None] - 0.5, label[:, None], None, None)[0] for p in (left, right)]
    assert sparse is not None
    assert mirrored is not None
    assert torch.allclose(sparse - bare[0], mirrored - bare[1], atol=1e-5)
    model.point_image.weight.data.div_(4)


def test_points_have_positions_of_deviation_one(model: CompactModel):
    positions = model.prompts.shared_embedding.positional_embedding
    assert 0.6 < float(positions.std()) < 1.4


def test_saved_and_loaded_it_answers_the_same(model: CompactModel, segmenter: Compact, tmp_path: Path):
    model.save(tmp_path)
    again = load_segmenter(f"compact:{tmp_path}")
    assert isinstance(again, Compact)
    assert again.name == f"compact:{tmp_path}"
    image = photo(45, 61)
    for prompt in prompts():
        found = again.decode(again.embed(image), [prompt])[0]
        expected = segmenter.decode(segmenter.embed(image), [prompt])[0]
        assert torch.allclose(found.low_res_logits, expected.low_res_logits, atol=0.02)


def test_its_identity_is_that_of_its_weights(model: CompactModel, tmp_path: Path):
    model.save(tmp_path / "a")
    torch.manual_seed(1)
    CompactModel(TINY).save(tmp_path / "b")
    identities = {load(tmp_path / folder).identity for folder in ("a", "b", "a")}
    assert len(identities) == 2


def load(folder: Path) -> Segmenter:
    loaded = load_segmenter(f"compact:{folder}")
    assert isinstance(loaded, Segmenter)
    return loaded


def test_weights_serve_every_side(model: CompactModel):
    larger = CompactModel(replace(TINY, side=96))
    larger.load_state_dict(model.state_dict())
    assert larger.encode(torch.zeros(1, 3, 96, 96)).finest.shape[-1] == 48


@pytest.mark.parametrize("spoil", ["nothing", "config", "type", "entry", "weights", "other"])
def test_a_folder_that_is_no_such_model(model: CompactModel, tmp_path: Path, spoil: str):
    if spoil != "nothing":
        model.save(tmp_path)
    config = tmp_path / "config.json"
    if spoil == "config":
        config.write_text("{")
    if spoil == "type":
        config.write_text(json.dumps({"model_type": "sam"}))
    if spoil == "entry":
        config.write_text(json.dumps(json.loads(config.read_text()) | {"colour": 3}))
    if spoil == "weights":
        file = tmp_path / "model.safetensors"
        file.write_bytes(file.read_bytes()[:-100])
    if spoil == "other":
        replace(TINY, width=64).save(config)
    with pytest.raises(InputError) as caught:
        load_segmenter(f"compact:{tmp_path}")
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def two_discs() -> torch.Tensor:
    """A red disc left and a blue one right on grey."""
    image = torch.full((120, 200, 3), 150, dtype=torch.uint8)
    y, x = torch.meshgrid(torch.arange(120), torch.arange(200), indexing="ij")
    for centre, colour in ((55, (200, 40, 30)), (145, (30, 60, 190))):
        image[(x - centre) ** 2 + (y - 60) ** 2 < 30**2] = torch.tensor(colour, dtype=torch.uint8)
    return image


@pytest.mark.parametrize("form", ["click", "clicks", "box"])
def test_the_shipped_weights_go_where_the_prompt_is(shipped: Segmenter, form: str):
    embedding = shipped.embed(two_discs())
    y, x = torch.meshgrid(torch.arange(120), torch.arange(200), indexing="ij")
    for centre, other in ((55.0, 145.0), (145.0, 55.0)):
        prompt = {
            "click": DecoderPrompt(torch.tensor([[centre, 60.0]]), torch.ones(1, dtype=torch.int64)),
            "clicks": DecoderPrompt(torch.tensor([[centre, 60.0], [other, 60.0]]), torch.tensor([1, 0])),
            "box": DecoderPrompt(box=torch.tensor([centre - 30, 30.0, centre + 30, 90.0])),
        }[form]
        mask = shipped.decode(embedding, [prompt])[0].mask_logits[0] > 0
        disc = (x - centre) ** 2 + (y - 60) ** 2 < 30**2
        assert (mask & disc).sum() > 0.7 * (mask | disc).sum()


def test_the_shipped_weights_are_small_and_of_the_size_promised(shipped: Segmenter):
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 8 * 2**20
    assert (SHIPPED / "MODEL_CARD.md").is_file()
    embedding = shipped.embed(two_discs())
    assert embedding.tensors["image"].shape == (64, 48, 48)
    floats = [t for t in embedding.tensors.values() if t.is_floating_point()]
    assert sum(t.numel() for t in floats) * 2 < 2**20  # as it is cached
    assert embedding.tensors["colours"].shape == (192, 192)


def test_half_precision_hardly_changes_the_masks(shipped: Segmenter):
    embedding = shipped.embed(two_discs())
    half = {name: t.half() if t.is_floating_point() else t for name, t in embedding.tensors.items()}
    kept = Embedding(half, 120, 200)
    prompt = DecoderPrompt(torch.tensor([[55.0, 60.0]]), torch.ones(1, dtype=torch.int64))
    one, other = (shipped.decode(e, [prompt])[0].mask_logits[0] > 0 for e in (embedding, kept))
    assert (one & other).sum() >= 0.99 * (one | other).sum()


def test_a_click_beside_the_books_leaves_them_the_books(shipped: Segmenter):
    scene = load_scene(Path(sanerf_hq.__path__[0]) / "demo_scene" / "desk")
    books = next(one for one in scene.objects if one.name == "books")
    view = scene.view(books.prompt_view)
    truth = read_instances(view) == books.id
    clicks = torch.tensor([books.positive[0], *books.negative]) + 0.5
    labels = torch.tensor([1] + [0] * len(books.negative))
    answer = shipped.decode(shipped.embed(read_image(view)), [DecoderPrompt(clicks, labels)])[0]
    ious = [float(((one > 0) & truth).sum() / ((one > 0) | truth).sum()) for one in answer.mask_logits]
    assert max(ious[:2]) > 0.78  # 0.67 where all clicks are answered at once
