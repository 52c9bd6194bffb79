"""Lifting prompts to 3D by depth (Eq. 5, 6), and telling where 3D points are seen.

A projected point is used in a view only if the surface that the view sees there is the point's own:
|z - D| ≤ tolerance · z, relative to depth, so it holds at any scale.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sanerf_hq.errors import InputError, NothingHit
from sanerf_hq.geometry import Camera, concatenate_rays
from sanerf_hq.prompts.prompt import BoxPrompt, Click, PointPrompt, Prompt, SpacePrompt
from sanerf_hq.radiance import RadianceField
from sanerf_hq.scene import View

TOLERANCE = 0.02  # of a point's depth, how far behind a surface it may lie and still be seen
LEAST_COMPANY = 3  # clicks, among which one can be told to be astray
STEEP = 4.0  # times as far behind another click as beside it


@dataclass(frozen=True)
class Marks:
    """What is marked in one picture, in its pixels at the size that is worked at.

    Attributes:
        camera: The picture's camera.
        view: The view it is, or None for a camera of the user's own.
        xy: Clicks.
        labels: 1 on the object, 0 beside it.
        box: x0, y0, x1, y1, or None.
    """

    camera: Camera
    view: View | None
    xy: Float[Tensor, "n_points 2"]
    labels: Int64[Tensor, "n_points"]
    box: Float[Tensor, "4"] | None

    @property
    def positive(self) -> Float[Tensor, "n_positive 2"]:
        return self.xy[self.labels == 1]

    def with_more(self, xy: Float[Tensor, "n 2"], label: int) -> Marks:
        """The same and more clicks of one label."""
        labels = torch.full((len(xy),), label, dtype=torch.int64)
        return replace(self, xy=torch.cat([self.xy, xy]), labels=torch.cat([self.labels, labels]))


@dataclass(frozen=True)
class Cloud:
    """Labelled points in space.

    Attributes:
        points: In the scene's coordinates.
        labels: 1 on the object, 0 beside it.
    """

    points: Float[Tensor, "n_points 3"]
    labels: Int64[Tensor, "n_points"]

    def __len__(self) -> int:
        return self.labels.shape[0]

    @staticmethod
    def join(clouds: list[Cloud]) -> Cloud:
        """The points of several."""
        empty = Cloud(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))
        clouds = [empty, *clouds]
        return Cloud(torch.cat([c.points for c in clouds]), torch.cat([c.labels for c in clouds]))


def marks_of(field: RadianceField, prompt: PointPrompt | BoxPrompt) -> Marks:
    """A prompt in the pixels that are worked at.

    Raises:
        InputError: There is no such view, or a click or the box lies off the image.
    """
    home = field.at_home()
    view = home.scene.view(prompt.view) if isinstance(prompt.view, str) else None
    own = view.camera if view is not None else prompt.view
    assert isinstance(own, Camera)
    where = f"view {view.name}" if view is not None else "the camera's picture"
    camera = own if view is None else home.sized(view)
    scale = torch.tensor([camera.width / own.width, camera.height / own.height])
    clicks = [*prompt.positive, *prompt.negative]
    for x, y in clicks:
        _check_inside(own, (x, y), where)
    box = None
    if isinstance(prompt, BoxPrompt):
        x0, y0, x1, y1 = prompt.box
        if x1 <= 0 or y1 <= 0 or x0 >= own.width or y0 >= own.height:
            raise InputError(
                f"box {x0:g},{y0:g},{x1:g},{y1:g} lies off {where}, "
                f"which is {own.width}x{own.height} pixels; give x0,y0,x1,y1 inside it"
            )
        box = torch.tensor([[max(x0, 0), max(y0, 0)], [min(x1, own.width), min(y1, own.height)]])
        box = (box * scale).flatten().float()
    xy = (torch.tensor(clicks, dtype=torch.float32).reshape(-1, 2) + 0.5) * scale
    labels = torch.tensor([1] * len(prompt.positive) + [0] * len(prompt.negative), dtype=torch.int64)
    return Marks(camera, view, xy, labels, box)


def marks_by_view(field: RadianceField, prompts: Sequence[PointPrompt | BoxPrompt]) -> list[Marks]:
    """Prompts in the pixels that are worked at, those of one view together, as if they were one.

    Of a view with several boxes each box stays by itself, with its own clicks. So does a prompt in a camera.

    Raises:
        InputError: As :func:`marks_of`.
    """
    drawn = [marks_of(field, prompt) for prompt in prompts]
    boxes = Counter(one.view.name for one in drawn if one.view is not None and one.box is not None)
    groups: dict[int | str, list[Marks]] = {}
    for number, one in enumerate(drawn):
        key: int | str = number
        if one.view is not None and (one.box is None or boxes[one.view.name] == 1):
            key = one.view.name
        groups.setdefault(key, []).append(one)
    return [_together(group) for group in groups.values()]


def _together(group: list[Marks]) -> Marks:
    """Marks of one view, of which at most one has a box: those on the object come first, as in each."""
    xy, labels = torch.cat([one.xy for one in group]), torch.cat([one.labels for one in group])
    order = labels.argsort(descending=True, stable=True)
    box = next((one.box for one in group if one.box is not None), None)
    return replace(group[0], xy=xy[order], labels=labels[order], box=box)


def lift(field: RadianceField, marks: Marks) -> Cloud:
    """Clicks to points on the surfaces they show (Eq. 6); a negative click on empty space has none.

    Nor has one of three or more positive clicks that lies far behind the next one, for what lies between them
    in the picture: it went through a gap, or shows a part that is too thin for the field.

    Raises:
        InputError: A positive click shows empty space.
    """
    if not len(marks.xy):
        return Cloud.join([])
    depth = field.depth_at(marks.camera, marks.xy)
    for xy, label, z in zip(marks.xy.tolist(), marks.labels.tolist(), depth.tolist(), strict=True):
        if label == 1 and z != z:
            name = "the camera's picture" if marks.view is None else f"view {marks.view.name}"
            raise NothingHit(
                f"the click at {xy[0] - 0.5:g},{xy[1] - 0.5:g} in {name} hits empty space; "
                "click where the object is"
            )
    points = marks.camera.unproject(marks.xy, depth)
    kept = depth.isfinite()
    on = (marks.labels == 1).nonzero()[:, 0]
    kept[on] &= ~_far_behind(marks.xy[on], depth[on], marks.camera)
    return Cloud(points[kept], marks.labels[kept])


def lost_clicks(field: RadianceField, marks: Marks) -> Float[Tensor, "n_lost 2"]:
    """Pixels of the positive clicks that :func:`lift` leaves out, for they lie far behind the next one."""
    xy = marks.positive
    return xy[_far_behind(xy, field.depth_at(marks.camera, xy), marks.camera)]


def _far_behind(xy: Float[Tensor, "n 2"], depth: Float[Tensor, "n"], camera: Camera) -> Bool[Tensor, "n"]:
    """Which pixels lie steeply behind the one that is nearest to them in the picture."""
    if len(depth) < LEAST_COMPANY:
        return torch.zeros(len(depth), dtype=torch.bool)
    apart = torch.cdist(xy, xy).fill_diagonal_(torch.inf)
    nearest = apart.argmin(1)
    beside = apart.amin(1) * depth[nearest] / camera.K[0, 0]
    return depth - depth[nearest] > STEEP * beside


def space_cloud(prompt: SpacePrompt) -> Cloud:
    """Points that the user gave in space."""
    points = torch.tensor([*prompt.positive, *prompt.negative], dtype=torch.float32)
    labels = [1] * len(prompt.positive) + [0] * len(prompt.negative)
    return Cloud(points, torch.tensor(labels, dtype=torch.int64))


def cloud_of(field: RadianceField, prompt: PointPrompt | SpacePrompt) -> Cloud:
    """Points that clicks show (:func:`lift`, its errors) or that were given in space."""
    return space_cloud(prompt) if isinstance(prompt, SpacePrompt) else lift(field, marks_of(field, prompt))


@dataclass(frozen=True)
class Sightings:
    """Where points fall in several cameras, and where they are seen.

    Attributes:
        xy: Pixels.
        visible: On screen, and not behind another surface.
    """

    xy: Float[Tensor, "n_cameras n_points 2"]
    visible: Bool[Tensor, "n_cameras n_points"]


@torch.no_grad()
def sightings(
    field: RadianceField,
    cameras: list[Camera],
    points: Float[Tensor, "n_points 3"],
    tolerance: float = TOLERANCE,
) -> Sightings:
    """Project points into cameras and test whether each is seen there.

    The depth that a point is compared with is that of the very ray through it.

    Args:
        field: What may hide them.
        cameras: Any cameras, in the scene's coordinates.
        points: In the scene's coordinates.
        tolerance: Share of its depth by which a point may lie before or behind the surface.
    """
    shape = (len(cameras), points.shape[0])
    if not shape[0] or not shape[1]:
        return Sightings(torch.zeros(*shape, 2), torch.zeros(*shape, dtype=torch.bool))
    projections = [camera.project(points) for camera in cameras]
    visible = torch.stack([projection.on_screen for projection in projections])
    if visible.any():
        asked = [(c, p, on) for c, p in zip(cameras, projections, strict=True) if (on := p.on_screen).any()]
        rays = concatenate_rays([camera.rays(p.xy[on]) for camera, p, on in asked])
        seen = field.world.length_to_scene(field.surfaces(rays).distance).cpu() * rays.cosines
        own = torch.cat([p.depth[on] for _, p, on in asked])
        visible[visible.clone()] = (own - seen).abs() <= tolerance * own  # NaN: no surface, so not seen
    return Sightings(torch.stack([projection.xy for projection in projections]), visible)


def split_prompts(prompts: list[Prompt]) -> tuple[list[PointPrompt | BoxPrompt], list[SpacePrompt]]:
    """Those given in pictures and those given in space."""
    space = [prompt for prompt in prompts if isinstance(prompt, SpacePrompt)]
    return [prompt for prompt in prompts if not isinstance(prompt, SpacePrompt)], space


def _check_inside(camera: Camera, click: Click, where: str) -> None:
    x, y = click
    if not (0 <= x < camera.width and 0 <= y < camera.height):
        raise InputError(
            f"the click {x:g},{y:g} lies off {where}, which is {camera.width}x{camera.height} pixels; "
            "give x,y inside it"
        )
