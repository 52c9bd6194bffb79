"""Everything: prompts for all things that views from all round agree upon, without a word of the user's.

A grid of clicks takes a few views to pieces. A piece is a thing if the other views that see its surface have
a piece of the same extent there; how well they agree is the mean over these views. Of pieces that overlap,
the one that is agreed upon best stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.masks.abreast import abreast
from sanerf_hq.masks.interior import depth_inside
from sanerf_hq.masks.pictures import Pictures, SegmentOn
from sanerf_hq.masks.pieces import Piece, iou, pieces_of
from sanerf_hq.prompts import BoxPrompt, covering_views, sightings
from sanerf_hq.radiance import RadianceField, ViewSamples, load_view_samples
from sanerf_hq.runs import Key, Progress, ProgressCallback, quiet
from sanerf_hq.segmenters import Segmenter

STAGE = "everything"
VIEWS = 8
MOST_THINGS = 32
POINTS = 2000  # of a view's surfaces, that the other views are asked about
SEES = 0.35  # share of a piece's points from which a view has a say on it
LEAST_SAYS = 2  # views that must have one
LEAST_POINTS = 4
LEAST_SCORE = 0.35
SAME = 0.4  # agreement from which two pieces show one thing
WELL = 0.6  # agreement from which what a piece shows stands for the other, too
PART = 0.5  # share of a piece in another from which it is a part of it
AT_BORDER = 0.02  # of the picture's border, that a whole thing covers at most


@dataclass(frozen=True)
class Shared:
    """What pieces have in common, in space.

    Attributes:
        owner: Row of the view of each piece.
        points: Surface points under each.
        seen: Those of them that each view sees.
        held: Those of row i's points that lie in column j's piece, in the view of j.
    """

    owner: Int64[Tensor, "n"]
    points: Float[Tensor, "n"]
    seen: Float[Tensor, "n n_views"]
    held: Float[Tensor, "n n"]

    @staticmethod
    def of(field: RadianceField, pool: ViewSamples, pieces: list[Piece], numbers: list[int]) -> Shared:
        """By a lot of each view's surface points, projected into all others."""
        home = field.at_home()
        owner = torch.tensor([numbers.index(piece.number) for piece in pieces], dtype=torch.int64)
        n = len(pieces)
        points, seen, held = torch.zeros(n), torch.zeros(n, len(numbers)), torch.zeros(n, n)
        for row, number in enumerate(numbers):
            rays = pool.of_view(number)
            pixels = (pool.pixels[rays] - home.pixel_rays.offsets[number]).cpu()
            where = pool.points[rays].cpu()
            own = (owner == row).nonzero()[:, 0]
            if not len(own):
                continue
            y, x = pixels // home.cameras[number].width, pixels % home.cameras[number].width
            under = torch.stack([pieces[i].holds(x, y) for i in own.tolist()])
            under &= where.isfinite().all(-1)
            lot = under.any(0).nonzero()[:, 0]
            key = Key(home.run.seed, STAGE, number)
            lot = lot[torch.randperm(len(lot), generator=key.generator())[:POINTS]]
            members = under[:, lot].float()
            points[own] = members.sum(1)
            cameras = [home.cameras[other] for other in numbers]
            views = sightings(field, cameras, where[lot])
            for column in range(len(cameras)):
                visible = views.visible[column].float()
                seen[own, column] = members @ visible
                x, y = views.xy[column].nan_to_num(0).long().unbind(-1)
                theirs = (owner == column).nonzero()[:, 0]
                if len(theirs):
                    inside = torch.stack([pieces[j].holds(x, y) for j in theirs.tolist()]).float()
                    held[own[:, None], theirs[None]] = members @ (inside * visible).T
        return Shared(owner, points, seen, held)

    def within(self, pieces: list[Piece], i: int, j: int) -> float:
        """Share of one piece that lies in another; 0 where the other's view hardly sees it."""
        if self.owner[i] == self.owner[j]:
            return int((pieces[i].mask & pieces[j].mask).sum()) / max(1, int(pieces[i].mask.sum()))
        seen = float(self.seen[i, self.owner[j]])
        return float(self.held[i, j]) / seen if seen >= LEAST_POINTS else 0.0

    def agreement(self, pieces: list[Piece], i: int, j: int) -> float:
        """IoU of two pieces, of other views by what each sees of the other."""
        if self.owner[i] == self.owner[j]:
            return iou(pieces[i].mask, pieces[j].mask)
        one, other = self.within(pieces, i, j), self.within(pieces, j, i)
        return 1 / (1 / one + 1 / other - 1) if one and other else 0.0


def find_everything(
    field: RadianceField,
    segmenter: Segmenter,
    pool: ViewSamples | None = None,
    n_views: int | None = None,
    segment_on: SegmentOn = "photo",
    progress: ProgressCallback = quiet,
) -> dict[str, list[BoxPrompt]]:
    """Prompts for all things in a scene, by names that are made up; what is agreed upon best comes first.

    Args:
        field: A field at home in its run.
        segmenter: What takes the views to pieces; it answers a lone click.
        pool: Samples of the training views; read from the run if not given.
        n_views: Training views that are taken to pieces; None: eight, or as many as it takes.
        segment_on: What the segmenter is shown there.
        progress: Told of the views done; may raise Cancelled.

    Returns:
        For each thing a box in the view that shows it best, and a click well inside it.

    Raises:
        InputError: The views agree upon nothing.
        Cancelled: The callback asked for it.

    Example:
        segment_objects(field, segmenter, find_everything(field, segmenter))
    """
    home = field.at_home()
    numbers = covering_views(field, n_views, VIEWS)
    pictures = Pictures(field, segmenter, segment_on)
    pool = pool or load_view_samples(field, progress)
    pieces: list[Piece] = []

    def taken(number: int) -> list[Piece]:
        key = Key(home.run.seed, STAGE, number)
        return pieces_of(segmenter, pictures.of_view(home.views[number]), number, key)

    progress(Progress(STAGE, 0, len(numbers)))
    for done, found in enumerate(abreast(taken, numbers, pictures.threads), 1):
        pieces += found
        progress(Progress(STAGE, done, len(numbers)))
    chosen = things_among(pieces, Shared.of(field, pool, pieces, numbers))
    if not chosen:
        raise InputError(
            f"{len(numbers)} views agree upon no thing; click on what is meant, or draw a box round it"
        )
    return {f"thing {n}": [_prompt(field, piece)] for n, piece in enumerate(chosen, 1)}


def things_among(pieces: list[Piece], shared: Shared) -> list[Piece]:
    """Pieces that other views agree upon, no two of one thing, the best agreed upon first."""
    scores = [_score(pieces, shared, i) for i in range(len(pieces))]
    chosen: list[int] = []
    known: list[int] = []  # pieces of what is chosen, also from sides that the chosen one does not show
    for i in sorted(range(len(pieces)), key=lambda i: -scores[i]):
        if scores[i] < LEAST_SCORE or len(chosen) == MOST_THINGS:
            break
        if not any(_overlap(pieces, shared, i, j) for j in known):
            chosen.append(i)
            known += _alike(pieces, shared, i)
    return [pieces[i] for i in chosen]


def _score(pieces: list[Piece], shared: Shared, i: int) -> float:
    """Mean agreement of the views that see a piece, less where it is not trusted; 0 for what is cut off."""
    if _share_of_border(pieces[i]) > AT_BORDER:
        return 0.0
    says = []
    for view in range(shared.seen.shape[1]):
        least = max(LEAST_POINTS, SEES * float(shared.points[i]))
        if view != int(shared.owner[i]) and float(shared.seen[i, view]) >= least:
            theirs = (shared.owner == view).nonzero()[:, 0].tolist()
            says.append(max((shared.agreement(pieces, i, j) for j in theirs), default=0.0))
    return sum(says) / len(says) * pieces[i].trust ** 0.5 if len(says) >= LEAST_SAYS else 0.0


def _alike(pieces: list[Piece], shared: Shared, i: int) -> list[int]:
    """A piece, and of each view the one that agrees with it, if any does well."""
    best = {int(shared.owner[i]): (1.0, i)}
    for j in range(len(pieces)):
        view, agreed = int(shared.owner[j]), shared.agreement(pieces, i, j)
        if agreed > max(WELL, best.get(view, (0.0, j))[0]):
            best[view] = (agreed, j)
    return [j for _, j in best.values()]


def _overlap(pieces: list[Piece], shared: Shared, i: int, j: int) -> bool:
    """Whether two pieces show one thing, or one shows a part of the other's."""
    if shared.agreement(pieces, i, j) > SAME:
        return True
    return max(shared.within(pieces, i, j), shared.within(pieces, j, i)) >= PART


def _share_of_border(piece: Piece) -> float:
    mask = piece.mask
    return float(torch.cat([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).float().mean())


def _prompt(field: RadianceField, piece: Piece) -> BoxPrompt:
    """A box round a piece and a click where it is thickest, in the photo's own pixels."""
    view = field.at_home().views[piece.number]
    height, width = piece.mask.shape
    scale = torch.tensor([view.camera.width / width, view.camera.height / height])
    rows, columns = piece.mask.nonzero().T
    low = torch.stack([columns.min(), rows.min()]) * scale
    high = torch.stack([columns.max() + 1, rows.max() + 1]) * scale
    row, column = divmod(int(depth_inside(piece.mask).argmax()), width)
    x, y = ((torch.tensor([column, row]) + 0.5) * scale).long().tolist()
    x0, y0, x1, y1 = torch.cat([low, high]).tolist()
    return BoxPrompt(view.name, (x0, y0, x1, y1), [(x, y)])
