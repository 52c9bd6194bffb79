"""Identity names: which objects a segmentation holds, told without loading what was made of them."""

from __future__ import annotations

import json

from sanerf_hq.errors import InputError
from sanerf_hq.objects.record import recorded_names
from sanerf_hq.radiance import RadianceField
from sanerf_hq.runs import read_metadata


def identity_names(radiance: RadianceField, name: str) -> tuple[str, ...]:
    """Names of a segmentation's identities; of a scene that moves at a moment, those that were found then.

    So one that is damaged or of another version is known by its identities, too: where its field does not say
    them, as they were asked for; () where nothing says them.

    Args:
        radiance: A field at home in its run.
        name: The segmentation's.
    """
    home = radiance.at_home()
    places = [home.segmentation(name)]
    if radiance.moments and radiance.moment is None:
        places = [places[0].at(number) for number in range(len(radiance.moments))]
    try:
        said = [json.loads(read_metadata(place.field)["names"]) for place in places if place.field.exists()]
        return tuple(dict.fromkeys(str(one) for names in said for one in names))
    except (InputError, KeyError, ValueError, TypeError):
        return recorded_names(home.run.segmentation(name))
