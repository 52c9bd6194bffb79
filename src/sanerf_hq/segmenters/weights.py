"""The one table of published weights: what a short name stands for, under which licence, how large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["sam", "sam_hq", "sam2", "grounding_dino"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def called(spec: str) -> str:
    """``kind`` or ``kind:where`` with what it is: ``segmenter sam:base``."""
    return f"{'detector' if spec.partition(':')[0] == 'grounding_dino' else 'segmenter'} {spec}"


@dataclass(frozen=True)
class Weights:
    """Published weights.

    Attributes:
        kind: The segmenter or detector that reads them.
        size: Short name of the size; ``kind:size`` asks for it, ``kind`` alone for the first of its kind.
        hub_id: Where they are published.
        licence: SPDX identifier.
        megabytes: What is downloaded, about, in 10^6 bytes.
    """

    kind: Kind
    size: str
    hub_id: str
    licence: str
    megabytes: int

    @property
    def spec(self) -> str:
        """As ``--segmenter`` or ``--detector`` takes it."""
        return f"{self.kind}:{self.size}"


WEIGHTS = (
    Weights("sam", "base", "facebook/sam-vit-base", "Apache-2.0", 375),
    Weights("sam", "large", "facebook/sam-vit-large", "Apache-2.0", 1250),
    Weights("sam", "huge", "facebook/sam-vit-huge", "Apache-2.0", 2560),
    Weights("sam_hq", "base", "syscv-community/sam-hq-vit-base", "Apache-2.0", 379),
    Weights("sam_hq", "large", "syscv-community/sam-hq-vit-large", "Apache-2.0", 1255),
    Weights("sam_hq", "huge", "syscv-community/sam-hq-vit-huge", "Apache-2.0", 2570),
    Weights("sam2", "tiny", "facebook/sam2.1-hiera-tiny", "Apache-2.0", 156),
    Weights("sam2", "small", "facebook/sam2.1-hiera-small", "Apache-2.0", 184),
    Weights("sam2", "base-plus", "facebook/sam2.1-hiera-base-plus", "Apache-2.0", 323),
    Weights("sam2", "large", "facebook/sam2.1-hiera-large", "Apache-2.0", 898),
    Weights("grounding_dino", "tiny", "IDEA-Research/grounding-dino-tiny", "Apache-2.0", 690),
    Weights("grounding_dino", "base", "IDEA-Research/grounding-dino-base", "Apache-2.0", 933),
)


def published(kind: Kind, where: str) -> Weights | None:
    """The weights that ``kind:where`` means; ``where`` is a size, a hub id of the table, or empty.

    None where the table does not list them.
    """
    of_kind = [weights for weights in WEIGHTS if weights.kind == kind]
    if not where:
        return of_kind[0]
    return next((weights for weights in of_kind if where in (weights.size, weights.hub_id)), None)
