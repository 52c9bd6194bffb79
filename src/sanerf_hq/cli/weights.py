"""Weights: which pretrained models there are, which are on this machine, and fetching one."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

from sanerf_hq.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from sanerf_hq.segmenters.weights import Kind

COLUMNS = ("name", "model", "licence", "size", "where")


@dataclass(frozen=True)
class WeightsList:
    """List the pretrained models: name, licence, size of the download, and where they are on this machine.

    Asks no network. A name without a size, such as sam2, stands for the first of its kind. Any other model of
    these kinds works too, by its hub id or the folder that holds it.
    """

    def run(self) -> int:
        """Print the table."""
        rows = [COLUMNS, *rows_of_weights()]
        widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
        for row in rows:
            print("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())
        return 0


@dataclass(frozen=True)
class WeightsFetch:
    """Put a pretrained model into the cache, once; from then on it is used without a network.

    A download that was stopped goes on with the same command. HF_HOME names another folder for the cache,
    HF_TOKEN is for models that ask who you are.

    Example: sanerf weights fetch sam2:small
    """

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="KIND[:SIZE|HUB_ID|FOLDER]")]
    """What --segmenter would be given: sam, sam_hq:large, sam2:facebook/sam2.1-hiera-tiny. A folder is only
    looked at."""

    def run(self) -> int:
        """Fetch, and say where it is."""
        kind, where = parsed(self.name)
        from sanerf_hq.segmenters.hub import cached_folder
        from sanerf_hq.segmenters.model_folder import find_model_folder
        from sanerf_hq.segmenters.weights import published

        listed = published(kind, where)
        if listed is not None and cached_folder(listed.hub_id) is None:
            print(
                f"fetching {listed.hub_id}: {amount(listed.megabytes * 10**6)}, {listed.licence}",
                file=sys.stderr,
            )
        folder = find_model_folder(kind, where)
        print(f"{self.name}: {amount(bytes_of(folder.path))} in {folder.path}")
        return 0


WeightsAct = (
    Annotated[WeightsList, tyro.conf.subcommand("list")]
    | Annotated[WeightsFetch, tyro.conf.subcommand("fetch")]
)


@dataclass(frozen=True)
class WeightsVerb:
    """List pretrained models, or fetch one into the cache so that it works offline afterwards.

    Example: sanerf weights list
    """

    act: Annotated[WeightsAct, tyro.conf.arg(name="")]
    """What to do; each has a --help of its own."""

    def run(self) -> int:
        """Do it."""
        return self.act.run()


def rows_of_weights() -> list[tuple[str, ...]]:
    """A row of :data:`COLUMNS` for each published model, the shipped one first."""
    from sanerf_hq.segmenters import WEIGHTS
    from sanerf_hq.segmenters.compact.segmenter import SHIPPED
    from sanerf_hq.segmenters.hub import cached_folder

    rows = [("compact", "part of the package", "Apache-2.0", amount(bytes_of(SHIPPED)), "here")]
    for weights in WEIGHTS:
        folder = cached_folder(weights.hub_id)
        size = weights.megabytes * 10**6 if folder is None else bytes_of(folder)
        place = "not here" if folder is None else str(folder)
        rows.append((weights.spec, weights.hub_id, weights.licence, amount(size), place))
    return rows


def parsed(name: str) -> tuple[Kind, str]:
    """Kind and place of what is to be fetched.

    Raises:
        InputError: It is no segmenter with weights to fetch.
    """
    from sanerf_hq.segmenters.weights import KINDS

    word, colon, where = name.partition(":")
    kind: Kind | None = next((known for known in KINDS if known == word), None)
    if word == "compact" and not where:
        raise InputError("compact is part of the package: there is nothing to fetch")
    if kind is None or (colon and not where):
        raise InputError(
            f"there are no weights {name!r}; give one of the names of sanerf weights list, "
            f"or {', '.join(f'{kind}:HUB_ID' for kind in KINDS)}"
        )
    return kind, where


def bytes_of(folder: Path) -> int:
    """Size of a model's weights on the disk."""
    from sanerf_hq.segmenters.hub import weight_files

    return sum(file.stat().st_size for file in weight_files(folder))


def amount(size: int) -> str:
    """Bytes as a person says them: ``3.7 MB``, ``375 MB``, ``1.25 GB``."""
    if size < 10**7:
        return f"{size / 10**6:.1f} MB"
    return f"{size / 10**6:.0f} MB" if size < 10**9 else f"{size / 10**9:.2f} GB"
