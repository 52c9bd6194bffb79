"""The one table of published weights: what a short name stands for, under which licence, how large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["sam", "sam_hq"]


@dataclass(frozen=True)
class Weights:
    """Published weights.

    Attributes:
        kind: The segmenter that reads them.
        size: Short name of the size; ``kind:size`` asks for it, ``kind`` alone for the first of its kind.
        hub_id: Where they are published.
        licence: SPDX identifier.
        megabytes: What is downloaded, about.
    """

    kind: Kind
    size: str
    hub_id: str
    licence: str
    megabytes: int


WEIGHTS = (
    Weights("sam", "base", "facebook/sam-vit-base", "Apache-2.0", 375),
    Weights("sam", "large", "facebook/sam-vit-large", "Apache-2.0", 1250),
    Weights("sam", "huge", "facebook/sam-vit-huge", "Apache-2.0", 2560),
    Weights("sam_hq", "base", "syscv-community/sam-hq-vit-base", "Apache-2.0", 380),
    Weights("sam_hq", "large", "syscv-community/sam-hq-vit-large", "Apache-2.0", 1260),
    Weights("sam_hq", "huge", "syscv-community/sam-hq-vit-huge", "Apache-2.0", 2570),
)


def published(kind: Kind, where: str) -> Weights | None:
    """The weights that ``kind:where`` means; ``where`` is a size, a hub id of the table, or empty.

    None where the table does not list them.
    """
    of_kind = [weights for weights in WEIGHTS if weights.kind == kind]
    if not where:
        return of_kind[0]
    return next((weights for weights in of_kind if where in (weights.size, weights.hub_id)), None)
