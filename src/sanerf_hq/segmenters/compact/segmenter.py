"""The compact model as a segmenter."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.segmenters.batches import LowResMasks, PromptBatch, decode_in_batches
from sanerf_hq.segmenters.clicks import is_corrected, joined, on_object
from sanerf_hq.segmenters.colour_cut import thumbnail
from sanerf_hq.segmenters.compact.encoder import Features
from sanerf_hq.segmenters.compact.model import CONFIG, SINGLE, THREE, WEIGHTS, CompactModel
from sanerf_hq.segmenters.compact.outline import settled
from sanerf_hq.segmenters.letterbox import Letterbox
from sanerf_hq.segmenters.protocol import DecoderPrompt, Embedding, Masks

SHIPPED = Path(__file__).parent / "weights"
IMAGE, FINE, FINEST, COLOURS, PHOTO = "image", "fine", "finest", "colours", "photo"


@final
@dataclass(frozen=True, eq=False)
class Compact:
    """A :class:`~sanerf_hq.segmenters.protocol.Segmenter` on a :class:`CompactModel`.

    The embedding is ``image`` (64, 48, 48), the skips ``fine`` (16, 96, 96) and ``finest`` (4, 192, 192),
    and ``colours`` (192, 192): 1 MB in half precision; beside them the ``photo``, at most 512 pixels long.
    A lone click gets three candidates, clicks with some beside the object two, or four if one is on it, and
    any other prompt one. With ``single`` a lone click is answered by one.
    With ``settle`` outlines are moved to where the photo's colours change.
    """

    name: str
    identity: str
    model: CompactModel
    device: str = "cpu"
    single: bool = False
    settle: bool = True

    def as_decoded(self) -> Compact:
        """The same model, its outlines as the decoder gives them."""
        return replace(self, settle=False)

    def with_single_mask(self) -> Compact:
        """The same model, which answers a lone click by one mask too."""
        return replace(self, single=True)

    @torch.no_grad()
    def embed(self, image: UInt8[Tensor, "h w 3"], view: str = "") -> Embedding:
        height, width, _ = image.shape
        letterbox = Letterbox(self.model.config.side, height, width)
        features = self.model.encode(letterbox.pixel_values(image).to(self.device))
        tensors = {
            IMAGE: features.image[0],
            FINE: features.fine[0],
            FINEST: features.finest[0],
            COLOURS: features.colours[0],
            PHOTO: thumbnail(image),
        }
        return Embedding({name: t.contiguous() for name, t in tensors.items()}, height, width, view)

    def mask_prompt(
        self, embedding: Embedding, logits: Float[Tensor, "rows columns"]
    ) -> Float[Tensor, "low low"]:
        letterbox = Letterbox(self.model.config.side, embedding.height, embedding.width)
        return letterbox.to_low_res(logits, self.model.config.side // 2)

    def decode(self, embedding: Embedding, prompts: list[DecoderPrompt]) -> list[Masks]:
        answers = self._decoded(embedding, prompts)
        corrected = [i for i, prompt in enumerate(prompts) if is_corrected(prompt)]
        in_steps = self._in_steps(embedding, [prompts[i] for i in corrected])
        for i, more in zip(corrected, in_steps, strict=True):
            answers[i] = joined([answers[i], *more])
        if not self.settle:
            return answers
        photo = embedding.tensors[PHOTO]
        return [settled(photo, masks, prompt) for masks, prompt in zip(answers, prompts, strict=True)]

    def _in_steps(self, embedding: Embedding, prompts: list[DecoderPrompt]) -> list[list[Masks]]:
        """Clicks on the object by themselves, then all, with each of the first answers as a mask prompt.

        A click beside the object that comes with the first ones may end up as the rim of something much
        larger; as the model was trained, it corrects a mask that was there before.
        """
        first = self._decoded(embedding, [on_object(prompt) for prompt in prompts])
        again = [
            replace(prompt, mask_logits=low)
            for prompt, masks in zip(prompts, first, strict=True)
            for low in masks.low_res_logits
        ]
        second = iter(self._decoded(embedding, again))
        return [[next(second) for _ in masks.low_res_logits] for masks in first]

    @torch.no_grad()
    def _decoded(self, embedding: Embedding, prompts: list[DecoderPrompt]) -> list[Masks]:
        """The model's own answers."""
        names = (IMAGE, FINE, FINEST, COLOURS)
        tensors = {name: embedding.tensors[name][None].to(self.device) for name in names}
        image, fine, finest = (tensors[name].float() for name in (IMAGE, FINE, FINEST))
        features = Features(image, fine, finest, tensors[COLOURS].short())

        def decoder(batch: PromptBatch) -> LowResMasks:
            points = batch.input_points
            labels = batch.input_labels
            boxes = batch.input_boxes
            # A batch gives indices of pixels, the model takes coordinates.
            if points is not None and labels is not None:
                points, labels = points.flatten(0, 1) + 0.5, labels.flatten(0, 1)
            boxes = None if boxes is None else boxes.flatten(0, 1) + 0.5
            lone = boxes is None and batch.input_masks is None and points is not None and points.shape[1] == 1
            which = THREE if lone and not self.single else SINGLE
            answer = self.model.decode(features, points, labels, boxes, batch.input_masks, which)
            return LowResMasks(answer.logits, answer.ious)

        letterbox = Letterbox(self.model.config.side, embedding.height, embedding.width)
        return decode_in_batches(
            prompts, letterbox, self.model.config.side // 2, torch.device(self.device), decoder
        )


def load_compact(where: str = "", device: str = "cpu") -> Compact:
    """The shipped model, or one of the user's own training.

    Args:
        where: A folder that ``tools/train_compact.py`` exported, or "".
        device: Where to compute, in torch's words.

    Raises:
        InputError: The folder does not hold such a model.
    """
    asked = f"compact:{where}" if where else "compact"
    folder = Path(where).expanduser() if where else SHIPPED
    try:
        model = CompactModel.load(folder)
        identity = hashlib.blake2b((folder / CONFIG).read_bytes(), digest_size=8)
        identity.update((folder / WEIGHTS).read_bytes())
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".:")
        raise InputError(
            f"segmenter {asked}: {folder} holds no compact model that can be loaded ({reason}); "
            "give a folder that tools/train_compact.py exported"
        ) from error
    return Compact(asked, f"compact-{identity.hexdigest()}", model.to(device), device)
