"""Paths: file names out of a scene's JSON, kept inside the scene's folder."""

from __future__ import annotations

import posixpath
from pathlib import Path, PurePosixPath, PureWindowsPath

from sanerf_hq.scene.fields import Fields

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".PNG", ".JPG", ".JPEG")


class SceneFolder:
    """The folder that every path of a scene lies in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real_root = root.resolve()
        self._real_parents: dict[Path, Path] = {}  # one look at a folder, not one for each of its files

    def name(self, fields: Fields, key: str) -> str | None:
        """The relative path that ``key`` gives, tidied (``./a//b`` is ``a/b``); None if the key is absent.

        Raises:
            InputError: It is absolute, leaves the folder by ``..``, or is no path.
        """
        written = fields.text(key)
        if written is None:
            return None
        if "\0" in written or len(written) > 1000:
            raise fields.error(f"{key} is no file path; write it relative to {self.root}")
        if PurePosixPath(written).is_absolute() or PureWindowsPath(written).drive:
            raise fields.error(f"{key} {written!r} is absolute; write it relative to {self.root}")
        name = posixpath.normpath(written.replace("\\", "/"))
        if name == ".":
            raise fields.error(f"{key} {written!r} is the scene folder itself; name a file in it")
        if name == ".." or name.startswith(("../", "/")):
            raise fields.error(f"{key} {written!r} leaves the scene folder; put the file into {self.root}")
        return name

    def find(self, fields: Fields, key: str, name: str) -> Path | None:
        """The file of that name, with an image's suffix where it is written without; None if there is none.

        Raises:
            InputError: A symbolic link leads out of the folder.
        """
        path = self.root / name
        # Blender writes images without their suffix; "frame.0001" looks as if it had one.
        for suffix in ("", *IMAGE_SUFFIXES):
            candidate = path.with_name(path.name + suffix) if suffix else path
            try:
                is_file = candidate.is_file()
            except OSError:  # a name too long for the file system
                is_file = False
            if is_file:
                self._check_inside(fields, key, candidate)
                return candidate
        return None

    def required(self, fields: Fields, key: str) -> Path | None:
        """The existing file that ``key`` names; None if the key is absent.

        Raises:
            InputError: There is no such file in the folder.
        """
        name = self.name(fields, key)
        if name is None:
            return None
        path = self.find(fields, key, name)
        if path is None:
            raise fields.error(f"{key} {name!r} does not exist; add the file or take the key out")
        return path

    def _check_inside(self, fields: Fields, key: str, path: Path) -> None:
        parent = path.parent
        if parent not in self._real_parents:
            self._real_parents[parent] = parent.resolve()
        real = path.resolve() if path.is_symlink() else self._real_parents[parent] / path.name
        if not real.is_relative_to(self._real_root):
            raise fields.error(
                f"{key} {path.relative_to(self.root).as_posix()!r} is a link that leaves the scene folder; "
                f"copy the file into {self.root}"
            )
