"""Data flows downwards: who may import whom, what importing costs, and what is never imported."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.paths import PACKAGE

LAYERS = (
    *("geometry", "kernels", "runs", "scene", "capture", "radiance", "segmenters", "features", "prompts"),
    *("masks", "objects", "evaluate", "export"),
)
FRONT_ENDS = ("viewer", "cli")  # a verb of the command opens the viewer
ALONE = ("errors", "choices")  # modules that import nothing of ours, and that all may import
HEAVY = (
    *("transformers", "huggingface_hub", "cv2", "matplotlib", "scipy", "skimage", "trimesh", "jinja2"),
    *("fast_simplification", "imageio", "imageio_ffmpeg", "viser", "pycolmap", "pillow_heif"),
)
FORBIDDEN = ("pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "torchvision")


@dataclass(frozen=True)
class Import:
    """One imported module, and where."""

    path: Path
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(PACKAGE.parent)}:{self.line} imports {self.module}"


def imports_of(source: str, path: Path) -> list[Import]:
    """All modules that a file imports at any depth, relative imports resolved."""
    found = []
    package = ["sanerf_hq", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [Import(path, node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            if module == "sanerf_hq":  # `from sanerf_hq import scene`
                found += [Import(path, node.lineno, f"sanerf_hq.{alias.name}") for alias in node.names]
            else:
                found.append(Import(path, node.lineno, module))
    return found


def direction_faults(imports: list[Import]) -> list[str]:
    """Imports of ours that go upwards or sideways."""
    order = {name: level for level, name in enumerate((*LAYERS, *FRONT_ENDS))}
    faults = []
    for found in imports:
        inside = found.path.relative_to(PACKAGE).parts
        if not found.module.startswith("sanerf_hq."):
            continue
        target = found.module.split(".")[1]
        if len(inside) == 1:  # __init__.py gathers the public names, __main__.py runs, the others stand alone
            if inside[0] not in ("__init__.py", "__main__.py"):
                faults.append(str(found))
        elif target not in ALONE and target != inside[0]:
            known_above = target in order and order[target] < order[inside[0]]
            if not known_above:
                faults.append(str(found))
    return faults


ALL = [
    found
    for path in sorted(PACKAGE.rglob("*.py"))
    for found in imports_of(path.read_text(encoding="utf-8"), path)
]


def test_a_folder_imports_only_from_folders_above_it():
    assert any(found.module.startswith("sanerf_hq.geometry") for found in ALL)
    assert direction_faults(ALL) == []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("geometry/x.py", "from sanerf_hq.scene import Scene"),
        ("runs/x.py", "import sanerf_hq.radiance.field"),
        ("scene/x.py", "def f():\n    from sanerf_hq import cli"),
        ("kernels/x.py", "from ..runs import files"),
        ("viewer/x.py", "from sanerf_hq.cli import main"),
        ("geometry/x.py", "from sanerf_hq.nowhere import x"),
        ("errors.py", "from sanerf_hq.geometry import Camera"),
    ],
)
def test_an_upward_import_would_be_found(file: str, source: str):
    assert len(direction_faults(imports_of(source, PACKAGE / file))) == 1


def test_a_downward_import_is_no_fault():
    source = "from sanerf_hq.errors import InputError\nfrom sanerf_hq.geometry import Camera\nimport torch"
    assert direction_faults(imports_of(source, PACKAGE / "scene" / "x.py")) == []


def test_every_folder_has_its_place():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders <= {*LAYERS, *FRONT_ENDS}


def test_only_kernels_know_warp():
    outside = [
        str(found)
        for found in ALL
        if found.module.split(".")[0] == "warp" and found.path.relative_to(PACKAGE).parts[0] != "kernels"
    ]
    assert outside == []


def test_nothing_is_unpickled_and_torchvision_is_not_needed():
    assert [str(found) for found in ALL if found.module.split(".")[0] in FORBIDDEN] == []
    loads = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("torch.load", "torch.save"):
                loads.append(f"{path}:{node.lineno}")
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                loads.append(f"{path}:{node.value.lineno}")
    assert loads == []


def test_importing_the_package_is_light():
    code = "import json, sys, sanerf_hq; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(json.loads(shown.stdout))
    assert "sanerf_hq" in loaded
    assert loaded & set(HEAVY) == set()
