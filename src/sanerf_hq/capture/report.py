"""Report: which photos were registered and, of the others, why not; as JSON and as a few lines."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sanerf_hq.capture.evidence import Evidence
from sanerf_hq.capture.model import Model
from sanerf_hq.capture.prepare import Prepared
from sanerf_hq.capture.store import StoredImage

FORMAT = 1
FEW_FEATURES = 150  # in an image
FEW_MATCHES = 30  # with any one registered image: COLMAP poses no image with fewer
BLURRED = 0.35  # of the registered images' median sharpness
WEAK_POINTS = 50  # a pose from fewer 3D points may be off
LINES = 12  # reasons that are printed; capture.json has all

Status = Literal["registered", "not registered", "left out"]


@dataclass(frozen=True)
class PhotoReport:
    """One photo or frame.

    Attributes:
        source: File name, for a frame with its number.
        image: File in ``images/``; None if it was left out.
        status: What became of it.
        reason: Why it was not registered, or what is doubtful of its pose; "" if all is well.
        features: Features found in it.
        points: 3D points it sees.
        error: Mean reprojection error, pixels; None if not registered.
        sharpness: Relative to the median of the registered images; None where nothing was measured.
    """

    source: str
    image: str | None
    status: Status
    reason: str = ""
    features: int = 0
    points: int = 0
    error: float | None = None
    sharpness: float | None = None


@dataclass(frozen=True)
class CaptureReport:
    """What a capture came to.

    Attributes:
        source: What was captured.
        photos: All photos, those left out last.
        n_points: Points in ``sparse_points.ply``.
        mean_error: Mean reprojection error, pixels.
        focal_lengths: Of each camera, pixels, with its images' size in words.
        seconds: Of this call.
    """

    source: str
    photos: tuple[PhotoReport, ...]
    n_points: int
    mean_error: float
    focal_lengths: dict[str, float]
    seconds: float

    def count(self, status: Status) -> int:
        """How many photos have that status."""
        return sum(photo.status == status for photo in self.photos)

    @property
    def n_usable(self) -> int:
        """Photos that were to be registered."""
        return len(self.photos) - self.count("left out")

    def to_json(self) -> dict[str, Any]:
        """What ``capture.json`` holds."""
        return {
            "format": FORMAT,
            "source": self.source,
            "registered": self.count("registered"),
            "usable": self.n_usable,
            "points": self.n_points,
            "mean_error": self.mean_error,
            "focal_lengths": self.focal_lengths,
            "seconds": self.seconds,
            "photos": [asdict(photo) for photo in self.photos],
        }

    def lines(self) -> list[str]:
        """The report for a person."""
        registered = self.count("registered")
        lines = [
            f"{registered} of {self.n_usable} images registered, {self.n_points} points, "
            f"mean error {self.mean_error:.2f} pixels"
        ]
        told = [photo for photo in self.photos if photo.reason]
        for photo in told[:LINES]:
            lines.append(f"  {photo.source} {photo.reason}")
        if len(told) > LINES:
            lines.append(f"  and {len(told) - LINES} more, see capture.json")
        if registered < 0.9 * self.n_usable:
            lines.append(
                "more photos from between those that are not registered and the rest would join them: "
                "add them to the folder and run the same command"
            )
        return lines


def make_report(
    source: str, prepared: Prepared, model: Model, evidence: Evidence, n_points: int, seconds: float
) -> CaptureReport:
    """Say of every photo what became of it."""
    posed = {image.name: image for image in model.images}
    typical = statistics.median(image.sharpness for image in prepared.images if image.name in posed)
    photos: list[PhotoReport] = []
    for image in prepared.images:
        features = evidence.features.get(image.name, 0)
        sharpness = round(image.sharpness / max(typical, 1e-12), 3)
        pose = posed.get(image.name)
        if pose is None:
            reason = why_not(image, sharpness, evidence, model)
            photos.append(
                PhotoReport(image.source, image.name, "not registered", reason, features, sharpness=sharpness)
            )
            continue
        doubt = f"is registered by only {pose.n_points} points" if pose.n_points < WEAK_POINTS else ""
        photos.append(
            PhotoReport(
                *(image.source, image.name, "registered", doubt, features),
                *(pose.n_points, round(pose.error, 3), sharpness),
            )
        )
    photos += [PhotoReport(name, None, "left out", reason) for name, reason in prepared.left_out.items()]
    focal_lengths = {
        f"camera {number}, {camera.size[0]}x{camera.size[1]}": round(camera.fl_x, 2)
        for number, camera in model.cameras.items()
    }
    return CaptureReport(
        source, tuple(photos), n_points, round(model.mean_error, 4), focal_lengths, round(seconds, 1)
    )


def why_not(image: StoredImage, sharpness: float, evidence: Evidence, model: Model) -> str:
    """Why an image is not registered, as the end of a sentence that begins with its name.

    Args:
        image: The image.
        sharpness: Relative to the median of the registered ones.
        evidence: Features and matches.
        model: What was registered.
    """
    features = evidence.features.get(image.name, 0)
    registered = [posed.name for posed in model.images]
    partner, count = evidence.best(image.name, registered)
    for group in model.others:  # other things than the rest shows may be less sharp, and no worse a photo
        if image.name in group:
            return (
                f"is not registered: it fits together with {len(group) - 1} others but not with the rest; "
                "photos from between are missing"
            )
    _, most = evidence.best(image.name, list(evidence.features))
    if sharpness < BLURRED and (features < FEW_FEATURES or most < FEW_MATCHES):
        return f"is not registered: it is blurred ({100 * sharpness:.0f} % of the usual sharpness)"
    if features < FEW_FEATURES:
        return f"is not registered: it is too plain or too dark ({features} features)"
    if count < FEW_MATCHES:
        with_whom = f"{count} matches with {partner}" if count else "no match"
        return f"is not registered: no photo that it was compared with shows enough of the same ({with_whom})"
    return f"is not registered: its {count} matches with {partner} agree on no place"
