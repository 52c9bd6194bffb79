"""Pictures that a segmenter is shown: photos, or as in the paper renders, at training views; else renders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import UInt8
from torch import Tensor

from sanerf_hq.features import EmbeddingCache
from sanerf_hq.geometry import Camera
from sanerf_hq.radiance import RadianceField
from sanerf_hq.scene import View, read_image
from sanerf_hq.segmenters import Embedding, Segmenter

SegmentOn = Literal["photo", "render"]


@dataclass(frozen=True)
class Pictures:
    """Embeddings of what a segmenter is shown, training views' from the run's cache.

    Attributes:
        field: What is rendered.
        segmenter: Who looks.
        segment_on: What it is shown at training views.
    """

    field: RadianceField
    segmenter: Segmenter
    segment_on: SegmentOn = "photo"

    @property
    def threads(self) -> int:
        """Prompts that are decoded at a time: a graphics card is kept busy by one."""
        return torch.get_num_threads() if self.field.device.type == "cpu" else 1

    def of_view(self, view: View) -> Embedding:
        """The embedding of a training view."""
        home = self.field.at_home()
        cache = EmbeddingCache(home.run.features, self.segmenter)
        if self.segment_on == "photo":
            return cache.get(view.name, lambda: read_image(view, home.width))
        return cache.get(f"{view.name} rendered", lambda: self._render(home.sized(view)))

    def of_camera(self, camera: Camera) -> Embedding:
        """The embedding of a render; not kept."""
        return self.segmenter.embed(self._render(camera))

    def _render(self, camera: Camera) -> UInt8[Tensor, "h w 3"]:
        return (self.field.render(camera).rgb * 255).round().to(torch.uint8)
