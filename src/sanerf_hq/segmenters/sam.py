"""SAM (Kirillov et al. 2023) through transformers: three candidates a prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from sanerf_hq.segmenters.batches import LowResMasks, PromptBatch, decode_in_batches
from sanerf_hq.segmenters.letterbox import Letterbox
from sanerf_hq.segmenters.model_folder import find_model_folder, load_model
from sanerf_hq.segmenters.protocol import DecoderPrompt, Embedding, Masks

if TYPE_CHECKING:
    from transformers import SamModel

IMAGE = "image"


@final
@dataclass(frozen=True, eq=False)
class Sam:
    """A :class:`~sanerf_hq.segmenters.protocol.Segmenter` on a loaded ``SamModel``.

    The embedding is the image encoder's output, ``image`` (D, g, g).
    """

    name: str
    identity: str
    side: int
    model: SamModel

    @torch.no_grad()
    def embed(self, image: UInt8[Tensor, "h w 3"], view: str = "") -> Embedding:
        height, width, _ = image.shape
        letterbox = Letterbox(self.side, height, width)
        pixels = letterbox.pixel_values(image).to(self.model.device)
        return Embedding({IMAGE: self.model.get_image_embeddings(pixels)[0]}, height, width, view)

    def mask_prompt(
        self, embedding: Embedding, logits: Float[Tensor, "rows columns"]
    ) -> Float[Tensor, "low low"]:
        letterbox = Letterbox(self.side, embedding.height, embedding.width)
        return letterbox.to_low_res(logits, 4 * embedding.tensors[IMAGE].shape[-1])

    @torch.no_grad()
    def decode(self, embedding: Embedding, prompts: list[DecoderPrompt]) -> list[Masks]:
        device = self.model.device
        image = embedding.tensors[IMAGE].to(device, torch.float32)[None]

        def decoder(batch: PromptBatch) -> LowResMasks:
            answer = self.model(
                image_embeddings=image.expand(batch.n_images, -1, -1, -1),
                input_points=batch.input_points,
                input_labels=batch.input_labels,
                input_boxes=batch.input_boxes,
                input_masks=batch.input_masks,
                multimask_output=True,
            )
            return LowResMasks(answer.pred_masks.flatten(0, 1), answer.iou_scores.flatten(0, 1))

        letterbox = Letterbox(self.side, embedding.height, embedding.width)
        return decode_in_batches(prompts, letterbox, 4 * image.shape[-1], device, decoder)


def load_sam(where: str = "", device: str = "cpu") -> Sam:
    """SAM from a folder, a hub id or the table of published weights.

    Args:
        where: A folder that ``save_pretrained`` wrote, a hub id, ``base``, ``large``, ``huge``, or "".
        device: Where to compute, in torch's words.

    Raises:
        InputError: The weights are missing, damaged or of another model.
    """
    folder = find_model_folder("sam", where)
    from transformers import SamModel

    model = load_model(folder, SamModel, device)
    return Sam(folder.asked, f"sam-{folder.digest()}", folder.side, model)
