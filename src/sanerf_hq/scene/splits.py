"""Splits: which frames are trained on, which are kept for testing, which are left out."""

from __future__ import annotations

import posixpath

from sanerf_hq.scene.fields import Fields
from sanerf_hq.scene.scene import Split

SPLIT_WORDS = ("train", "val", "test")
TEST_EVERY = 8


def written_splits(shared: Fields, frames: list[Fields], names: list[str]) -> list[str | None]:
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
            name = posixpath.normpath(entry.replace("\\", "/")) if isinstance(entry, str) else None
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
    written every 8th frame by name, beginning with the first, is for testing; a single frame is trained on.
    Among written ones a frame that says nothing is trained on.
    """
    if not any(written):
        held_out = set(sorted(names)[::TEST_EVERY]) if len(names) > 1 else set[str]()
        return ["test" if name in held_out else "train" for name in names]
    meaning: dict[str | None, Split | None] = {
        None: "train",
        "train": "train",
        "test": "test",
        "unused": None,
    }
    meaning["val"] = None if "test" in written else "test"
    return [meaning[word] for word in written]
