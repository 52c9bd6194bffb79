"""SAM 2 (Ravi et al. 2024) through transformers, on single images: three candidates a prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from sanerf_hq.segmenters.batches import LowResMasks, PromptBatch, decode_in_batches
from sanerf_hq.segmenters.model_folder import find_model_folder, load_model
from sanerf_hq.segmenters.protocol import DecoderPrompt, Embedding, Masks
from sanerf_hq.segmenters.stretched import Stretched

if TYPE_CHECKING:
    from transformers import Sam2Model

LEVELS = ("finest", "fine", "image")  # as the model orders them; the last is what the decoder attends to


@final
@dataclass(frozen=True, eq=False)
class Sam2:
    """A :class:`~sanerf_hq.segmenters.protocol.Segmenter` on a loaded ``Sam2Model``.

    The embedding is the image encoder's output, ``image`` (D, g, g), and the two maps that its decoder adds
    while it refines masks, ``fine`` (D / 4, 2 g, 2 g) and ``finest`` (D / 8, 4 g, 4 g), already reduced as
    the decoder needs them: 8.4 MB in half precision for published weights.
    """

    name: str
    identity: str
    side: int
    model: Sam2Model

    @torch.no_grad()
    def embed(self, image: UInt8[Tensor, "h w 3"], view: str = "") -> Embedding:
        height, width, _ = image.shape
        pixels = Stretched(self.side, height, width).pixel_values(image).to(self.model.device)
        maps = zip(LEVELS, self.model.get_image_embeddings(pixels), strict=True)
        return Embedding({name: level[0].contiguous() for name, level in maps}, height, width, view)

    def mask_prompt(
        self, embedding: Embedding, logits: Float[Tensor, "rows columns"]
    ) -> Float[Tensor, "low low"]:
        place = Stretched(self.side, embedding.height, embedding.width)
        return place.to_low_res(logits, embedding.tensors[LEVELS[0]].shape[-1])

    @torch.no_grad()
    def decode(self, embedding: Embedding, prompts: list[DecoderPrompt]) -> list[Masks]:
        device = self.model.device
        maps = [embedding.tensors[name].to(device, torch.float32)[None] for name in LEVELS]

        def decoder(batch: PromptBatch) -> LowResMasks:
            answer = self.model(
                image_embeddings=[level.expand(batch.n_images, -1, -1, -1) for level in maps],
                input_points=batch.input_points,
                input_labels=batch.input_labels,
                input_boxes=batch.input_boxes,
                input_masks=batch.input_masks,
                multimask_output=True,
            )
            return LowResMasks(answer.pred_masks.flatten(0, 1), answer.iou_scores.flatten(0, 1))

        place = Stretched(self.side, embedding.height, embedding.width)
        return decode_in_batches(prompts, place, maps[0].shape[-1], device, decoder)


def load_sam2(where: str = "", device: str = "cpu") -> Sam2:
    """SAM 2 from a folder, a hub id or the table of published weights.

    Args:
        where: A folder that ``save_pretrained`` wrote (of the image model or of the video model, whose memory
            is left out), a hub id, ``tiny``, ``small``, ``base-plus``, ``large``, or "".
        device: Where to compute, in torch's words.

    Raises:
        InputError: The weights are missing, damaged or of another model.
    """
    folder = find_model_folder("sam2", where)
    from transformers import Sam2Model

    model = load_model(folder, Sam2Model, device)
    return Sam2(folder.asked, f"sam2-{folder.digest()}", folder.side, model)
