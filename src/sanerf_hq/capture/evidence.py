"""Evidence: what COLMAP's database knows of the images, to tell why some of them were not registered."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sanerf_hq.capture.colmap import quiet_pycolmap
from sanerf_hq.capture.config import CaptureConfig
from sanerf_hq.capture.store import Store


@dataclass(frozen=True)
class Evidence:
    """What the database knows of the images.

    Attributes:
        features: Number of features by image.
        matches: Number of matches that fit one geometry, by pair of images, each pair both ways.
    """

    features: Mapping[str, int]
    matches: Mapping[str, Mapping[str, int]]

    def best(self, name: str, among: Sequence[str]) -> tuple[str, int]:
        """The image among these with the most matches with ``name``, and their number; ("", 0) if none."""
        partners = self.matches.get(name, {})
        found = [(partners[other], other) for other in among if partners.get(other, 0) > 0]
        count, other = max(found, default=(0, ""))
        return other, count


def read_evidence(images: Collection[str], store: Store, config: CaptureConfig) -> Evidence:
    """What the store's database says of these images; it may know others, which were taken out."""
    with (
        quiet_pycolmap(config.seed, store.database) as pycolmap,
        pycolmap.Database.open(store.database) as database,
    ):
        known = database.read_all_images()
        names = {image.image_id: image.name for image in known if image.name in images}
        features = {name: database.num_keypoints_for_image(number) for number, name in names.items()}
        matches: dict[str, dict[str, int]] = {name: {} for name in names.values()}
        for pair, count in zip(*database.read_two_view_geometry_num_inliers(), strict=True):
            one, other = pycolmap.pair_id_to_image_pair(pair)
            if one in names and other in names:
                matches[names[one]][names[other]] = matches[names[other]][names[one]] = count
        return Evidence(features, matches)
