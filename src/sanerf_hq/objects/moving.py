"""MovingObject: objects of a scene that moves, an object field for each of its moments."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Camera
from sanerf_hq.masks import MaskSet
from sanerf_hq.objects.composite import BACKGROUND_LOGIT
from sanerf_hq.objects.field import ObjectField, ObjectView
from sanerf_hq.objects.train import load_object_field, load_segmentation_masks
from sanerf_hq.radiance import RadianceField, nearest_moment


@dataclass(frozen=True)
class MovingObject:
    """Objects at every moment of a scene that moves.

    Attributes:
        radiance: What they are part of.
        names: Of the objects; identity i is ``names[i - 1]``.
        fields: By moment; a moment at which none of them was found has none, and a field lacks those that
            were not found.
    """

    radiance: RadianceField
    names: tuple[str, ...]
    fields: dict[float, ObjectField]

    def at(self, time: float | None) -> ObjectField | None:
        """The objects at the moment nearest to a time; None where none was found.

        Raises:
            InputError: There is no time.
        """
        if time is None:
            raise InputError("these objects move, and no time was given; say when, from 0 to 1")
        return self.fields.get(nearest_moment(self.radiance.moments, time))

    def render(self, camera: Camera) -> ObjectView:
        """The objects as seen by ``camera``, at its time."""
        found = self.at(camera.time)
        if found is None:
            return self.numbered((), torch.zeros(camera.height, camera.width, 1))
        return self.numbered(found.names, found.render(camera).logits)

    def cutout(self, camera: Camera) -> Float[Tensor, "h w 4"]:
        """The objects alone as seen by ``camera``, at its time; see :meth:`ObjectField.cutout`."""
        found = self.at(camera.time)
        return torch.zeros(camera.height, camera.width, 4) if found is None else found.cutout(camera)

    def numbered(self, found: tuple[str, ...], logits: Float[Tensor, "h w n_found"]) -> ObjectView:
        """A view of some of the objects as one of all: what was not found is nowhere."""
        height, width, _ = logits.shape
        every = torch.full((height, width, len(self.names) + 1), -BACKGROUND_LOGIT)
        every[..., 0] = logits[..., 0] if found else BACKGROUND_LOGIT
        for place, name in enumerate(found, 1):
            every[..., self.names.index(name) + 1] = logits[..., place]
        return ObjectView(every, every.softmax(-1))


def load_moving_object(field: RadianceField, name: str) -> MovingObject:
    """A named segmentation of the run of a scene that moves.

    Args:
        field: A field at home, at no moment.
        name: The segmentation's.

    Raises:
        InputError: There is none of that name, or it is damaged.
    """
    run = field.at_home().run
    if name not in run.segmentation_names():
        raise run.no_segmentation(name)
    fields = {
        moment: load_object_field(still, name)
        for moment in field.moments
        if (still := field.at(moment)).at_home().segmentation(name).field.exists()
    }
    names = tuple(dict.fromkeys(name for one in fields.values() for name in one.names))
    return MovingObject(field, names, fields)


def load_moving_masks(field: RadianceField, name: str) -> dict[float, MaskSet]:
    """The masks that a named segmentation was made from, by moment."""
    stills = {moment: field.at(moment) for moment in field.moments}
    return {
        moment: load_segmentation_masks(still, name)
        for moment, still in stills.items()
        if still.at_home().segmentation(name).masks.exists()
    }
