"""A run: the folder that every stage reads from and writes to.

Layout::

    run.json                     versions, seed, scene, stages
    radiance/                    field.safetensors, checkpoint.safetensors, log.jsonl
    views/                       depth of each view
    features/<segmenter>/        embeddings of views
    segmentations/<name>/        masks/, field.safetensors, exports/ ...; moments/ in a scene that moves
    segmentations/.drafts/       the same of those that are not finished
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sanerf_hq.errors import InputError
from sanerf_hq.runs.digest import plain
from sanerf_hq.runs.files import is_temporary, sweep_temporaries
from sanerf_hq.runs.manifest import (
    MANIFEST_FILE,
    Manifest,
    Stage,
    Status,
    installed_versions,
    read_manifest,
    write_manifest,
)
from sanerf_hq.runs.names import check_name
from sanerf_hq.runs.segmentations import (
    DRAFTS,
    FOLDER,
    SegmentationFolder,
    draft_of,
    finish,
    is_settled,
    place_of,
    remove,
    reopen,
    settle,
)

LOCK_FILE = ".lock"


@dataclass(frozen=True)
class Run:
    """A run that exists on disk; what changes (its stages) is read from there each time.

    Attributes:
        folder: The run's folder.
        seed: Where all its chance comes from.
        scene_path: The scene's folder.
        fingerprint: Stands for the scene's images and cameras.
        versions: Of the packages it was made with.
        scene_options: How the scene is opened, in the scene's own words.
    """

    folder: Path
    seed: int
    scene_path: Path
    fingerprint: str
    versions: dict[str, str]
    scene_options: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def create(
        folder: Path,
        scene_path: Path,
        fingerprint: str,
        seed: int,
        scene_options: Mapping[str, str] | None = None,
    ) -> Run:
        """Begin a run in a new or empty folder.

        Raises:
            InputError: The folder holds something (a run or anything else), is a file, or cannot be made.
        """
        if Run.is_at(folder):
            raise InputError(f"{folder} is already a run: choose another folder, or delete it first")
        _check_empty(folder)
        options = dict(scene_options or {})
        manifest = Manifest(
            seed, scene_path.absolute(), fingerprint, installed_versions(), scene_options=options
        )
        write_manifest(folder, manifest)
        return Run.open(folder)

    @staticmethod
    def is_at(folder: Path) -> bool:
        """Whether a folder is a run, be it damaged."""
        return (folder / MANIFEST_FILE).exists()

    @staticmethod
    def open(folder: Path) -> Run:
        """A run that exists.

        Raises:
            InputError: The folder is no run, its ``run.json`` is damaged or of another format version.
        """
        manifest = read_manifest(folder)
        run = Run(
            folder,
            manifest.seed,
            manifest.scene_path,
            manifest.fingerprint,
            manifest.versions,
            manifest.scene_options,
        )
        if not is_settled(folder):  # a writer was killed at its very end
            with suppress(InputError), run.lock():  # one that is at it now needs no help
                pass
        return run

    @staticmethod
    def open_or_create(
        folder: Path,
        scene_path: Path,
        fingerprint: str,
        seed: int,
        scene_options: Mapping[str, str] | None = None,
    ) -> Run:
        """The run in ``folder`` where it is of this scene and seed; a new one where there is none.

        Raises:
            InputError: As :meth:`create` and :meth:`open` do; or the run is of other images or another seed.
        """
        if not Run.is_at(folder):
            return Run.create(folder, scene_path, fingerprint, seed, scene_options)
        run = Run.open(folder)
        run.check_scene(fingerprint)
        if run.seed != seed:
            raise InputError(f"{folder} was made with --seed {run.seed}: give that seed or another folder")
        if run.scene_path != scene_path.absolute():  # it was moved
            with run.lock():
                write_manifest(folder, replace(read_manifest(folder), scene_path=scene_path.absolute()))
            return Run.open(folder)
        return run

    def check_scene(self, fingerprint: str) -> None:
        """Refuse images or cameras other than those the run was made from.

        Raises:
            InputError: They differ.
        """
        if fingerprint != self.fingerprint:
            raise InputError(
                f"{self.folder} was made from other images or cameras than those now in the scene (then "
                f"{self.scene_path}): bring those back, or make a run in another folder"
            )

    def stages(self) -> dict[str, Stage]:
        """All stages that were begun, by name."""
        return read_manifest(self.folder).stages

    def stage(self, name: str) -> Stage | None:
        """How far a stage has come; None if it was never begun."""
        return self.stages().get(name)

    def mark(self, name: str, status: Status, config: Any, facts: Mapping[str, Any] | None = None) -> Stage:
        """Record a stage's state; what was recorded of it before is replaced.

        Args:
            name: The stage, such as ``"radiance"`` or ``"segmentations/left box"``.
            status: How far it is.
            config: A configuration dataclass, or a mapping, that JSON can hold.
            facts: What it came to, as far as is known.

        Raises:
            InputError: Another process writes to the run, or the folder cannot be written.
        """
        with self.lock():
            stage = Stage(status, plain(config), plain(facts or {}))
            write_manifest(self.folder, read_manifest(self.folder).with_stage(name, stage))
        return stage

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for writing; a thread that holds it may ask again.

        The system lets go of the lock when a process ends, however it ends. What killed writers left half
        written is removed first, and a segmentation that they finished is put in its place.

        Raises:
            InputError: Another process, or another thread, is writing; or the folder cannot be written.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(str((self.folder / LOCK_FILE).resolve()), timeout=0, is_singleton=True)
        already_held = lock.is_locked
        try:
            lock.acquire()
        except Timeout:
            raise InputError(
                f"{self.folder} is in use, another process is writing to it: wait until that one has ended"
            ) from None
        except OSError as error:
            raise InputError(
                f"{self.folder} cannot be written ({error.strerror}): mend its permissions"
            ) from error
        try:
            if not already_held:
                sweep_temporaries(self.folder)
                with suppress(InputError):  # what cannot be moved now is no hindrance to others
                    settle(self.folder)
            yield
        finally:
            lock.release()

    @property
    def radiance(self) -> Path:
        return self.folder / "radiance"

    @property
    def views(self) -> Path:
        return self.folder / "views"

    @property
    def features(self) -> Path:
        return self.folder / "features"

    @property
    def scores(self) -> Path:
        """Folder of what ``sanerf eval`` found."""
        return self.folder / "eval"

    @property
    def page(self) -> Path:
        """Where ``sanerf report`` writes to, if nothing else is said."""
        return self.folder / "report.html"

    def drop_scores(self) -> None:
        """Delete what was written of a field that gives way to another."""
        shutil.rmtree(self.scores, ignore_errors=True)
        self.page.unlink(missing_ok=True)

    @property
    def segmentations(self) -> Path:
        return self.folder / FOLDER

    def segmentation(self, name: str) -> SegmentationFolder:
        """Where a segmentation of that name lies or would lie.

        Raises:
            InputError: The name is no folder name.
        """
        return place_of(self.folder, check_name(name))

    @contextmanager
    def drafting(self, name: str, config: Any) -> Iterator[SegmentationFolder]:
        """Make a segmentation; what is there under its name stays whole until this one is.

        Within the context the run is held for writing. At its end what it gave, a folder to fill, takes the
        place of the segmentation of that name. What is raised in it leaves the draft as it is, to be gone on
        with by the next one of that name and configuration; one of another configuration begins anew.

        Args:
            name: The segmentation's.
            config: A configuration dataclass, or a mapping, that JSON can hold.

        Raises:
            InputError: The name is no folder name, another process writes to the run, or the folder cannot
                be written.
        """
        draft = draft_of(self.folder, check_name(name))
        with self.lock():
            begun = self.stage(draft.stage)
            if begun is None or begun.config != plain(config):
                remove(self.folder, draft)
                self.mark(draft.stage, "running", config)
            reopen(draft.folder)
            yield draft
            finish(self.folder, draft.name)

    def remove_segmentation(self, name: str) -> None:
        """Delete a segmentation with everything in it, and what was begun of one of that name.

        Nothing happens where there is neither.

        Raises:
            InputError: The name is no folder name, another process writes to the run, or the folder cannot
                be moved away.
        """
        with self.lock():
            place = self.segmentation(name)
            remove(self.folder, place, draft_of(self.folder, place.name))

    def segmentation_names(self) -> list[str]:
        """Segmentations that are finished, sorted."""
        if not self.segmentations.is_dir():
            return []
        names = (path.name for path in self.segmentations.iterdir() if path.is_dir())
        stages = self.stages()  # of early versions a folder may hold one that was stopped
        stopped = {name for name, stage in stages.items() if not stage.is_complete}
        return sorted(n for n in names if not n.startswith(".") and f"{FOLDER}/{n}" not in stopped)

    def draft_names(self) -> list[str]:
        """Segmentations that were begun and are not finished, sorted; some may replace one that is."""
        above = f"{FOLDER}/{DRAFTS}/"
        names = (stage.removeprefix(above) for stage in self.stages() if stage.startswith(above))
        return sorted(name for name in names if "/" not in name)

    def no_segmentation(self, name: str) -> InputError:
        """What is said to who asks for one that is not there."""
        if name in self.draft_names():
            return InputError(
                f"segmentation {name!r} of {self.folder} is not finished; run the same sanerf segment again"
            )
        known = ", ".join(self.segmentation_names()) or "none; make one with sanerf segment"
        return InputError(f"{self.folder} has no segmentation {name!r}; it has: {known}")


def _check_empty(folder: Path) -> None:
    """Refuse a folder that holds anything but what a writer killed at the very start left."""
    try:
        found = [path.name for path in folder.iterdir()] if folder.exists() else []
    except NotADirectoryError:
        raise InputError(f"{folder} is a file: choose another name for the run's folder") from None
    except OSError as error:
        raise InputError(
            f"{folder} cannot be read ({error.strerror}): choose another folder for the run"
        ) from error
    if any(name != LOCK_FILE and not is_temporary(name) for name in found):
        raise InputError(f"{folder} is not empty and no run: choose a new or an empty folder")
