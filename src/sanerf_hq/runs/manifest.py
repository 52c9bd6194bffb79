"""The manifest: ``run.json``, what a run was made from and how far its stages have come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, get_args

from sanerf_hq.errors import InputError
from sanerf_hq.runs.digest import plain
from sanerf_hq.runs.files import DamagedFile, read_json, write_json

MANIFEST_FILE = "run.json"
FORMAT = 1
Status = Literal["running", "complete"]
_REMEDY = "restore it from a copy, or make the run anew in another folder"
_PACKAGES = {"sanerf_hq": "sanerf-hq", "torch": "torch", "warp": "warp-lang"}


@dataclass(frozen=True)
class Stage:
    """How far a stage has come.

    Attributes:
        status: ``running`` from its start to its end, also when it was interrupted; then ``complete``.
        config: Its resolved configuration, as JSON has it.
        facts: What it came to: seconds, scores, counts.
    """

    status: Status
    config: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        return self.status == "complete"


@dataclass(frozen=True)
class Manifest:
    """What ``run.json`` holds.

    Attributes:
        seed: Where all chance comes from.
        scene_path: The scene's folder, as given, made absolute.
        fingerprint: Stands for the scene's images and cameras.
        versions: Of this package and what its numbers depend on, when the run was made.
        stages: By name.
        scene_options: How the scene is opened, in the scene's own words; empty: as it is found.
    """

    seed: int
    scene_path: Path
    fingerprint: str
    versions: dict[str, str]
    stages: dict[str, Stage] = field(default_factory=dict)
    scene_options: dict[str, str] = field(default_factory=dict)

    def with_stage(self, name: str, stage: Stage) -> Manifest:
        return replace(self, stages=self.stages | {name: stage})


def installed_versions() -> dict[str, str]:
    """Versions of this package, torch and Warp, without importing them."""
    return {name: metadata.version(package) for name, package in _PACKAGES.items()}


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the folder's manifest in one move."""
    stages = {
        name: {"status": stage.status, "config": plain(stage.config), "facts": plain(stage.facts)}
        for name, stage in manifest.stages.items()
    }
    scene = {
        "path": str(manifest.scene_path),
        "fingerprint": manifest.fingerprint,
        "options": manifest.scene_options,
    }
    content = {
        "format": FORMAT,
        "versions": manifest.versions,
        "seed": manifest.seed,
        "scene": scene,
        "stages": stages,
    }
    write_json(folder / MANIFEST_FILE, content)


def read_manifest(folder: Path) -> Manifest:
    """The folder's manifest.

    Raises:
        InputError: The folder is no run, or was made by another format version.
        DamagedFile: ``run.json`` is there but damaged.
    """
    path = folder / MANIFEST_FILE
    if not folder.is_dir():
        raise InputError(f"{folder} does not exist: make it with 'sanerf train SCENE --out {folder}'")
    if not path.exists():
        raise InputError(
            f"{folder} is no run (it has no {MANIFEST_FILE}): name a folder that 'sanerf train' made"
        )
    value = read_json(path, _REMEDY)
    found = value.get("format")
    if found != FORMAT:
        by = value["versions"].get("sanerf_hq") if isinstance(value.get("versions"), dict) else None
        raise InputError(
            f"{path} has format {found!r} (made by version {by or 'unknown'}) and this version reads format "
            f"{FORMAT}: use the version that made it, or make the run anew in another folder"
        )
    try:
        return _parse(value)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFile(f"{path} is damaged ({error}): {_REMEDY}") from error


def _parse(value: Mapping[str, Any]) -> Manifest:
    scene = _typed(value, "scene", dict)
    stages = {}
    for name, entry in _typed(value, "stages", dict).items():
        if not isinstance(entry, dict) or entry.get("status") not in get_args(Status):
            raise ValueError(f"stage {name!r} has no status")
        stages[name] = Stage(entry["status"], _typed(entry, "config", dict), _typed(entry, "facts", dict))
    versions = _typed(value, "versions", dict)
    options = _typed(scene, "options", dict) if "options" in scene else {}  # early runs have none
    return Manifest(
        seed=_typed(value, "seed", int),
        scene_path=Path(_typed(scene, "path", str)),
        fingerprint=_typed(scene, "fingerprint", str),
        versions={name: _typed(versions, name, str) for name in versions},
        stages=stages,
        scene_options={name: _typed(options, name, str) for name in options},
    )


def _typed(value: Mapping[str, Any], name: str, kind: type) -> Any:
    if type(value.get(name)) is not kind:  # not isinstance: true is no number here
        raise ValueError(f"{name!r} is missing or of the wrong kind")
    return value[name]
