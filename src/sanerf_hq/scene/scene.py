"""Scene: posed photos and what is known of them, in the scene's own coordinates."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Camera
from sanerf_hq.scene.options import SceneOptions

Split = Literal["train", "test"]


@dataclass(frozen=True)
class ObjectMask:
    """Truth of one object in one view.

    Attributes:
        id: The object's.
        path: Image of the photo's shape, at any size; above 128 is the object.
    """

    id: int
    path: Path


@dataclass(frozen=True)
class View:
    """One posed photo; its pixels stay on disk until asked for (see :mod:`sanerf_hq.scene.images`).

    Attributes:
        name: The file path as the scene's file gives it (without a leading ``./``), unique in the scene.
        camera: Camera at the photo's own size.
        image_path: The photo.
        split: Whether it may be trained on.
        mask_path: Image whose zero pixels are not to be trained on (nerfstudio's ``mask_path``). This and
            the next two are of the photo's shape, at any size.
        instance_path: 8- or 16-bit image of object ids, 0 = background, where there is truth.
        depth_path: 16-bit image of exact z-depth, where there is truth.
        depth_unit_scale: Scene units per unit of the depth image.
        camera_id: Which of several fixed cameras, in a dynamic scene.
        object_masks: Truth of single objects, for scenes whose objects have test views of their own.
        bounds: Depth of the nearest and the farthest content, scene units, where the scene's files say it.
    """

    name: str
    camera: Camera
    image_path: Path
    split: Split = "train"
    mask_path: Path | None = None
    instance_path: Path | None = None
    depth_path: Path | None = None
    depth_unit_scale: float = 1e-3
    camera_id: int | None = None
    object_masks: tuple[ObjectMask, ...] = ()
    bounds: tuple[float, float] | None = None

    @property
    def stem(self) -> str:
        return self.image_path.stem


@dataclass(frozen=True)
class SceneObject:
    """An object that the scene names, with prompts for it, in one view or in space, if it has any.

    Attributes:
        id: Its value in the instance images, ≥ 1.
        name: Unique in the scene.
        prompt_view: Name of the view that the prompts are given in; empty where none is in a view.
        positive: Clicks on it, integer pixel indices (x, y), the most interior first.
        negative: Clicks beside it.
        box: x0, y0, x1, y1 in pixels, the last two exclusive; None if not given.
        points: Points on its surface, in the scene's own coordinates.
        negative_points: Points beside it.
        least_visible: Of all points in space, those that a view must see to be prompted by the authors' rule;
            None: floor(0.8 n) + 1 of all n.
        crucial: Indices of ``points`` that it must all see by that rule.
    """

    id: int
    name: str
    prompt_view: str
    positive: tuple[tuple[int, int], ...]
    negative: tuple[tuple[int, int], ...] = ()
    box: tuple[int, int, int, int] | None = None
    points: tuple[tuple[float, float, float], ...] = ()
    negative_points: tuple[tuple[float, float, float], ...] = ()
    least_visible: int | None = None
    crucial: tuple[int, ...] = ()


@dataclass(frozen=True)
class Scene:
    """Posed photos of one place.

    Attributes:
        root: The folder they lie in; every path of the scene is inside it.
        name: For people and folders: the scene folder's name.
        views: All of them, in the file's order.
        objects: Objects with prompts (and, through ``instance_path``, truth); may be empty.
        file: The one file that it was read from; None where there are several, or none.
        options: How it was opened: what was asked for, and the format and split that were found.
    """

    root: Path
    name: str
    views: tuple[View, ...]
    objects: tuple[SceneObject, ...] = ()
    file: Path | None = None
    options: SceneOptions = field(default_factory=SceneOptions)

    @property
    def train_views(self) -> tuple[View, ...]:
        return tuple(view for view in self.views if view.split == "train")

    @property
    def test_views(self) -> tuple[View, ...]:
        return tuple(view for view in self.views if view.split == "test")

    def view(self, name: str) -> View:
        """A view by its name or, where that is unique, its file's stem.

        Raises:
            InputError: No view, or more than one, answers to ``name``.
        """
        exact = [view for view in self.views if view.name == name.removeprefix("./")]
        found = exact or [view for view in self.views if view.stem == name]
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(
                f"view {name!r} is ambiguous in {self.root}: say one of "
                + ", ".join(view.name for view in found[:4])
            )
        some = ", ".join(view.stem for view in self.views[:3])
        raise InputError(f"{self.root} has no view {name!r}; its views are called {some}, …")
