"""A run: the folder that every stage reads from and writes to.

Layout::

    run.json                     versions, seed, scene, stages
    radiance/                    field.safetensors, checkpoint.safetensors, log.jsonl
    views/                       depth of each view
    features/<segmenter>/        embeddings of views
    segmentations/<name>/        masks/, field.safetensors, exports/ ...; moments/ in a scene that moves
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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

LOCK_FILE = ".lock"


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
        return Run(
            folder,
            manifest.seed,
            manifest.scene_path,
            manifest.fingerprint,
            manifest.versions,
            manifest.scene_options,
        )

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
        written is removed first.

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
    def segmentations(self) -> Path:
        return self.folder / "segmentations"

    def segmentation(self, name: str) -> SegmentationFolder:
        """Where a segmentation of that name lies or would lie.

        Raises:
            InputError: The name is no folder name.
        """
        checked = check_name(name)
        return SegmentationFolder(self.segmentations / checked, f"segmentations/{checked}")

    def remove_segmentation(self, name: str) -> None:
        """Delete a segmentation with everything in it; nothing happens where there is none of that name.

        Raises:
            InputError: The name is no folder name, another process writes to the run, or the folder cannot
                be deleted.
        """
        made = self.segmentation(name)
        folder = made.folder
        with self.lock():
            manifest = read_manifest(self.folder)
            stages = {
                stage: state
                for stage, state in manifest.stages.items()
                if stage != made.stage and not stage.startswith(f"{made.stage}/")
            }
            if len(stages) < len(manifest.stages):
                write_manifest(self.folder, replace(manifest, stages=stages))
            try:
                if folder.is_dir():
                    shutil.rmtree(folder)
            except OSError as error:
                raise InputError(
                    f"{folder} cannot be deleted ({error.strerror}): delete it by hand"
                ) from error

    def segmentation_names(self) -> list[str]:
        """Segmentations that have a folder, sorted."""
        if not self.segmentations.is_dir():
            return []
        names = (path.name for path in self.segmentations.iterdir() if path.is_dir())
        return sorted(name for name in names if not name.startswith("."))


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
