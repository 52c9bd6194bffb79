"""Grounding DINO against transformers' own processing, on a tiny random model."""

from __future__ import annotations

import random
import shutil
import sys
from pathlib import Path

import pytest
import torch
from transformers import GroundingDinoProcessor

from sanerf_hq.errors import InputError
from sanerf_hq.segmenters import Detector, load_detector, load_segmenter
from sanerf_hq.segmenters.grounding_dino import GroundingDino, caption, load_grounding_dino, shown_size
from sanerf_hq.segmenters.hub import cached_folder
from support import tiny_models
from support.fake_hub import FakeHub


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save_grounding_dino(tmp_path_factory.mktemp("grounding_dino"))


@pytest.fixture(scope="module")
def detector(folder: Path) -> GroundingDino:
    return load_grounding_dino(str(folder))


@pytest.mark.parametrize("size", [(60, 90), (90, 40), (50, 140)])
def test_pictures_are_scaled_and_normalised_as_the_library_does(
    detector: GroundingDino, size: tuple[int, int]
):
    from transformers import GroundingDinoImageProcessorPil

    photo = tiny_models.photo(*size)
    theirs = GroundingDinoImageProcessorPil()(photo.numpy(), return_tensors="pt")["pixel_values"]
    ours = detector.pixel_values(photo)
    assert ours.shape == theirs.shape
    off = (ours - theirs).abs() * 0.225 * 255  # grey levels
    assert float(off.mean()) < 0.6 and float(off.max()) < 2.5, "they round to whole grey levels in between"


def test_pictures_are_shown_in_the_librarys_own_size():
    from transformers import GroundingDinoImageProcessorPil

    theirs = sys.modules[GroundingDinoImageProcessorPil.__module__].get_size_with_aspect_ratio
    sizes = [(1080, 1920), (3862, 2347), (800, 1066), (1066, 800), (800, 1400), (600, 600)]
    chance = random.Random(0)
    sizes += [(chance.randint(100, 4000), chance.randint(100, 4000)) for _ in range(2000)]
    for height, width in sizes:
        expected = theirs((height, width), 800, 1333)
        assert shown_size(height, width, 800) == expected, (height, width)
    assert shown_size(2, 4000, 800) == (1, 1333)


def test_boxes_and_scores_are_those_of_the_librarys_own_path(detector: GroundingDino):
    photo = tiny_models.photo(60, 90)
    found = detector.detect(photo, "Gold cape")
    words = detector.tokenizer("gold cape.", return_tensors="pt", return_token_type_ids=True)
    answer = detector.model(pixel_values=detector.pixel_values(photo), **words)
    processor = GroundingDinoProcessor.__new__(GroundingDinoProcessor)
    processor.tokenizer = detector.tokenizer
    (theirs,) = processor.post_process_grounded_object_detection(
        answer, words["input_ids"], threshold=0.0, target_sizes=[(60, 90)]
    )
    scores, order = theirs["scores"].sort(descending=True)
    assert len(found.scores) == len(scores) == 20
    torch.testing.assert_close(found.scores, scores)
    within = theirs["boxes"][order].clamp(min=0).minimum(torch.tensor([90.0, 60, 90, 60]))
    torch.testing.assert_close(found.boxes, within)


def test_other_words_are_answered_otherwise(detector: GroundingDino):
    photo = tiny_models.photo(60, 90)
    one, other = detector.detect(photo, "gold cape"), detector.detect(photo, "red mug")
    assert isinstance(detector, Detector)
    assert float((one.scores - other.scores).abs().max()) > 1e-4
    again = detector.detect(photo, " Gold  cape. ")
    assert torch.equal(again.boxes, one.boxes)


def test_words_are_read_as_the_model_was_trained_to():
    assert caption("A Gold  cape") == "a gold cape."
    assert caption("mug. cape.") == "mug cape."
    with pytest.raises(InputError, match="the text is empty"):
        caption(" . ")


def test_a_text_longer_than_the_model_reads_is_refused(detector: GroundingDino):
    with pytest.raises(InputError, match="the text is too long"):
        detector.detect(tiny_models.photo(60, 90), "gold " * 40)


def test_what_is_no_detector_is_refused(folder: Path, sam_folder: Path, tmp_path: Path):
    for spec in ("", "sam", "grounding_dino:"):
        with pytest.raises(InputError, match="there is no detector"):
            load_detector(spec)
    with pytest.raises(InputError, match=r"detector grounding_dino.* holds a model of type 'sam'"):
        load_detector(f"grounding_dino:{sam_folder}")
    with pytest.raises(InputError, match=r"say grounding_dino:… for it"):
        load_segmenter(f"sam:{folder}")
    mute = shutil.copytree(folder, tmp_path / "mute")
    for content, said in ((None, "is missing"), ("{", "cannot be read")):
        (mute / "tokenizer.json").unlink()
        if content:
            (mute / "tokenizer.json").write_text(content)
        with pytest.raises(InputError, match=rf"tokenizer\.json {said}") as caught:
            load_detector(f"grounding_dino:{mute}")
        assert "\n" not in str(caught.value)
        (mute / "tokenizer.json").touch()


def test_a_tokenizer_that_the_cache_lacks_is_fetched(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    tiny = "IDEA-Research/grounding-dino-tiny"
    hub = FakeHub(tmp_path / "hub", {tiny: folder}).install(monkeypatch)
    (hub.put(tiny, folder) / "tokenizer.json").unlink()
    assert cached_folder(tiny) is None
    assert isinstance(load_detector("grounding_dino"), Detector)
    assert hub.downloads == [tiny]
    hub.models[tiny] = shutil.copytree(folder, tmp_path / "mute")
    (hub.models[tiny] / "tokenizer.json").unlink()
    shutil.rmtree(hub.cache)
    with pytest.raises(InputError, match=r"no configuration with safetensors and tokenizer\.json"):
        load_detector("grounding_dino")
