"""SAM, SAM-HQ and SAM 2 against transformers' own processors on the same pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from sanerf_hq.errors import InputError
from sanerf_hq.segmenters import DecoderPrompt, Embedding, Masks, Segmenter, load_segmenter
from sanerf_hq.segmenters.letterbox import Letterbox
from sanerf_hq.segmenters.sam_hq import SamHQ
from sanerf_hq.segmenters.stretched import Stretched
from support import tiny_models
from support.tiny_models import SIDE, photo

SIZES = [(60, 96), (96, 72), (45, 61), (130, 211)]  # of SAM two need no resizing, one grows, one shrinks
POINTS = torch.tensor([[20.5, 30.5], [41.5, 12.5], [3.0, 44.0]])
LABELS = torch.tensor([1, 0, 1])
BOX = torch.tensor([4.0, 6.0, 37.0, 41.0])


def load(spec: str, device: str = "cpu") -> Segmenter:
    loaded = load_segmenter(spec, device=device)
    assert isinstance(loaded, Segmenter)
    return loaded


@pytest.fixture(scope="module", params=["sam", "sam_hq", "sam2"])
def kind(request: pytest.FixtureRequest) -> tiny_models.Kind:
    return request.param


@pytest.fixture(scope="module")
def segmenter(kind: tiny_models.Kind, sam_folder: Path, sam_hq_folder: Path, sam2_folder: Path) -> Segmenter:
    folders = {"sam": sam_folder, "sam_hq": sam_hq_folder, "sam2": sam2_folder}
    return load(f"{kind}:{folders[kind]}")


Reference = Callable[[torch.Tensor, DecoderPrompt], Masks]


@pytest.fixture(scope="module")
def theirs(kind: tiny_models.Kind) -> Reference:
    return TheirsOfSam2() if kind == "sam2" else Theirs(kind)


class Theirs:
    """The path that the library itself documents: processor, model, processor."""

    def __init__(self, kind: tiny_models.Kind) -> None:
        from transformers import SamHQProcessor, SamImageProcessorPil, SamProcessor

        square = {"height": SIDE, "width": SIDE}
        images = SamImageProcessorPil(size={"longest_edge": SIDE}, pad_size=square)
        self.processor: Any = (SamProcessor if kind == "sam" else SamHQProcessor)(images)
        self.model = tiny_models.build(kind)
        self.kind = kind

    @torch.no_grad()
    def __call__(self, image: torch.Tensor, prompt: DecoderPrompt) -> Masks:
        height, width, _ = image.shape
        rows, columns = Letterbox(SIDE, height, width).inner
        # The processor takes pixel indices of the photo, and the model adds half a pixel of the *scaled* one.
        half = torch.tensor([width / columns, height / rows]) / 2
        inputs = self.processor(
            images=image.numpy(),
            input_points=[[(prompt.point_coords - half).tolist()]] if len(prompt.point_coords) else None,
            input_labels=[[prompt.point_labels.tolist()]] if len(prompt.point_coords) else None,
            input_boxes=None if prompt.box is None else [[(prompt.box - half.repeat(2)).tolist()]],
            return_tensors="pt",
        )
        sizes = [inputs.pop(name) for name in ("original_sizes", "reshaped_input_sizes")]
        inputs = {name: t.float() if t.is_floating_point() else t for name, t in inputs.items()}
        if prompt.mask_logits is not None:
            inputs["input_masks"] = prompt.mask_logits[None, None]
        answer = self.model(**inputs)
        low, scores = answer.pred_masks[0, 0], answer.iou_scores[0, 0]
        if self.kind == "sam_hq":
            low, scores = low[:1], scores[:1]
        large = self.processor.image_processor.post_process_masks([low[None]], *sizes, binarize=False)[0][0]
        order = scores.argsort(descending=True)
        return Masks(large[order], scores[order].clamp(0, 1), low[order])


class TheirsOfSam2:
    """The same of SAM 2. Its image processor needs torchvision, so what that does is not taken from it: the
    pixels are ours, and looked at in a test of their own; the way back is written out.
    """

    def __init__(self) -> None:
        from transformers import Sam2Processor

        self.processor: Any = Sam2Processor.__new__(Sam2Processor)  # not initialised: that wants the other
        self.processor.target_size, self.processor.point_pad_value = SIDE, -10
        self.model = tiny_models.build("sam2")

    @torch.no_grad()
    def __call__(self, image: torch.Tensor, prompt: DecoderPrompt) -> Masks:
        height, width, _ = image.shape
        half = torch.tensor([width / SIDE, height / SIDE]) / 2
        inputs = self.processor(
            original_sizes=[[height, width]],
            input_points=[[(prompt.point_coords - half).tolist()]] if len(prompt.point_coords) else None,
            input_labels=[[prompt.point_labels.tolist()]] if len(prompt.point_coords) else None,
            input_boxes=None if prompt.box is None else [[(prompt.box - half.repeat(2)).tolist()]],
            return_tensors="pt",
        )
        inputs.pop("original_sizes")
        if prompt.mask_logits is not None:
            inputs["input_masks"] = prompt.mask_logits[None, None]
        pixels = Stretched(SIDE, height, width).pixel_values(image)
        answer = self.model(pixel_values=pixels, **inputs)
        low, scores = answer.pred_masks[0, 0], answer.iou_scores[0, 0]
        large = F.interpolate(low[None], (height, width), mode="bilinear", align_corners=False)[0]
        order = scores.argsort(descending=True)
        return Masks(large[order], scores[order], low[order])


def prompts_of_every_kind(low: int) -> dict[str, DecoderPrompt]:
    mask = torch.randn(low, low, generator=torch.Generator().manual_seed(5)) * 4
    return {
        "one point": DecoderPrompt(POINTS[:1], LABELS[:1]),
        "points": DecoderPrompt(POINTS, LABELS),
        "box": DecoderPrompt(box=BOX),
        "box and points": DecoderPrompt(POINTS[:2], LABELS[:2], BOX),
        "mask": DecoderPrompt(mask_logits=mask),
        "mask and points": DecoderPrompt(POINTS, LABELS, mask_logits=mask),
        "mask, box and point": DecoderPrompt(POINTS[:1], LABELS[:1], BOX, -mask),
    }


def moved(prompt: DecoderPrompt) -> DecoderPrompt:
    """A prompt of the same form, for a batch with it."""
    return replace(
        prompt,
        point_coords=prompt.point_coords * 0.8 + 3,
        point_labels=prompt.point_labels.flip(0),
        box=None if prompt.box is None else prompt.box * 0.9 + 2,
        mask_logits=None if prompt.mask_logits is None else prompt.mask_logits.flip(0),
    )


def assert_same(ours: Masks, expected: Masks) -> None:
    torch.testing.assert_close(ours.mask_logits, expected.mask_logits, atol=1e-4, rtol=0)
    torch.testing.assert_close(ours.low_res_logits, expected.low_res_logits, atol=1e-4, rtol=0)
    torch.testing.assert_close(ours.iou_predictions, expected.iou_predictions, atol=1e-4, rtol=0)


@pytest.fixture(scope="module")
def low(kind: tiny_models.Kind) -> int:
    """Side of the decoder's masks."""
    return SIDE // 4 if kind == "sam2" else SIDE // 2


@pytest.mark.parametrize("size", SIZES)
def test_equals_the_librarys_own_path(
    segmenter: Segmenter, theirs: Reference, low: int, size: tuple[int, int]
):
    image = photo(*size)
    prompts = prompts_of_every_kind(low)
    prompts |= {f"{name}, moved": moved(prompt) for name, prompt in prompts.items()}
    answers = segmenter.decode(segmenter.embed(image), list(prompts.values()))
    for (name, prompt), answer in zip(prompts.items(), answers, strict=True):
        expected = theirs(image, prompt)
        assert expected.mask_logits.std() > 0.01, name
        assert answer.mask_logits.shape[1:] == size
        assert_same(answer, expected)


def test_each_kind_of_prompt_changes_the_answer(segmenter: Segmenter, low: int):
    embedding = segmenter.embed(photo(45, 61))
    logits = [
        masks.mask_logits[0] for masks in segmenter.decode(embedding, [*prompts_of_every_kind(low).values()])
    ]
    for i, one in enumerate(logits):
        for other in logits[:i]:
            assert (one - other).abs().max() > 1e-3


def test_a_prompts_answer_does_not_depend_on_its_neighbours(segmenter: Segmenter, low: int):
    embedding = segmenter.embed(photo(45, 61))
    chance = torch.Generator().manual_seed(2)
    prompts = list(prompts_of_every_kind(low).values())
    for n in [1] * 20 + [2, 5, 1, 3]:  # more than one call of the decoder, prompts of several lengths
        labels = torch.randint(0, 2, (n,), generator=chance)
        prompts.append(DecoderPrompt(torch.rand(n, 2, generator=chance) * 45, labels))
    together = segmenter.decode(embedding, prompts)
    for prompt, answer in zip(prompts, together, strict=True):
        assert_same(answer, segmenter.decode(embedding, [prompt])[0])


def test_candidates_are_sorted_and_scores_are_in_range(
    kind: tiny_models.Kind, segmenter: Segmenter, low: int
):
    for answer in segmenter.decode(segmenter.embed(photo(33, 57)), [*prompts_of_every_kind(low).values()]):
        assert len(answer.iou_predictions) == (1 if kind == "sam_hq" else 3)
        assert (answer.iou_predictions.diff() <= 0).all()
        assert 0 <= answer.iou_predictions.min() <= answer.iou_predictions.max() <= 1


def test_no_prompts_give_no_masks(segmenter: Segmenter):
    assert segmenter.decode(segmenter.embed(photo(20, 30)), []) == []


def test_a_prompt_must_say_something_and_fit(segmenter: Segmenter, low: int):
    embedding = segmenter.embed(photo(20, 30))
    with pytest.raises(ValueError, match="a point, a box or a mask"):
        segmenter.decode(embedding, [DecoderPrompt()])
    with pytest.raises(ValueError, match=f"{low}x{low}"):
        segmenter.decode(embedding, [DecoderPrompt(mask_logits=torch.zeros(20, 30))])


def test_embedding_is_a_value(segmenter: Segmenter):
    image = photo(45, 61)
    embedding = segmenter.embed(image, "images/7.jpg")
    assert (embedding.height, embedding.width, embedding.view) == (45, 61, "images/7.jpg")
    segmenter.decode(segmenter.embed(photo(30, 40, seed=3)), [DecoderPrompt(box=BOX)])
    again = segmenter.embed(image)
    for name, tensor in embedding.tensors.items():
        assert torch.equal(tensor, again.tensors[name])


def test_half_precision_embeddings_give_the_same_masks(segmenter: Segmenter, low: int):
    embedding = segmenter.embed(photo(130, 211))
    half = {name: tensor.half() for name, tensor in embedding.tensors.items()}
    prompts = [*prompts_of_every_kind(low).values()]
    full_answers = segmenter.decode(embedding, prompts)
    half_answers = segmenter.decode(replace(embedding, tensors=half), prompts)
    for full, coarse in zip(full_answers, half_answers, strict=True):
        assert coarse.mask_logits.dtype == torch.float32
        assert (full.mask_logits - coarse.mask_logits).abs().max() < 0.02 * full.mask_logits.abs().max()


def test_each_device_gives_the_same_masks(segmenter: Segmenter, low: int, device: torch.device):
    moved = load(segmenter.name, str(device))
    prompts = [*prompts_of_every_kind(low).values()]
    answers = moved.decode(moved.embed(photo(45, 61)), prompts)
    for here, there in zip(segmenter.decode(segmenter.embed(photo(45, 61)), prompts), answers, strict=True):
        assert there.mask_logits.device.type == "cpu"
        torch.testing.assert_close(there.mask_logits, here.mask_logits, atol=1e-2, rtol=1e-2)


def test_sam_hq_refuses_an_embedding_without_early_features(sam_hq_folder: Path):
    segmenter = load(f"sam_hq:{sam_hq_folder}")
    full = segmenter.embed(photo(45, 61))
    stripped = Embedding({"image": full.tensors["image"]}, 45, 61)
    with pytest.raises(ValueError, match="early"):
        segmenter.decode(stripped, [DecoderPrompt(box=BOX)])


def test_sam_hq_reads_its_early_features(sam_hq_folder: Path):
    segmenter = load(f"sam_hq:{sam_hq_folder}")
    full = segmenter.embed(photo(45, 61))
    other = replace(full, tensors=full.tensors | {"early": torch.zeros_like(full.tensors["early"])})
    (one,) = segmenter.decode(full, [DecoderPrompt(box=BOX)])
    (two,) = segmenter.decode(other, [DecoderPrompt(box=BOX)])
    assert (one.mask_logits - two.mask_logits).abs().max() > 0.01


def hq(folder: Path) -> SamHQ:
    segmenter = load(f"sam_hq:{folder}")
    assert isinstance(segmenter, SamHQ)
    return segmenter


@torch.no_grad()
def silenced(mlp: Any) -> None:
    """Make a token's mask zero everywhere, and leave all else as it is."""
    mlp.proj_out.weight.zero_()
    mlp.proj_out.bias.zero_()


def test_the_hq_token_alone_changes_the_mask(sam_hq_folder: Path):
    segmenter, without = hq(sam_hq_folder), hq(sam_hq_folder)
    silenced(without.model.mask_decoder.hq_mask_mlp)
    embedding = segmenter.embed(photo(45, 61))
    prompts = list(prompts_of_every_kind(SIDE // 2).values())
    answers = segmenter.decode(embedding, prompts), without.decode(embedding, prompts)
    for with_token, bare in zip(*answers, strict=True):
        assert (with_token.mask_logits - bare.mask_logits).abs().max() > 0.1
        assert torch.equal(with_token.iou_predictions, bare.iou_predictions)  # SAM's tokens do not change


def test_the_mask_of_sam_hq_is_sams_best_scored_and_the_hq_token_s(sam_hq_folder: Path):
    segmenter = hq(sam_hq_folder)
    raw: list[torch.Tensor] = []
    head = segmenter.model.mask_decoder.iou_prediction_head
    handle = head.register_forward_hook(lambda _, __, scores: raw.append(scores[0, 0]))

    def alone(token: int | None) -> SamHQ:
        """Masks of one of SAM's tokens and no other, or of the HQ token alone."""
        other = hq(sam_hq_folder)
        for number, mlp in enumerate(other.model.mask_decoder.output_hypernetworks_mlps):
            if number != token:
                silenced(mlp)
        if token is not None:
            silenced(other.model.mask_decoder.hq_mask_mlp)
        return other

    single = {
        token: alone(token) for token in (1, 2, 3, None)
    }  # token 0 is for the single mask, not asked for
    embedding = segmenter.embed(photo(45, 61))
    best_ones = set()
    for name, prompt in prompts_of_every_kind(SIDE // 2).items():
        raw.clear()
        (answer,) = segmenter.decode(embedding, [prompt])
        best = 1 + int(raw[0][1:].argmax())
        best_ones.add(best)
        assert answer.iou_predictions[0] == raw[0][best].clamp(0, 1), name
        sams, hqs = (single[t].decode(embedding, [prompt])[0].low_res_logits for t in (best, None))
        assert min(sams.abs().max(), hqs.abs().max()) > 0.1, name
        torch.testing.assert_close(answer.low_res_logits, sams + hqs, atol=1e-4, rtol=0)
    handle.remove()
    assert best_ones != {1}  # or the first of the unsorted masks would do


def test_sam_hq_without_a_global_block_is_refused(tmp_path: Path):
    folder = tiny_models.save("sam_hq", tmp_path, global_attention=())
    with pytest.raises(InputError, match="has no block that sees the whole image") as caught:
        load(f"sam_hq:{folder}")
    assert str(folder) in str(caught.value)


def test_sam_2_reads_all_three_levels(sam2_folder: Path):
    segmenter = load(f"sam2:{sam2_folder}")
    full = segmenter.embed(photo(45, 61))
    assert list(full.tensors) == ["finest", "fine", "image"]
    (one,) = segmenter.decode(full, [DecoderPrompt(box=BOX)])
    for name, level in full.tensors.items():
        other = replace(full, tensors=full.tensors | {name: torch.zeros_like(level)})
        (two,) = segmenter.decode(other, [DecoderPrompt(box=BOX)])
        assert (one.mask_logits - two.mask_logits).abs().max() > 0.01


def test_sam_2_takes_the_image_part_of_a_video_model(tmp_path: Path):
    """Published weights are of that form."""
    video = tiny_models.build_sam2(video=True)
    video.save_pretrained(tmp_path / "video")
    image = tiny_models.build_sam2()
    shared = {name: tensor for name, tensor in video.state_dict().items() if name in image.state_dict()}
    assert shared.keys() == image.state_dict().keys()
    image.load_state_dict(shared)
    image.save_pretrained(tmp_path / "image")
    answers = []
    for folder in ("video", "image"):
        segmenter = load(f"sam2:{tmp_path / folder}")
        answers.append(segmenter.decode(segmenter.embed(photo(45, 61)), [DecoderPrompt(box=BOX)])[0])
    assert torch.equal(answers[0].mask_logits, answers[1].mask_logits)


def test_identity_follows_the_weights_not_the_path(tmp_path: Path, kind: tiny_models.Kind):
    identities = []
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        loaded = load(f"{kind}:{tiny_models.save(kind, tmp_path / name, seed)}")
        assert loaded.name == f"{kind}:{tmp_path / name}"
        identities.append(loaded.identity)
    assert identities[0] == identities[1] != identities[2]
    assert identities[0].startswith(f"{kind}-")
