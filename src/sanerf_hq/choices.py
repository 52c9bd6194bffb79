"""What ``--segmenter`` and ``--detector`` take: the one place that lists it.

Apart from the models themselves, so that ``--help`` can name them without waiting for torch.
"""

from __future__ import annotations

SEGMENTERS = {
    "compact[:FOLDER]": "a small promptable model of our own, shipped in the package",
    "grabcut": "colours alone, no weights: a baseline",
    "sam[:base|large|huge|HUB_ID|FOLDER]": "Segment Anything",
    "sam_hq[:base|large|huge|HUB_ID|FOLDER]": "Segment Anything in High Quality",
    "sam2[:tiny|small|base-plus|large|HUB_ID|FOLDER]": "Segment Anything 2.1, on single images",
    "masks:FOLDER": "your own mask images, one a view",
    "truth": "the scene's own instance images, for measuring",
    "damaged:SETTINGS": "the same with errors at set rates, such as damaged:wrong=0.4,wobble=3,seed=1",
}

DETECTORS = {
    "grounding_dino[:tiny|base|HUB_ID|FOLDER]": "Grounding DINO: words to boxes",
}
