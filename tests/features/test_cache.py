"""Embeddings are computed once, kept in half precision, and never trusted blindly."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from sanerf_hq.features import EmbeddingCache
from sanerf_hq.features.cache import slug
from sanerf_hq.runs import read_tensors
from sanerf_hq.segmenters import DecoderPrompt, Embedding, Masks, Segmenter, load_segmenter
from support import tiny_models
from support.tiny_models import photo


class Counting:
    """A segmenter that counts what it encodes."""

    def __init__(self, identity: str = "counting-1", scale: float = 1.0) -> None:
        self._identity = identity
        self._scale = scale
        self.encoded: list[str] = []

    @property
    def name(self) -> str:
        return "counting"

    @property
    def identity(self) -> str:
        return self._identity

    def embed(self, image: torch.Tensor, view: str = "") -> Embedding:
        self.encoded.append(view)
        height, width, _ = image.shape
        values = image.float().mean(-1) * self._scale + 1 / 3
        return Embedding({"values": values, "image": image}, height, width, view)

    def mask_prompt(self, embedding: Embedding, logits: torch.Tensor) -> torch.Tensor:
        raise AssertionError("a cache does not decode")

    def decode(self, embedding: Embedding, prompts: list[DecoderPrompt]) -> list[Masks]:
        raise AssertionError("a cache does not decode")


def same(one: Embedding, other: Embedding) -> bool:
    assert one.tensors.keys() == other.tensors.keys()
    sizes = (one.height, one.width, one.view) == (other.height, other.width, other.view)
    return sizes and all(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)


def test_an_image_is_encoded_once_and_is_the_same_after(tmp_path: Path):
    segmenter = Counting()
    image = photo(20, 31)
    new = EmbeddingCache(tmp_path, segmenter).get("images/a.jpg", image)
    kept = EmbeddingCache(tmp_path, segmenter).get("images/a.jpg", lambda: image)
    assert segmenter.encoded == ["images/a.jpg"]
    assert same(new, kept)
    assert (kept.height, kept.width, kept.view) == (20, 31, "images/a.jpg")
    assert kept.tensors["values"].dtype == torch.float16
    assert torch.equal(kept.tensors["image"], image)
    torch.testing.assert_close(
        kept.tensors["values"].float(), image.float().mean(-1) + 1 / 3, atol=0.1, rtol=0
    )


def test_files_lie_where_the_design_says(tmp_path: Path):
    cache = EmbeddingCache(tmp_path / "features", Counting())
    cache.get("images/a.jpg", photo(20, 31))
    path = cache.path("images/a.jpg")
    assert path.parent.parent == tmp_path / "features"
    assert path.parent.name.startswith("counting-1")
    assert path.name.startswith("images-a.jpg") and path.suffix == ".safetensors"
    assert [found for found in tmp_path.rglob("*") if found.is_file()] == [path]
    assert read_tensors(path).metadata["view"] == "images/a.jpg"


def test_another_image_or_segmenter_is_another_embedding(tmp_path: Path):
    segmenter = Counting()
    cache = EmbeddingCache(tmp_path, segmenter)
    first = cache.get("a", photo(20, 31, seed=0))
    other = cache.get("a", photo(20, 31, seed=1))
    turned = cache.get("a", photo(20, 31, seed=1).reshape(31, 20, 3))  # the same bytes
    assert not same(first, other)
    assert turned.tensors["image"].shape == (31, 20, 3)
    assert segmenter.encoded == ["a"] * 3
    upgraded = Counting("counting-2")
    EmbeddingCache(tmp_path, upgraded).get("a", photo(31, 20, seed=1))
    assert upgraded.encoded == ["a"]


def test_a_file_of_another_segmenter_is_replaced(tmp_path: Path):
    old, new = Counting("counting-1"), Counting("counting-2", scale=0.5)
    image = photo(20, 31)
    EmbeddingCache(tmp_path, old).get("a", image)
    cache = EmbeddingCache(tmp_path, new)
    cache.path("a").parent.mkdir()
    EmbeddingCache(tmp_path, old).path("a").rename(cache.path("a"))
    found = cache.get("a", image)
    assert new.encoded == ["a"]
    torch.testing.assert_close(
        found.tensors["values"].float(), image.float().mean(-1) / 2 + 1 / 3, atol=0.1, rtol=0
    )


def test_views_of_one_stem_do_not_collide(tmp_path: Path):
    names = ["left/7.jpg", "right/7.jpg", "left-7.jpg", "left/7.JPG", "7", "ü/7", "é/7", "../7", "x" * 300]
    assert len({slug(name).casefold() for name in names}) == len(names)
    for name in names:
        assert len(slug(name)) <= 80
        assert slug(name) == Path(slug(name)).name
        assert slug(name)[0] not in ".-"
    segmenter = Counting()
    cache = EmbeddingCache(tmp_path, segmenter)
    made = [cache.get(name, photo(12, 15, seed)) for seed, name in enumerate(names)]
    again = [cache.get(name, photo(12, 15, seed)) for seed, name in enumerate(names)]
    assert segmenter.encoded == names
    assert all(same(one, other) for one, other in zip(made, again, strict=True))


@pytest.mark.parametrize("damage", ["flipped", "truncated", "emptied", "noise"])
def test_a_damaged_file_is_reported_and_made_again(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
):
    segmenter = Counting()
    cache = EmbeddingCache(tmp_path, segmenter)
    good = cache.get("a", photo(20, 31))
    path = cache.path("a")
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(
        {"flipped": bytes(content), "truncated": bytes(content[:-9]), "emptied": b"", "noise": b"\xff" * 99}[
            damage
        ]
    )
    with caplog.at_level(logging.WARNING):
        assert same(cache.get("a", photo(20, 31)), good)
    (record,) = caplog.records
    assert str(path) in record.getMessage()
    assert segmenter.encoded == ["a", "a"]
    assert same(cache.get("a", photo(20, 31)), good)
    assert segmenter.encoded == ["a", "a"]


@pytest.mark.parametrize("blocked", ["folder", "file"])
def test_an_embedding_that_cannot_be_kept_is_used_all_the_same(
    tmp_path: Path, blocked: str, caplog: pytest.LogCaptureFixture
):
    segmenter = Counting()
    cache = EmbeddingCache(tmp_path / "features", segmenter)
    good = EmbeddingCache(tmp_path / "other", segmenter).get("a", photo(20, 31))
    if blocked == "folder":
        (tmp_path / "features").write_text("a file where a folder belongs")
    else:
        cache.path("a").mkdir(parents=True)
    with caplog.at_level(logging.WARNING):
        assert same(cache.get("a", photo(20, 31)), good)
        assert same(cache.get("a", photo(20, 31)), good)
    assert segmenter.encoded == ["a"] * 3
    assert caplog.text.count("embeddings are not kept") == 1


def test_values_beyond_half_precision_are_kept_in_full(tmp_path: Path):
    segmenter = Counting(scale=1e4)
    image = photo(20, 31)
    EmbeddingCache(tmp_path, segmenter).get("a", image)
    kept = EmbeddingCache(tmp_path, segmenter).get("a", image)
    assert kept.tensors["values"].dtype == torch.float32
    assert torch.equal(kept.tensors["values"], image.float().mean(-1) * 1e4 + 1 / 3)


@pytest.mark.parametrize("kind", ["sam", "sam_hq", "sam2"])
def test_masks_survive_the_cache(tmp_path: Path, kind: tiny_models.Kind):
    segmenter = load_segmenter(f"{kind}:{tiny_models.save(kind, tmp_path / 'model')}")
    assert isinstance(segmenter, Segmenter)
    image = photo(120, 166)
    prompts = [DecoderPrompt(torch.tensor([[x, 60.0]]), torch.tensor([1])) for x in (20.0, 80.0, 140.0)]
    prompts.append(DecoderPrompt(box=torch.tensor([20.0, 10.0, 100.0, 90.0])))
    direct = segmenter.decode(segmenter.embed(image), prompts)
    cache = EmbeddingCache(tmp_path / "features", segmenter)
    cache.get("a", image)
    cached = segmenter.decode(cache.get("a", image), prompts)
    shares = []
    for before, after in zip(direct, cached, strict=True):
        # A random model's zero is arbitrary: cut each mask at its own median, where most pixels are in doubt.
        level = before.mask_logits.flatten(1).median(1).values[:, None, None]
        one, two = before.mask_logits > level, after.mask_logits > level
        shares.append(float((one & two).sum() / (one | two).sum()))
    assert min(shares) >= 0.995
