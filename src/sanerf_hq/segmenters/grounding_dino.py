"""Grounding DINO (Liu et al. 2023) through transformers: words to boxes in one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from sanerf_hq.errors import InputError
from sanerf_hq.segmenters.detection import Detections
from sanerf_hq.segmenters.hub import TOKENIZER, first_line
from sanerf_hq.segmenters.letterbox import DEVIATION, MEAN
from sanerf_hq.segmenters.model_folder import ModelFolder, find_model_folder, load_model

if TYPE_CHECKING:
    from transformers import GroundingDinoForObjectDetection

LONGER_SIDE = 1333  # that no picture exceeds, whatever its shorter side comes to


@final
@dataclass(frozen=True, eq=False)
class GroundingDino:
    """A :class:`~sanerf_hq.segmenters.detection.Detector` on a loaded ``GroundingDinoForObjectDetection``."""

    name: str
    side: int
    model: GroundingDinoForObjectDetection
    tokenizer: Any

    @torch.no_grad()
    def detect(self, image: UInt8[Tensor, "h w 3"], text: str) -> Detections:
        height, width, _ = image.shape
        device = self.model.device
        words = self.tokenizer(caption(text), return_tensors="pt", return_token_type_ids=True)
        if words["input_ids"].shape[1] > self.model.config.max_text_len:
            raise InputError("the text is too long; say what the object is in a few words")
        pixels = self.pixel_values(image).to(device)
        answer = self.model(
            pixel_values=pixels,
            pixel_mask=torch.ones(1, *pixels.shape[2:], dtype=torch.int64, device=device),
            input_ids=words["input_ids"].to(device),
            token_type_ids=words["token_type_ids"].to(device),
            attention_mask=words["attention_mask"].to(device),
        )
        scores, order = answer.logits[0].float().sigmoid().amax(-1).cpu().sort(descending=True)
        middle, size = answer.pred_boxes[0].float().cpu()[order].split(2, -1)
        corners = torch.stack([middle - size / 2, middle + size / 2], 1).clamp(0, 1)
        return Detections((corners * torch.tensor([width, height])).flatten(1), scores)

    def pixel_values(self, image: UInt8[Tensor, "h w 3"]) -> Float[Tensor, "1 3 rows columns"]:
        """The image as the model is shown it: of its own shape, normalised."""
        height, width, _ = image.shape
        planes = image.permute(2, 0, 1)[None].float()
        size = shown_size(height, width, self.side)
        shown = F.interpolate(planes, size=size, mode="bilinear", antialias=True).clamp(0, 255) / 255
        mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
        return (shown - mean) / deviation


def shown_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Rows and columns that the library scales a picture to, to the pixel.

    The shorter side becomes ``side``, but for pictures whose longer one would exceed :data:`LONGER_SIDE`:
    there the shorter is rounded, and the longer follows from how much it was reduced before that.
    """
    shorter, longer = sorted((height, width))
    exact = float(side)
    if longer / shorter * side > LONGER_SIDE:
        exact = LONGER_SIDE * shorter / longer
        side = max(1, round(exact))
    if shorter == side:
        return height, width
    across = int(exact * longer / shorter)
    return (side, across) if height < width else (across, side)


def caption(text: str) -> str:
    """Words as the model was trained to read them: small letters, a full stop at the end.

    Raises:
        InputError: There are none.
    """
    words = " ".join(text.lower().replace(".", " ").split())
    if not words:
        raise InputError("the text is empty; say what the object is, such as 'a gold cape'")
    return f"{words}."


def load_grounding_dino(where: str = "", device: str = "cpu") -> GroundingDino:
    """Grounding DINO from a folder, a hub id or the table of published weights.

    Args:
        where: A folder of ``save_pretrained``, tokenizer.json in it, a hub id, ``tiny``, ``base``, "".
        device: Where to compute, in torch's words.

    Raises:
        InputError: The weights or the tokenizer are missing, damaged or of another model.
    """
    folder = find_model_folder("grounding_dino", where)
    tokenizer = _tokenizer(folder)
    from transformers import GroundingDinoForObjectDetection

    model = load_model(folder, GroundingDinoForObjectDetection, device)
    return GroundingDino(folder.asked, folder.side, model, tokenizer)


def _tokenizer(folder: ModelFolder) -> Any:
    from transformers import PreTrainedTokenizerFast

    path = folder.path / TOKENIZER
    if not path.is_file():
        raise InputError(f"detector {folder.asked}: {path} is missing; get a whole copy of the model")
    try:
        return PreTrainedTokenizerFast(tokenizer_file=str(path))
    except Exception as error:  # the tokenizer's own, in another language
        raise InputError(
            f"detector {folder.asked}: {path} cannot be read ({first_line(error)}); "
            "get a whole copy of the model"
        ) from error
