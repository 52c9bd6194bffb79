"""SAM-HQ (Ke et al. 2023) through transformers: one mask a prompt, SAM's best plus the HQ token's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.segmenters.batches import LowResMasks, PromptBatch, decode_in_batches
from sanerf_hq.segmenters.letterbox import Letterbox
from sanerf_hq.segmenters.model_folder import find_model_folder, load_model
from sanerf_hq.segmenters.protocol import DecoderPrompt, Embedding, Masks

if TYPE_CHECKING:
    from transformers import SamHQModel

IMAGE = "image"
EARLY = "early"


@final
@dataclass(frozen=True, eq=False)
class SamHQ:
    """A :class:`~sanerf_hq.segmenters.protocol.Segmenter` on a loaded ``SamHQModel``.

    The embedding is the image encoder's output, ``image`` (D, g, g), and what its first global-attention
    block gave, ``early`` (g, g, vit_dim): the one of the intermediate embeddings that the decoder reads.
    """

    name: str
    identity: str
    side: int
    model: SamHQModel

    @torch.no_grad()
    def embed(self, image: UInt8[Tensor, "h w 3"], view: str = "") -> Embedding:
        height, width, _ = image.shape
        letterbox = Letterbox(self.side, height, width)
        pixels = letterbox.pixel_values(image).to(self.model.device)
        final_map, early_maps = self.model.get_image_embeddings(pixels)
        return Embedding({IMAGE: final_map[0], EARLY: early_maps[0][0]}, height, width, view)

    def mask_prompt(
        self, embedding: Embedding, logits: Float[Tensor, "rows columns"]
    ) -> Float[Tensor, "low low"]:
        letterbox = Letterbox(self.side, embedding.height, embedding.width)
        return letterbox.to_low_res(logits, 4 * embedding.tensors[IMAGE].shape[-1])

    @torch.no_grad()
    def decode(self, embedding: Embedding, prompts: list[DecoderPrompt]) -> list[Masks]:
        if EARLY not in embedding.tensors:  # the model would run without and give other masks, in silence
            raise ValueError(f"{self.name} cannot decode an embedding without its tensor {EARLY!r}")
        device = self.model.device
        image = embedding.tensors[IMAGE].to(device, torch.float32)[None]
        early = embedding.tensors[EARLY].to(device, torch.float32)[None]

        def decoder(batch: PromptBatch) -> LowResMasks:
            answer = self.model(
                image_embeddings=image.expand(batch.n_images, -1, -1, -1),
                intermediate_embeddings=[early.expand(batch.n_images, -1, -1, -1)],
                input_points=batch.input_points,
                input_labels=batch.input_labels,
                input_boxes=batch.input_boxes,
                input_masks=batch.input_masks,
                multimask_output=True,
                hq_token_only=False,
            )
            # The model sorts SAM's masks by score and adds the HQ token's to each: the first is the mask.
            return LowResMasks(answer.pred_masks.flatten(0, 1)[:, :1], answer.iou_scores.flatten(0, 1)[:, :1])

        letterbox = Letterbox(self.side, embedding.height, embedding.width)
        return decode_in_batches(prompts, letterbox, 4 * image.shape[-1], device, decoder)


def load_sam_hq(where: str = "", device: str = "cpu") -> SamHQ:
    """SAM-HQ from a folder, a hub id or the table of published weights.

    Args:
        where: A folder that ``save_pretrained`` wrote, a hub id, ``base``, ``large``, ``huge``, or "".
        device: Where to compute, in torch's words.

    Raises:
        InputError: The weights are missing, damaged or of another model, or no block of it sees the whole
            image: then it gives none of the early embeddings that the decoder reads.
    """
    folder = find_model_folder("sam_hq", where)
    from transformers import SamHQModel

    model = load_model(folder, SamHQModel, device)
    vision: Any = model.config.vision_config
    if not any(0 <= index < vision.num_hidden_layers for index in vision.global_attn_indexes):
        raise InputError(
            f"segmenter {folder.asked}: {folder.path} has no block that sees the whole image "
            "(global_attn_indexes), whose embeddings SAM-HQ reads; choose another model"
        )
    return SamHQ(folder.asked, f"sam_hq-{folder.digest()}", folder.side, model)
