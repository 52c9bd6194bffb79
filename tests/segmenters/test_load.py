"""Loading by name: every way in which it can fail says what to do. No network is asked."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from sanerf_hq.choices import SEGMENTERS
from sanerf_hq.errors import InputError
from sanerf_hq.segmenters import WEIGHTS, GrabCut, Segmenter, load_segmenter
from sanerf_hq.segmenters.weights import published
from support.fake_hub import FakeHub


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache, ``HF_HUB_OFFLINE``, and no way out; the cache's folder."""
    from huggingface_hub import constants

    def no_way_out(*_: object) -> None:
        raise AssertionError("the network was asked")

    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(socket, "getaddrinfo", no_way_out)
    return cache


def sentence(spec: str, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        load_segmenter(spec, **options)
    text = str(caught.value)
    assert "\n" not in text
    return text


def edited(source: Path, target: Path, **changes: object) -> Path:
    """A copy of a model folder with another ``config.json``."""
    shutil.copytree(source, target)
    config = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps(config | changes))
    return target


def test_grabcut_needs_nothing():
    segmenter = load_segmenter("grabcut")
    assert isinstance(segmenter, GrabCut)
    assert isinstance(segmenter, Segmenter)
    assert segmenter.name == "grabcut"


@pytest.mark.parametrize("spec", ["sam3", "", "grabcut:x", "truth:x", "masks", "SAM"])
def test_an_unknown_name_is_answered_with_the_known_ones(spec: str):
    text = sentence(spec)
    assert repr(spec) in text
    for choice in SEGMENTERS:
        assert choice in text


def test_a_colon_wants_something_behind_it():
    assert "ends with a colon" in sentence("sam:")


@pytest.mark.parametrize("spec", ["truth", "masks:somewhere"])
def test_labels_need_a_scene(spec: str):
    assert "open the scene first" in sentence(spec)


def test_the_table_knows_each_size_once():
    assert len({(weights.kind, weights.size) for weights in WEIGHTS}) == len(WEIGHTS)
    assert len({weights.hub_id for weights in WEIGHTS}) == len(WEIGHTS)
    for weights in WEIGHTS:
        assert published(weights.kind, weights.size) is weights
        assert published(weights.kind, weights.hub_id) is weights
    for kind, size in (("sam", "base"), ("sam_hq", "base"), ("sam2", "tiny")):
        default = published(kind, "")
        assert default is not None
        assert (default.kind, default.size) == (kind, size)
    assert published("sam", "syscv-community/sam-hq-vit-base") is None


@pytest.mark.parametrize("spec", ["sam", "sam:huge", "sam_hq", "sam2", "sam:nobody/has-this"])
def test_without_network_and_cache_it_says_so(spec: str, offline: Path):
    text = sentence(spec)
    assert f"segmenter {spec}: " in text
    assert "HF_HUB_OFFLINE" in text
    assert "folder" in text


def test_what_is_in_the_cache_is_used_offline(offline: Path, sam_folder: Path):
    commit = "0" * 40
    repository = offline / "models--facebook--sam-vit-base"
    shutil.copytree(sam_folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    segmenter = load_segmenter("sam")
    assert isinstance(segmenter, Segmenter)
    assert segmenter.name == "sam"
    local = load_segmenter(f"sam:{sam_folder}")
    assert isinstance(local, Segmenter)
    assert segmenter.identity == local.identity


def test_a_folder_that_is_not_there(tmp_path: Path, offline: Path):
    assert "is no folder and no hub id" in sentence(f"sam:{tmp_path / 'none'}")


def test_a_mistyped_folder_is_not_asked_of_the_hub(
    tmp_path: Path, sam_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    hub = FakeHub(tmp_path / "hub", {"models/sam": sam_folder}).install(monkeypatch)
    assert "models holds no folder sam; check the path" in sentence("sam:models/sam")
    assert hub.downloads == []
    hub.put("models/sam", sam_folder)
    assert isinstance(load_segmenter("sam:models/sam"), Segmenter)


def test_a_size_that_is_not_there(offline: Path):
    assert "giant is no folder and no hub id" in sentence("sam:giant")
    assert sentence("sam:giant").endswith("say one of sam:base, sam:large, sam:huge")


def test_a_folder_without_a_model(tmp_path: Path):
    assert "config.json" in sentence(f"sam:{tmp_path}")
    for text in ("{", "[1]", "{}"):
        (tmp_path / "config.json").write_text(text)
        assert str(tmp_path) in sentence(f"sam:{tmp_path}")


def test_a_model_of_another_type(sam_folder: Path, sam_hq_folder: Path, tmp_path: Path):
    assert "say sam_hq:… for it" in sentence(f"sam:{sam_hq_folder}")
    assert "say sam:… for it" in sentence(f"sam_hq:{sam_folder}")
    text = sentence(f"sam:{edited(sam_folder, tmp_path / 'bert', model_type='bert')}")
    assert "'bert'" in text


@pytest.mark.parametrize("spoil", ["maps", "backbone", "prompts"])
def test_sam_2_of_no_one_side(sam2_folder: Path, tmp_path: Path, spoil: str):
    config = json.loads((sam2_folder / "config.json").read_text())
    vision, prompts = config["vision_config"], config["prompt_encoder_config"]
    if spoil == "maps":
        vision["backbone_feature_sizes"][1] = [12, 13]
    if spoil == "backbone":
        vision["backbone_config"]["image_size"] = [96, 128]
    if spoil == "prompts":
        prompts["image_size"] = 128
    folder = edited(sam2_folder, tmp_path / "model", vision_config=vision, prompt_encoder_config=prompts)
    assert "image_size" in sentence(f"sam2:{folder}")


def test_a_model_without_safetensors(sam_folder: Path, tmp_path: Path):
    folder = shutil.copytree(sam_folder, tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "no .safetensors file" in sentence(f"sam:{folder}")


def test_truncated_weights(sam_folder: Path, tmp_path: Path):
    folder = shutil.copytree(sam_folder, tmp_path / "model")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    assert f"{folder} cannot be loaded" in sentence(f"sam:{folder}")


def test_weights_that_are_missing(sam_folder: Path, tmp_path: Path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(sam_folder, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    del weights["mask_decoder.iou_token.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert "lack mask_decoder.iou_token.weight (1 in all)" in sentence(f"sam:{folder}")


@pytest.mark.parametrize("size", [128, [96, 64], "96", None])
def test_a_configuration_that_makes_no_sense(sam_folder: Path, tmp_path: Path, size: object):
    prompt = json.loads((sam_folder / "config.json").read_text())["prompt_encoder_config"]
    folder = edited(sam_folder, tmp_path / "model", prompt_encoder_config=prompt | {"image_size": size})
    assert "image_size" in sentence(f"sam:{folder}")


def test_weights_of_another_shape(sam_folder: Path, tmp_path: Path):
    decoder = json.loads((sam_folder / "config.json").read_text())["mask_decoder_config"]
    folder = edited(sam_folder, tmp_path / "model", mask_decoder_config=decoder | {"mlp_dim": 40})
    assert str(folder) in sentence(f"sam:{folder}")


def test_a_device_that_is_not_there(sam_folder: Path):
    assert "'abacus'" in sentence(f"sam:{sam_folder}", device="abacus")
