"""Embeddings of views, computed once and kept in the run folder."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable
from pathlib import Path

from jaxtyping import UInt8
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.runs import TensorFile, read_tensors, write_tensors
from sanerf_hq.segmenters import Embedding, Segmenter

FORMAT = "1"
LOG = logging.getLogger(__name__)

Image = UInt8[Tensor, "h w 3"]


class EmbeddingCache:
    """Embeddings of one segmenter, a file a view: ``FOLDER/<segmenter>/<view>.safetensors``.

    A file holds the embedding (floating point in half precision, on the CPU) and, as metadata, the image's
    digest, the segmenter's identity, the view's name and the image's size. A file that belongs to another
    image or segmenter is replaced; one that is damaged is reported to the log and replaced. Where none can be
    written, the log says so once, and embeddings are computed whenever they are asked for.
    """

    def __init__(self, folder: Path, segmenter: Segmenter) -> None:
        """Keep embeddings by ``segmenter`` below ``folder``, a run's ``features``, made when first needed."""
        self._folder = folder / slug(segmenter.identity)
        self._segmenter = segmenter
        self._reported = False

    def path(self, view_name: str) -> Path:
        """Where a view's embedding is kept."""
        return self._folder / f"{slug(view_name)}.safetensors"

    def get(self, view_name: str, image: Image | Callable[[], Image]) -> Embedding:
        """The embedding of a view's image, the same value whether it was kept or is new.

        Args:
            view_name: The view; different images of one view replace each other.
            image: The RGB image, or what reads it. It is needed even where the embedding is kept: its
                content is part of the key.

        Raises:
            InputError: The image cannot be read.
        """
        pixels = image if isinstance(image, Tensor) else image()
        height, width, _ = pixels.shape
        key = {
            "format": FORMAT,
            "segmenter": self._segmenter.identity,
            "view": view_name,
            "image": hashlib.blake2b(pixels.cpu().contiguous().numpy().data, digest_size=16).hexdigest(),
            "height": str(height),
            "width": str(width),
        }
        path = self.path(view_name)
        kept = _read(path)
        if kept is not None and kept.metadata == key:
            return Embedding(kept.tensors, height, width, view_name)
        made = self._segmenter.embed(pixels, view_name)
        tensors = {name: _halved(tensor).cpu() for name, tensor in made.tensors.items()}
        try:
            write_tensors(path, tensors, key)
        except InputError as error:
            if not self._reported:
                LOG.warning("embeddings are not kept, they are computed again when needed: %s", error)
            self._reported = True
        return Embedding(tensors, height, width, view_name)


def slug(name: str) -> str:
    """A file name for any name: readable, and different for different names on every file system.

    Example:
        >>> slug("images/left/07.jpg")
        'images-left-07.jpg-fadc8293'
    """
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[-60:].strip("-.")
    return f"{readable or 'x'}-{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}"


def _read(path: Path) -> TensorFile | None:
    if not path.exists():
        return None
    try:
        return read_tensors(path)
    except InputError:
        LOG.warning("%s is damaged or cannot be read: the embedding is computed again", path)
        return None


def _halved(tensor: Tensor) -> Tensor:
    """Half precision, unless a value is too large for it."""
    if not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    return half if bool(half.isfinite().all()) else tensor
