"""Commit: which source a result came from."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
SECONDS = 10


def commit(folder: Path = PACKAGE) -> str | None:
    """The git commit of the source tree that holds ``folder``, by default this package.

    Returns:
        The full hash, with ``+dirty`` behind it if a file of the folder is changed or not tracked. None for
        an installed wheel (also one inside some other project's checkout), and where there is no git.
    """
    # An installed wheel may lie in a checkout of something else: only tracked source is of its commit.
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    head = _git(folder, "rev-parse", "--verify", "HEAD")
    status = _git(folder, "status", "--porcelain", "--", ".")
    if head is None or status is None:
        return None
    return head + ("+dirty" if status else "")


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints, stripped; None if it fails or is not there."""
    # GIT_DIR and its like, set in hooks, would point at another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(folder), *arguments],
            env=environment,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None
