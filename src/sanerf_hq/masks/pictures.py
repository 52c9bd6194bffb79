"""Pictures that a segmenter is shown: photos, or as in the paper renders, at training views; else renders."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Literal, final

import torch
from jaxtyping import UInt8
from torch import Tensor

from sanerf_hq.features import EmbeddingCache
from sanerf_hq.geometry import Camera
from sanerf_hq.radiance import RadianceField
from sanerf_hq.scene import View, read_image
from sanerf_hq.segmenters import Embedding, Segmenter

SegmentOn = Literal["photo", "render"]

KEPT_CAMERAS = 4  # that a page's clicks go back and forth between
MOST_HELD = 128 * 2**20  # bytes of embeddings: some eighty views of ``compact``, sixty of SAM


@final
class Pictures:
    """Embeddings of what a segmenter is shown, training views' from the run's cache; for any thread."""

    def __init__(self, field: RadianceField, segmenter: Segmenter, segment_on: SegmentOn = "photo") -> None:
        """Show ``segmenter`` the photos of training views, or what ``field`` renders there."""
        self.field, self.segmenter, self.segment_on = field, segmenter, segment_on
        self._cache = EmbeddingCache(field.at_home().run.features, segmenter)
        self._held: OrderedDict[str, Embedding] = OrderedDict()
        self._rendered: OrderedDict[Hashable, Embedding] = OrderedDict()
        self._lock, self._at_work = Lock(), Lock()

    @property
    def threads(self) -> int:
        """Prompts that are decoded at a time: a graphics card is kept busy by one."""
        return torch.get_num_threads() if self.field.device.type == "cpu" else 1

    def of_view(self, view: View) -> Embedding:
        """The embedding of a training view; those used last are held in memory."""
        held = self._take(view.name)
        if held is not None:
            return held
        with self._at_work:  # one at a time: what two threads wait for is made once
            held = self._take(view.name)
            return self._made(view) if held is None else held

    def _take(self, name: str) -> Embedding | None:
        with self._lock:
            if name in self._held:
                self._held.move_to_end(name)
            return self._held.get(name)

    def _made(self, view: View) -> Embedding:
        home = self.field.at_home()
        if self.segment_on == "photo":
            made = self._cache.get(view.name, lambda: read_image(view, home.sized(view).width))
        else:
            made = self._cache.get(f"{view.name} rendered", lambda: self._render(home.sized(view)))
        with self._lock:
            self._held[view.name] = made
            while len(self._held) > 1 and sum(map(_bytes, self._held.values())) > MOST_HELD:
                self._held.popitem(last=False)
        return made

    def of_camera(self, camera: Camera) -> Embedding:
        """The embedding of a render; those of the last few cameras are held in memory."""
        key = _same(camera)
        with self._at_work:
            made = self._rendered.pop(key, None)
            if made is None:
                made = self.segmenter.embed(self._render(camera))
            self._rendered[key] = made
            while len(self._rendered) > KEPT_CAMERAS:
                self._rendered.popitem(last=False)
        return made

    def _render(self, camera: Camera) -> UInt8[Tensor, "h w 3"]:
        return (self.field.render(camera).rgb * 255).round().to(torch.uint8)


def _same(camera: Camera) -> Hashable:
    """One key for all cameras that see the same."""
    numbers = (camera.K.cpu().numpy().tobytes(), camera.camtoworld.cpu().numpy().tobytes())
    return (*numbers, camera.width, camera.height, camera.distortion, camera.time)


def _bytes(embedding: Embedding) -> int:
    return sum(tensor.nbytes for tensor in embedding.tensors.values())
