"""State: what one browser has asked for, as values; every edit makes a new state, so undo is a step back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from sanerf_hq.errors import InputError
from sanerf_hq.evaluate.pictures import PALETTE, Colour
from sanerf_hq.geometry import Camera
from sanerf_hq.masks import MaskSet
from sanerf_hq.prompts import BoxPrompt, PointPrompt, Prompt, SpacePrompt
from sanerf_hq.runs import check_name
from sanerf_hq.viewer.naming import is_taken, made_name
from sanerf_hq.viewer.viewpoint import Viewpoint

Operation = Literal["new", "add", "subtract", "intersect"]
Point = tuple[float, float, float]
MOST_STATES = 200


@dataclass(frozen=True)
class Picture:
    """What is clicked in: a view of the scene, or what a camera of the user's own sees.

    Attributes:
        view: Name of the view, or "".
        viewpoint: The camera, where it is no view; where it is neither, clicks are points in space.
        width: The picture's width, pixels.
        height: Its height.
    """

    view: str
    viewpoint: Viewpoint | None
    width: int
    height: int

    @property
    def where(self) -> str | Camera:
        """What a prompt says of it."""
        return self.view if self.viewpoint is None else self.viewpoint.camera(self.width, self.height)


SPACE = Picture("", None, 0, 0)


@dataclass(frozen=True)
class Click:
    """A click.

    Attributes:
        picture: Where.
        xy: Pixel of the picture.
        positive: On the object, or beside it.
        point: The surface that it shows, in the scene's coordinates; None: empty space.
        turn: What has the same was said at once, in one prompt; what has a higher one in view of the answer.
    """

    picture: Picture
    xy: tuple[float, float]
    positive: bool
    point: Point | None = None
    turn: int = 0


@dataclass(frozen=True)
class Box:
    """A box in a picture: x0, y0, x1, y1 in its pixels, the last two exclusive; ``turn`` as of a click."""

    picture: Picture
    corners: tuple[float, float, float, float]
    turn: int = 0


@dataclass(frozen=True)
class Said:
    """Clicks and a box that were given at once in one picture."""

    picture: Picture
    box: tuple[float, float, float, float] | None = None
    clicks: tuple[Click, ...] = ()

    def prompts(self) -> list[Prompt]:
        """What the library is asked; nothing where a click in space shows none."""
        if self.picture == SPACE:
            return self.in_space()
        on, off = ([one.xy for one in self.clicks if one.positive is kind] for kind in (True, False))
        where = self.picture.where
        return [PointPrompt(where, on, off) if self.box is None else BoxPrompt(where, self.box, on, off)]

    def in_space(self) -> list[Prompt]:
        """The clicks as the points in space that they show; nothing where they show none."""
        on, off = ([one.point for one in self.clicks if one.positive is kind] for kind in (True, False))
        on, off = ([point for point in some if point is not None] for some in (on, off))
        return [SpacePrompt(on, off)] if on or off else []


@dataclass(frozen=True)
class Part:
    """Prompts that a segmenter answers one after the other, and what becomes of the answer.

    Attributes:
        operation: How the answer is joined with the parts before: ``new`` stands first.
        clicks: In any pictures.
        boxes: One a picture, if drawn here.
        masks: The answer itself, of one object, where it is known without prompts: then there are none.
    """

    operation: Operation = "new"
    clicks: tuple[Click, ...] = ()
    boxes: tuple[Box, ...] = ()
    masks: MaskSet | None = None

    @property
    def is_prompted(self) -> bool:
        """Whether it says where the object is."""
        return self.masks is not None or bool(self.boxes) or any(click.positive for click in self.clicks)

    @property
    def next_turn(self) -> int:
        """Of what is said next."""
        return 1 + max((one.turn for one in (*self.clicks, *self.boxes)), default=-1)

    def said(self) -> list[Said]:
        """What was said at a time, in order; what has a box first."""
        every = [*self.boxes, *sorted(self.clicks, key=lambda one: one.turn)]
        groups: dict[tuple[int, Picture], Said] = {}
        for one in every:
            key = one.turn, one.picture
            before = groups.get(key, Said(one.picture))
            groups[key] = (
                replace(before, box=before.box or one.corners)
                if isinstance(one, Box)
                else replace(before, clicks=(*before.clicks, one))
            )
        return list(groups.values())

    def prompts(self) -> list[Prompt]:
        """What the library is asked."""
        return [prompt for one in self.said() for prompt in one.prompts()]


@dataclass(frozen=True)
class ObjectState:
    """One object in the making.

    Attributes:
        name: Unique in the session.
        colour: Of its overlay.
        visible: Whether the overlay shows it.
        parts: What it is made of, in order; the first is ``new``.
    """

    name: str
    colour: Colour
    visible: bool = True
    parts: tuple[Part, ...] = (Part(),)

    @property
    def is_prompted(self) -> bool:
        return self.parts[0].is_prompted


@dataclass(frozen=True)
class SessionState:
    """All that undo goes back over.

    Attributes:
        objects: At least one.
        active: Index of the one that clicks go to.
        opening: Which opening of a file they come from, 0 = none; it makes no state another one.
    """

    objects: tuple[ObjectState, ...] = field(default_factory=lambda: (ObjectState("object 1", PALETTE[0]),))
    active: int = 0
    opening: int = field(default=0, compare=False)

    @property
    def current(self) -> ObjectState:
        return self.objects[self.active]

    @property
    def prompted(self) -> tuple[ObjectState, ...]:
        """The objects that can be segmented."""
        return tuple(one for one in self.objects if one.is_prompted)

    def with_click(self, click: Click) -> SessionState:
        """The active object's last part with one click more; masks that are known are added to by a new part.

        Raises:
            InputError: The first click is a negative one.
        """
        part = self._open_part()
        if not click.positive and not part.is_prompted:
            raise InputError("click on the object first; then shift-click on what does not belong to it")
        return self._with_part(replace(part, clicks=(*part.clicks, replace(click, turn=part.next_turn))))

    def with_box(self, box: Box) -> SessionState:
        """The active object's last part with a box, in place of an earlier one in the same picture.

        Raises:
            InputError: The box is empty.
        """
        x0, y0, x1, y1 = box.corners
        if x1 - x0 < 1 or y1 - y0 < 1:
            raise InputError("the box is empty; drag from one corner of the object to the other")
        part = self._open_part()
        others = tuple(other for other in part.boxes if other.picture != box.picture)
        return self._with_part(replace(part, boxes=(*others, replace(box, turn=part.next_turn))))

    def with_part(self, operation: Operation) -> SessionState:
        """The active object with a new last part; one that says nothing yet is replaced.

        Raises:
            InputError: There is nothing yet to add to or to take from.
        """
        parts = self.current.parts
        if operation == "new":
            return self._with_current(replace(self.current, parts=(Part(),)))
        if not parts[0].is_prompted:
            raise InputError(f"there is nothing to {operation} yet; click on the object first")
        kept = parts if parts[-1].is_prompted else parts[:-1]
        return self._with_current(replace(self.current, parts=(*kept, Part(operation))))

    def with_object(self, name: str | None = None) -> SessionState:
        """One object more, which clicks go to from now on."""
        taken = {one.name for one in self.objects}
        number = next(n for n in range(1, len(taken) + 2) if not is_taken(f"object {n}", taken))
        colour = PALETTE[len(self.objects) % len(PALETTE)]
        made = ObjectState(check_name(name, taken) if name else f"object {number}", colour)
        return SessionState((*self.objects, made), len(self.objects))

    def with_found(self, found: Mapping[str, Part]) -> SessionState:
        """More objects, by what they were found as, in place of those not prompted; the first is active."""
        objects = list(self.prompted)
        for name, part in found.items():
            own = made_name(name, [one.name for one in objects])
            objects.append(ObjectState(own, PALETTE[len(objects) % len(PALETTE)], parts=(part,)))
        first = min(len(self.prompted), len(objects) - 1)
        return SessionState(tuple(objects), first) if objects else self

    def without(self, index: int) -> SessionState:
        """One object less; where it was the last, an empty one takes its place."""
        kept = self.objects[:index] + self.objects[index + 1 :]
        active = self.active - (index < self.active)
        return SessionState(kept, min(active, len(kept) - 1)) if kept else SessionState()

    def with_active(self, index: int) -> SessionState:
        """Another object is the one that clicks go to."""
        return replace(self, active=min(max(index, 0), len(self.objects) - 1))

    def renamed(self, name: str) -> SessionState:
        """The active object under another name.

        Raises:
            InputError: The name is none, or another object has it.
        """
        others = {one.name for i, one in enumerate(self.objects) if i != self.active}
        return self._with_current(replace(self.current, name=check_name(name, others)))

    def coloured(self, colour: Colour) -> SessionState:
        """The active object in another colour."""
        return self._with_current(replace(self.current, colour=colour))

    def recolours(self, other: SessionState) -> bool:
        """Whether it is another state with another colour of the active object."""
        return self == other.coloured(self.current.colour)

    def shown(self, index: int, visible: bool) -> SessionState:
        """An object shown or hidden."""
        objects = list(self.objects)
        objects[index] = replace(objects[index], visible=visible)
        return replace(self, objects=tuple(objects))

    def _open_part(self) -> Part:
        """The part that a prompt goes to."""
        last = self.current.parts[-1]
        return last if last.masks is None else Part("add")

    def _with_part(self, part: Part) -> SessionState:
        parts = self.current.parts
        kept = parts if parts[-1].masks is not None else parts[:-1]
        return self._with_current(replace(self.current, parts=(*kept, part)))

    def _with_current(self, one: ObjectState) -> SessionState:
        objects = (*self.objects[: self.active], one, *self.objects[self.active + 1 :])
        return replace(self, objects=objects)


@dataclass(frozen=True)
class History:
    """States before and after the present one.

    Attributes:
        present: What holds now.
        past: Older states, the latest last.
        future: States that were undone, the next one last.
    """

    present: SessionState = field(default_factory=SessionState)
    past: tuple[SessionState, ...] = ()
    future: tuple[SessionState, ...] = ()

    def then(self, state: SessionState) -> History:
        """A new present; what had been undone is forgotten, and so are the oldest of many states.

        A colour comes through many others while it is dragged: a further one takes the present's place.
        """
        if state == self.present:
            return self
        if self.past and state.recolours(self.present) and self.present.recolours(self.past[-1]):
            return replace(self, present=state, future=())
        return History(state, (*self.past, self.present)[-MOST_STATES:], ())

    def undone(self) -> History:
        """One step back; at the beginning nothing happens."""
        if not self.past:
            return self
        return History(self.past[-1], self.past[:-1], (*self.future, self.present))

    def redone(self) -> History:
        """One step forward again; where nothing was undone nothing happens."""
        if not self.future:
            return self
        return History(self.future[-1], (*self.past, self.present), self.future[:-1])
