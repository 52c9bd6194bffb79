"""Paths: file names out of a scene's files, kept inside the scene's folder."""

from __future__ import annotations

import os
import posixpath
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

from sanerf_hq.errors import InputError
from sanerf_hq.scene.fields import Fields
from sanerf_hq.scene.image_files import SUFFIXES


class SceneFolder:
    """The folder that every path of a scene lies in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real_root = root.resolve()
        self._listings: dict[Path, dict[str, os.DirEntry[str]]] = {}  # one look at a folder, not one a file
        self._real_parents: dict[Path, Path] = {}

    def tidy(self, written: str, what: str, where: str) -> str:
        """A relative path without detours (``./a//b`` is ``a/b``).

        Args:
            written: As the scene's file has it.
            what: What it is, for messages.
            where: File and place, as a message begins.

        Raises:
            InputError: It is absolute, leaves the folder by ``..``, or is no path.
        """
        if "\0" in written or len(written) > 1000:
            raise InputError(f"{where}: {what} is no file path; write it relative to {self.root}")
        if PurePosixPath(written).is_absolute() or PureWindowsPath(written).drive:
            raise InputError(f"{where}: {what} {written!r} is absolute; write it relative to {self.root}")
        name = posixpath.normpath(written.replace("\\", "/"))
        if name == ".":
            raise InputError(f"{where}: {what} {written!r} is the scene folder itself; name a file in it")
        if name == ".." or name.startswith(("../", "/")):
            raise InputError(
                f"{where}: {what} {written!r} leaves the scene folder; put the file into {self.root}"
            )
        return name

    def below(self, written: str) -> str:
        """An absolute path that lies in the folder as one relative to it; any other as it is written."""
        path = Path(os.path.normpath(written))
        if not path.is_absolute() or "\0" in written:
            return written
        root = Path(os.path.normpath(self.root.absolute()))
        if not path.is_relative_to(root):  # perhaps by way of a link
            root, path = self._real_root, Path(os.path.realpath(path.parent)) / path.name
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else written

    def name(self, fields: Fields, key: str) -> str | None:
        """The relative path that ``key`` gives, tidied; None if the key is absent.

        Raises:
            InputError: As :meth:`tidy`, of an absolute path only if it does not lie in the folder.
        """
        written = fields.text(key)
        return None if written is None else self.tidy(self.below(written), key, fields.where)

    def find(self, name: str, what: str, where: str) -> Path | None:
        """The file of that name, with an image's suffix where it is written without; None if there is none.

        Accents may be composed in the name and decomposed on disk, or the other way round.

        Raises:
            InputError: A symbolic link leads out of the folder.
        """
        path = self.root / name
        listing = self._listing(path.parent)
        # Blender writes images without their suffix; "frame.0001" looks as if it had one.
        for suffix in ("", *SUFFIXES, *map(str.upper, SUFFIXES)):
            wanted = path.name + suffix
            entry = listing.get(wanted) or listing.get(unicodedata.normalize("NFC", wanted))
            if entry is not None and _is_file(entry):
                found = path.with_name(entry.name)
                self._check_inside(found, entry, what, where)
                return found
        return None

    def remedy(self, name: str, remedy: str) -> str:
        """What to do about a file that was not found: ``remedy``, unless it is there in another case."""
        path = self.root / name
        for entry in self._listing(path.parent).values():
            if entry.name.casefold() == path.name.casefold() and _is_file(entry):
                there = path.with_name(entry.name).relative_to(self.root).as_posix()
                return f"the file is called {there!r}, and upper and lower case count: write it so"
        return remedy

    def required(self, fields: Fields, key: str) -> Path | None:
        """The existing file that ``key`` names; None if the key is absent.

        Raises:
            InputError: There is no such file in the folder.
        """
        name = self.name(fields, key)
        if name is None:
            return None
        path = self.find(name, key, fields.where)
        if path is None:
            remedy = self.remedy(name, "add the file or take the key out")
            raise fields.error(f"{key} {name!r} does not exist; {remedy}")
        return path

    def _listing(self, folder: Path) -> dict[str, os.DirEntry[str]]:
        """What a folder holds, by name and by composed name; nothing where it cannot be read."""
        if folder not in self._listings:
            try:
                with os.scandir(folder) as entries:
                    found = list(entries)
            except (OSError, ValueError):  # missing, no folder, a name too long for the file system
                found = []
            composed = {unicodedata.normalize("NFC", entry.name): entry for entry in found}
            self._listings[folder] = composed | {entry.name: entry for entry in found}
        return self._listings[folder]

    def _check_inside(self, path: Path, entry: os.DirEntry[str], what: str, where: str) -> None:
        parent = path.parent
        if parent not in self._real_parents:
            self._real_parents[parent] = parent.resolve()
        inside = self._real_parents[parent].is_relative_to(self._real_root)
        if entry.is_symlink():
            inside = path.resolve().is_relative_to(self._real_root)
        if not inside:
            raise InputError(
                f"{where}: {what} {path.relative_to(self.root).as_posix()!r} is a link that leaves the scene "
                f"folder; copy the file into {self.root}"
            )


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link in a circle
        return False
