"""Splits: which frames are trained on, which are kept for testing, which are left out."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sanerf_hq.errors import InputError
from sanerf_hq.scene.fields import Fields
from sanerf_hq.scene.paths import SceneFolder
from sanerf_hq.scene.scene import Split

SPLIT_WORDS = ("train", "val", "test")
TEST_EVERY = 8  # Mip-NeRF 360's and NeRF's on LLFF: every 8th photo by name, the first among them
MAX_LIST_BYTES = 16 * 2**20


@dataclass(frozen=True)
class SplitRule:
    """What is tested on.

    Attributes:
        every: Every so many frames by name, beginning with the first; None: not by number.
        test_names: Exactly these frames, by name or, where unique, by stem; None: not by name.
        source: Where those names stand, as an error message begins.
    """

    every: int | None = None
    test_names: tuple[str, ...] | None = None
    source: str = ""

    def settle(
        self,
        names: Sequence[str],
        written: Sequence[str | None] | None = None,
        aliases: Mapping[str, Sequence[str]] | None = None,
    ) -> list[Split | None]:
        """What each frame is used for; None is left out.

        Args:
            names: Of the frames.
            written: What the scene's own files say of each; None: nothing.
            aliases: Other stems that a frame answers to.

        Raises:
            InputError: A listed name is no frame's, or several answer to it.
        """
        if self.test_names is not None:
            held_out = _resolve(self.test_names, names, aliases or {}, self.source)
        elif self.every is not None:
            held_out = set(sorted(names)[:: self.every])
        else:
            return settle_splits(list(names), list(written or [None] * len(names)))
        return ["test" if name in held_out else "train" for name in names]


def parse_split(text: str | None) -> SplitRule:
    """The rule that ``--split`` asks for.

    Args:
        text: ``file`` or None: as the scene's files say; ``every:N``; ``list:FILE``, a text file with the
            name or stem of one test view a line (lines that begin with # are comments).

    Raises:
        InputError: It is none of these, or the file cannot be read or is empty.
    """
    if text is None or text == "file":
        return SplitRule()
    kind, _, value = text.partition(":")
    if kind == "every" and value.isascii() and value.isdigit() and int(value) >= 2:
        return SplitRule(every=int(value))
    if kind == "list" and value:
        return SplitRule(test_names=_read_list(Path(value)), source=value)
    raise InputError(
        f"--split {text!r} is no split; say file, every:N (N of 2 or more), list:FILE or sanerf-hq"
    )


def written_splits(
    shared: Fields, frames: list[Fields], names: list[str], folder: SceneFolder
) -> list[str | None]:
    """What the file says of each frame: train, val, test, or None where it says nothing.

    A frame's own ``split`` goes first; then nerfstudio's ``train_filenames``, ``val_filenames`` and
    ``test_filenames``, under which a frame that no list names is "unused".

    Raises:
        InputError: An unknown word, or a list that names no frame.
    """
    listed: dict[str, str] = {}
    known = set(names)
    for word in SPLIT_WORDS:
        for entry in shared.items(f"{word}_filenames") or []:
            name = entry if isinstance(entry, str) else ""
            name = posixpath.normpath(folder.below(name).replace("\\", "/"))
            if name not in known:
                raise shared.error(f"{word}_filenames names {entry!r}, which is no frame; correct the list")
            listed[name] = word
    splits: list[str | None] = []
    for frame, name in zip(frames, names, strict=True):
        own = frame.text("split")
        if own is not None and own not in SPLIT_WORDS:
            raise frame.error(f"split is {own!r}; write one of {', '.join(SPLIT_WORDS)}")
        splits.append(own or (listed.get(name, "unused") if listed else None))
    return splits


def settle_splits(names: list[str], written: list[str | None]) -> list[Split | None]:
    """What each frame is used for; None is left out.

    Validation frames are tested on where there are no test frames, else left out. Where nothing at all is
    written every 8th frame by name, beginning with the first, is for testing; of fewer than 8 none can be
    spared. Among written ones a frame that says nothing is trained on.
    """
    if not any(written):
        held_out = set(sorted(names)[::TEST_EVERY]) if len(names) >= TEST_EVERY else set[str]()
        return ["test" if name in held_out else "train" for name in names]
    meaning: dict[str | None, Split | None] = {
        None: "train",
        "train": "train",
        "test": "test",
        "unused": None,
    }
    meaning["val"] = None if "test" in written else "test"
    return [meaning[word] for word in written]


def check_trainable(splits: Sequence[Split | None], where: object) -> None:
    """Refuse a split that leaves nothing to train on.

    Raises:
        InputError: No frame is for training.
    """
    if "train" not in splits:
        raise InputError(f"{where} has no training frame; give at least one the split 'train'")


def _read_list(path: Path) -> tuple[str, ...]:
    try:
        if path.stat().st_size > MAX_LIST_BYTES:
            raise InputError(f"{path} is larger than {MAX_LIST_BYTES >> 20} MB; give a list of view names")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); give --split list: a text file of view names"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no UTF-8 text; write one view name a line") from error
    names = [line.strip() for line in lines]
    names = [name for name in names if name and not name.startswith("#")]
    if not names:
        raise InputError(f"{path} names no view; write the name of one test view a line")
    return tuple(dict.fromkeys(names))


def _resolve(
    asked: Sequence[str], names: Sequence[str], aliases: Mapping[str, Sequence[str]], source: str
) -> set[str]:
    """The frames that are meant."""
    exact = set(names)
    by_stem: dict[str, set[str]] = {}
    for name in names:
        for stem in {PurePosixPath(name).stem, *aliases.get(name, ())}:
            by_stem.setdefault(stem, set()).add(name)
    found: set[str] = set()
    missing = [entry for entry in asked if entry not in exact and entry not in by_stem]
    if missing:
        raise InputError(
            f"{source}: the test view {missing[0]!r} is no view of the scene ({len(missing)} of "
            f"{len(asked)} are missing); correct the list or put the photos back"
        )
    for entry in asked:
        candidates = {entry} if entry in exact else by_stem[entry]
        if len(candidates) > 1:
            some = ", ".join(sorted(candidates)[:4])
            raise InputError(f"{source}: the test view {entry!r} is ambiguous; say one of {some}")
        found |= candidates
    return found
