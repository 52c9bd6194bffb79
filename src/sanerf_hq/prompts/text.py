"""Text: words to boxes in a few views, round the thing that most views take for what is meant.

A detector sees each photo alone: it errs in some, and where several things fit the words, it may like another
one best in each. So every box is given a place in space, by the depth of what it shows, and boxes of one
place stand together.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.prompts.coverage import covering_views
from sanerf_hq.prompts.prompt import BoxPrompt
from sanerf_hq.radiance import RadianceField
from sanerf_hq.runs import Progress, ProgressCallback, quiet
from sanerf_hq.scene import View, read_image
from sanerf_hq.segmenters import Detector

STAGE = "text"
VIEWS = 12
LEAST_SCORE = 0.3
MOST_BOXES = 5  # of a view, the likeliest
MOST_PROMPTS = 3
GRID = 7  # rays a side through the middle half of a box
NEAR = 0.5  # of the larger one's size: things whose middles are nearer to each other are one


@dataclass(frozen=True)
class Finding:
    """A box that fits the words, and the thing in it.

    Attributes:
        view: The view's name.
        box: x0, y0, x1, y1 in the photo's pixels.
        score: How well it fits the words, in [0, 1].
        middle: About where the thing's middle is, in the scene's coordinates.
        size: About how large it is, in scene units.
    """

    view: str
    box: tuple[float, float, float, float]
    score: float
    middle: Float[Tensor, "3"]
    size: float


def find_by_text(
    field: RadianceField,
    detector: Detector,
    text: str,
    n_views: int | None = None,
    progress: ProgressCallback = quiet,
    least_score: float = LEAST_SCORE,
) -> list[BoxPrompt]:
    """Prompts for the one thing that fits the words best in most views.

    Args:
        field: A field at home in its run.
        detector: What finds words in photos.
        text: What the object is, such as "a gold cape".
        n_views: Training views that are looked at; None: twelve, or as many as it takes.
        progress: Told of the progress; may raise Cancelled.
        least_score: How well a box has to fit the words to count, in [0, 1].

    Returns:
        A box in each of the views where it fits best, at most :data:`MOST_PROMPTS`.

    Raises:
        InputError: The text is empty, the score not in [0, 1], or nothing in these views fits the text.
        Cancelled: The callback asked for it.

    Example:
        prompts = find_by_text(field, load_detector("grounding_dino"), "a gold cape")
    """
    if not 0 <= least_score <= 1:
        raise InputError(f"the least score (--least-score) is {least_score:g}; give a number from 0 to 1")
    home = field.at_home()
    order = covering_views(field, n_views, VIEWS)
    found: list[Finding] = []
    likeliest = 0.0
    for done, number in enumerate(order):
        progress(Progress(STAGE, done, len(order)))
        view = home.views[number]
        seen = detector.detect(read_image(view), text)
        likeliest = max([likeliest, *seen.scores[:1].tolist()])
        fitting = int((seen.scores[:MOST_BOXES] >= least_score).sum())
        for box, score in zip(seen.boxes[:fitting], seen.scores[:fitting].tolist(), strict=True):
            place = placed(field, view, box)
            if place is not None:
                x0, y0, x1, y1 = box.tolist()
                found.append(Finding(view.name, (x0, y0, x1, y1), score, *place))
    progress(Progress(STAGE, len(order), len(order)))
    if not found:
        raise InputError(
            f"nothing in {len(order)} training views fits the text {text!r} (the likeliest scores "
            f"{likeliest:.2f}, {least_score:g} is needed); use other words, lower the least score "
            "(--least-score), or click on the object"
        )
    agreed = max((together(one, found) for one in found), key=lambda group: sum(each.score for each in group))
    return [BoxPrompt(one.view, one.box) for one in agreed[:MOST_PROMPTS]]


def placed(
    field: RadianceField, view: View, box: Float[Tensor, "4"]
) -> tuple[Float[Tensor, "3"], float] | None:
    """About where the middle of the thing in a box is, and its size; None where the box shows empty space.

    The middle lies behind the surface by half of the box's shorter side, so that boxes from all round agree.
    """
    low, high = box[:2], box[2:]
    sides = high - low
    if not bool((sides >= 1).all()):
        return None
    steps = 0.25 + 0.5 * (torch.arange(GRID) + 0.5) / GRID
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    xy = low + torch.stack([x, y], -1).flatten(0, 1) * sides
    depth = field.depth_at(view.camera, xy)
    there = depth.isfinite()
    if 2 * int(there.sum()) < len(there):
        return None
    z = depth[there].median()
    unit = z / view.camera.K[0, 0]  # of a pixel there
    inside = z + 0.5 * unit * sides.min()
    return view.camera.unproject((low + sides / 2)[None], inside[None])[0], float(unit * sides.max())


def together(one: Finding, found: list[Finding]) -> list[Finding]:
    """What shows the same thing as a finding, the likeliest of each view, the likeliest view first."""
    same: dict[str, Finding] = {}
    for other in sorted(found, key=lambda each: -each.score):
        apart = float((other.middle - one.middle).norm())
        if apart <= NEAR * max(one.size, other.size):
            same.setdefault(other.view, other)
    return list(same.values())
