"""A detector of words that sees colours and errs on purpose."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sanerf_hq.segmenters import Detections
from support.balls import COLOURS

NUMBERS = {"red": 1, "green": 2}
OTHER = {"red": "green", "green": "red"}


@dataclass
class SeesColours:
    """Finds the ball of the colour that the text names; likes the other one better in every third picture."""

    name: str = "colours"
    least: float = 0.8
    pictures: int = 0

    def detect(self, image: Tensor, text: str) -> Detections:
        self.pictures += 1
        wrong = self.pictures % 3 == 0
        boxes, scores = [torch.tensor([0.0, 0, 64, 48])], [0.05]
        for colour, score in ((text, self.least), (OTHER.get(text, ""), 0.95 if wrong else 0.2)):
            rows, columns = (
                (image == COLOURS[NUMBERS[colour]]).all(-1).nonzero().T if colour in NUMBERS else ((), ())
            )
            if len(rows):
                ends = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                boxes.append(torch.stack(ends).float())
                scores.append(score)
        order = torch.tensor(scores).argsort(descending=True)
        return Detections(torch.stack(boxes)[order], torch.tensor(scores)[order])
