"""Segmentations in a run's folder: where one lies, where one is made, and how it takes its place.

One is made aside, as a draft in ``segmentations/.drafts/<name>``, which no listing shows and which is a stage
of the manifest's. A single write of the manifest finishes it: the draft's stages become the segmentation's.
What is left then is to move a folder; whoever holds the run's lock next does it if need be. So a stop or a
kill leaves either what was there before or the new one, never parts of both. A finished draft says so itself:
one that an older manifest, put back from a copy, does not know is none.
"""

from __future__ import annotations

import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sanerf_hq.errors import InputError
from sanerf_hq.runs.files import write_text
from sanerf_hq.runs.manifest import Stage, read_manifest, write_manifest

FOLDER = "segmentations"
DRAFTS = ".drafts"
GONE = ".gone"  # what was replaced or removed, on its way to be deleted
FINISHED = ".finished"  # in a draft that is whole


@dataclass(frozen=True)
class SegmentationFolder:
    """Where one named segmentation lies; the folders are made when something is written.

    Attributes:
        folder: ``segmentations/<name>``; of one moment of a scene that moves, a folder below that.
        stage: Name of the stage that made it.
    """

    folder: Path
    stage: str

    def at(self, moment: int) -> SegmentationFolder:
        """Where the objects of one moment lie, in a scene that moves; moments are counted from 0."""
        below = f"moments/{moment:04d}"
        return SegmentationFolder(self.folder / below, f"{self.stage}/{below}")

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def masks(self) -> Path:
        return self.folder / "masks"

    @property
    def exports(self) -> Path:
        return self.folder / "exports"

    @property
    def identities(self) -> Path:
        return self.folder / "identities.json"

    @property
    def prompts(self) -> Path:
        return self.folder / "prompts.json"

    @property
    def field(self) -> Path:
        return self.folder / "field.safetensors"

    def owns(self, stage: str) -> bool:
        """Whether a stage is this one's or that of one of its moments."""
        return stage == self.stage or stage.startswith(f"{self.stage}/")


def place_of(run: Path, name: str) -> SegmentationFolder:
    """Where the segmentation of a name lies or would lie."""
    return SegmentationFolder(run / FOLDER / name, f"{FOLDER}/{name}")


def draft_of(run: Path, name: str) -> SegmentationFolder:
    """Where it is made."""
    return SegmentationFolder(run / FOLDER / DRAFTS / name, f"{FOLDER}/{DRAFTS}/{name}")


def finish(run: Path, name: str) -> None:
    """Put a draft in the place of what is there under its name. Only for who holds the run's lock.

    Raises:
        InputError: The run cannot be written; or a folder cannot be moved, which is then done later.
    """
    place, draft = place_of(run, name), draft_of(run, name)
    if draft.folder.exists():
        write_text(draft.folder / FINISHED, "")
    manifest = read_manifest(run)
    stages: dict[str, Stage] = {}
    for stage, state in manifest.stages.items():
        if draft.owns(stage):
            done = replace(state, status="complete") if stage == draft.stage else state
            stages[place.stage + stage.removeprefix(draft.stage)] = done
        elif not place.owns(stage):
            stages[stage] = state
    write_manifest(run, replace(manifest, stages=stages))
    settle(run)


def remove(run: Path, *folders: SegmentationFolder) -> None:
    """Delete segmentations or drafts and their stages. Only for who holds the run's lock.

    Raises:
        InputError: The run cannot be written, or a folder cannot be moved.
    """
    for one in folders:
        _put_away(run, one.folder)
    manifest = read_manifest(run)
    left = {name: at for name, at in manifest.stages.items() if not any(one.owns(name) for one in folders)}
    if len(left) < len(manifest.stages):
        write_manifest(run, replace(manifest, stages=left))
    settle(run)


def settle(run: Path) -> None:
    """Move finished drafts to their places and delete what is gone. Only for who holds the run's lock.

    Raises:
        InputError: A folder cannot be moved.
    """
    for name in finished_drafts(run):
        place = place_of(run, name).folder
        _put_away(run, place)
        _move(draft_of(run, name).folder, place)
        reopen(place)
    shutil.rmtree(run / FOLDER / GONE, ignore_errors=True)  # what cannot be deleted is tried again later


def reopen(folder: Path) -> None:
    """Take from a folder the mark of a finished draft."""
    with suppress(OSError):  # none is there mostly; one that stays in a segmentation's place says nothing
        (folder / FINISHED).unlink()


def is_settled(run: Path) -> bool:
    """Whether there is nothing for :func:`settle` to do."""
    return not finished_drafts(run) and not (run / FOLDER / GONE).exists()


def finished_drafts(run: Path) -> list[str]:
    """Names of drafts that have yet to be moved to their places."""
    drafts = run / FOLDER / DRAFTS
    names = sorted(path.parent.name for path in drafts.glob(f"*/{FINISHED}"))
    stages = read_manifest(run).stages if names else {}
    return [name for name in names if draft_of(run, name).stage not in stages]


def _put_away(run: Path, folder: Path) -> None:
    if folder.exists():
        _move(folder, run / FOLDER / GONE / secrets.token_hex(8))


def _move(folder: Path, to: Path) -> None:
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        folder.replace(to)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be moved ({error.strerror}): close what has it open, or mend its permissions"
        ) from error
