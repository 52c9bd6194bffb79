"""Target: which object of a run is exported, found by the name that the user gives."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Camera
from sanerf_hq.masks import MaskSet
from sanerf_hq.masks.rle import decode
from sanerf_hq.objects import (
    MovingObject,
    ObjectField,
    ObjectView,
    identity_names,
    load_moving_object,
    load_object_field,
    load_segmentation_masks,
)
from sanerf_hq.radiance import Home, RadianceField
from sanerf_hq.runs import Run


@dataclass(frozen=True)
class Target:
    """One or several identities of an object field, taken together as one object.

    Attributes:
        field: The segmentation that they are of.
        channels: Their channels, ≥ 1, in ascending order.
        name: What the user called them; good for a title, not for a file.
        segmentation: Name of the segmentation in the field's run; None for a field that is kept nowhere.
    """

    field: ObjectField
    channels: tuple[int, ...]
    name: str
    segmentation: str | None = None

    @staticmethod
    def whole(field: ObjectField, segmentation: str | None = None) -> Target:
        """All identities of a field."""
        channels = tuple(range(1, len(field.names) + 1))
        return Target(field, channels, segmentation or ", ".join(field.names), segmentation)

    @property
    def radiance(self) -> RadianceField:
        """The field that the object is cut out of."""
        return self.field.radiance

    def probability(self, points: Float[Tensor, "n_points 3"]) -> Float[Tensor, "n_points"]:
        """The object's probability in [0, 1] at points of the scene, whether or not there is a surface."""
        return self._sum(self.field.probability(points))

    def share(self, view: ObjectView) -> Float[Tensor, "h w"]:
        """The object's probability in [0, 1] in each pixel of a rendered view."""
        return self._sum(view.probabilities)

    def share_of(self, logits: Float[Tensor, "*n n_logits"]) -> Float[Tensor, "*n"]:
        """The object's probability in [0, 1] from composited or pointwise identity vectors."""
        return self._sum(logits.softmax(-1))

    def masks(self) -> dict[str, Bool[Tensor, "h w"]]:
        """The masks that the object was made from, by view, at the size that was worked at."""
        if self.segmentation is None:
            return {}
        found: dict[str, Bool[Tensor, "h w"]] = {}
        for segment in load_segmentation_masks(self.radiance, self.segmentation).segments:
            if segment.identity in self.channels:
                mask = decode(segment.mask)
                found[segment.view] = mask | found.get(segment.view, mask)
        return found

    def cameras(self) -> tuple[Camera, ...]:
        """The training cameras that see the object, by its masks; all of them where there are none."""
        home = self.radiance.at_home()
        if self.segmentation is None or not home.segmentation(self.segmentation).masks.exists():
            return home.cameras
        return cameras_of(home, load_segmentation_masks(self.radiance, self.segmentation), self.channels)

    def _sum(self, probabilities: Float[Tensor, "*n n_logits"]) -> Float[Tensor, "*n"]:
        channels = torch.tensor(self.channels, device=probabilities.device)
        return probabilities.index_select(-1, channels).sum(-1).clamp(0, 1)


@dataclass(frozen=True)
class MovingTarget:
    """The same in a scene that moves.

    Attributes:
        object: The segmentation that they are of.
        identities: Names of those that are taken together.
        name: What the user called them.
        segmentation: Name of the segmentation in the field's run.
    """

    object: MovingObject
    identities: tuple[str, ...]
    name: str
    segmentation: str

    @property
    def radiance(self) -> RadianceField:
        """The field that the object is cut out of."""
        return self.object.radiance

    def at(self, time: float | None) -> Target | None:
        """The object at the moment nearest to a time; None where it was not found.

        Raises:
            InputError: There is no time.
        """
        field = self.object.at(time)
        names = () if field is None else field.names
        channels = tuple(names.index(one) + 1 for one in self.identities if one in names)
        if field is None or not channels:
            return None
        return Target(field, channels, self.name, self.segmentation)

    def cameras(self) -> tuple[Camera, ...]:
        """The training cameras that see the object at their moments, by its masks."""
        stills = [self.at(moment) for moment in self.object.fields]
        return tuple(camera for one in stills if one is not None for camera in one.cameras())


def cameras_of(home: Home, masks: MaskSet, channels: Collection[int]) -> tuple[Camera, ...]:
    """The training cameras in which any of some identities has a mask; all of them where none has."""
    seeing = {one.view for one in masks.segments if one.identity in channels and one.mask.area}
    return tuple(home.sized(view) for view in home.views if view.name in seeing) or home.cameras


def still(target: Target | MovingTarget, time: float | None) -> Target | None:
    """What is exported of a picture's time: the object as it always is, or as it is then, if it is found."""
    return target.at(time) if isinstance(target, MovingTarget) else target


def find_moving_target(radiance: RadianceField, name: str) -> MovingTarget:
    """The object that a name stands for in a scene that moves; otherwise as :func:`find_target`."""
    run = radiance.at_home().run
    names = run.segmentation_names()
    segmentation, identity = _parted(name, names)
    if segmentation is None:
        held = {one: identity_names(radiance, one) for one in names}
        segmentation, identity = _owner(held, run, name), name
    whole = load_moving_object(radiance, segmentation)
    return MovingTarget(whole, _identities(whole.names, identity, run, segmentation), name, segmentation)


def find_target(radiance: RadianceField, name: str) -> Target:
    """The object that a name stands for.

    Args:
        radiance: A field at home in its run.
        name: A segmentation (all of its identities together), ``SEGMENTATION/IDENTITY``, or an identity that
            only one segmentation of the run has.

    Raises:
        InputError: There is no such object, or more than one.
    """
    home = radiance.at_home()
    names = home.run.segmentation_names()
    segmentation, identity = _parted(name, names)
    if segmentation is None:
        held = {one: identity_names(radiance, one) for one in names}
        segmentation, identity = _owner(held, home.run, name), name
    field = load_object_field(radiance, segmentation)
    meant = _identities(field.names, identity, home.run, segmentation)
    return Target(field, tuple(field.names.index(one) + 1 for one in meant), name, segmentation)


def _parted(name: str, segmentations: Sequence[str]) -> tuple[str | None, str]:
    """The segmentation that a name says, None where it says none; and the identity, "" for all of them."""
    if name in segmentations:
        return name, ""
    segmentation, slash, identity = name.partition("/")
    return (segmentation, identity) if slash and segmentation in segmentations else (None, name)


def _identities(names: tuple[str, ...], identity: str, run: Run, segmentation: str) -> tuple[str, ...]:
    """All of a segmentation's names, or the one that is asked for."""
    if identity and identity not in names:
        raise InputError(
            f"segmentation {segmentation!r} of {run.folder} has no identity {identity!r}; "
            f"it has: {', '.join(names)}"
        )
    return (identity,) if identity else names


def _owner(held: Mapping[str, tuple[str, ...]], run: Run, name: str) -> str:
    """Of segmentations with their identities the one that has an identity of a name."""
    owners = [segmentation for segmentation, identities in held.items() if name in identities]
    if len(owners) == 1:
        return owners[0]
    if owners:
        choices = " or ".join(f"{owner}/{name}" for owner in owners)
        raise InputError(f"{name!r} is an object of several segmentations of {run.folder}; say {choices}")
    begun = name.partition("/")[0]
    if begun in run.draft_names():
        raise run.no_segmentation(begun)
    known = ", ".join(map(_listed, held, held.values())) or "none; make one with sanerf segment"
    raise InputError(f"{run.folder} has no object {name!r}; its segmentations: {known}")


def _listed(segmentation: str, identities: tuple[str, ...]) -> str:
    """A segmentation as a message names it, with identities of other names in brackets."""
    return (
        segmentation if identities in ((), (segmentation,)) else f"{segmentation} ({', '.join(identities)})"
    )
