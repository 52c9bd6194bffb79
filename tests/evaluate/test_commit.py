from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sanerf_hq.evaluate.commit import commit

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "repo" / "src" / "package"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("x = 1\n")
    (tmp_path / "repo" / ".gitignore").write_text("__pycache__/\n.venv/\n")
    git(tmp_path / "repo", "init", "-q")
    git(tmp_path / "repo", "add", ".")
    git(tmp_path / "repo", "commit", "-q", "-m", "first")
    return folder


def test_a_clean_tree_gives_its_commit(package: Path) -> None:
    head = git(package, "rev-parse", "HEAD")
    assert commit(package) == head
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "a.pyc").write_text("")
    (package.parent.parent / "notes.txt").write_text("not the package's source")
    assert commit(package) == head


@pytest.mark.parametrize("name", ["__init__.py", "new.py"])
def test_changed_source_is_said_to_be(package: Path, name: str) -> None:
    (package / name).write_text("x = 2\n")
    assert commit(package) == git(package, "rev-parse", "HEAD") + "+dirty"


def test_an_installed_copy_is_not_of_the_checkout_it_lies_in(package: Path) -> None:
    installed = package.parent.parent / ".venv" / "package"
    shutil.copytree(package, installed)
    assert commit(installed) is None


def test_no_repository_no_commit(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text("")
    assert commit(tmp_path) is None
    assert commit(tmp_path / "missing") is None


def test_a_hook_s_variables_do_not_mislead(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert commit(package) == git(package, "rev-parse", "HEAD")


def test_without_git(package: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit(package) is None
