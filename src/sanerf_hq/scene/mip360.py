"""Mip-NeRF 360's data set: COLMAP models in ``sparse/0``, photos in ``images`` and smaller copies.

Its paper (Barron et al., CVPR 2022, section 5) measures outdoor scenes on copies reduced 4 times and indoor
ones 2 times, and tests on every 8th photo by name, the first among them (``llffhold = 8`` in
https://github.com/google-research/multinerf, internal/datasets.py).
"""

from __future__ import annotations

from pathlib import Path

from sanerf_hq.scene import colmap
from sanerf_hq.scene.scene import View
from sanerf_hq.scene.splits import SplitRule

REDUCED = {
    **dict.fromkeys(("bicycle", "flowers", "garden", "stump", "treehill"), 4),
    **dict.fromkeys(("bonsai", "counter", "kitchen", "room"), 2),
}


def read_views(root: Path, images: str | None, rule: SplitRule) -> tuple[View, ...]:
    """Read a scene as :func:`sanerf_hq.scene.colmap.read_views` does, at its paper's size.

    Args:
        root: The scene's folder, with the data set's own name.
        images: Folder of the photos; None takes the paper's copy where the name is known and it is there.
        rule: What is tested on; where it says nothing, every 8th view by name.

    Raises:
        InputError: As for COLMAP.
    """
    copy = f"images_{REDUCED.get(root.resolve().name)}"
    if images is None and (root / copy).is_dir():
        images = copy
    return colmap.read_views(root, images, rule)
