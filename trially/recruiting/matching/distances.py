"""Judge the distances of all patients to the sites of a study at once.

The rule is that of the evaluator of one patient (`criteria/evaluation/persons`), which also judges
who lives so near to the limit that numpy's rounding could decide.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trially.recruiting.criteria.evaluation.persons import (
    EARTH_KM,
    kilometres,
    most_kilometres,
)
from trially.recruiting.criteria.facts import Place
from trially.recruiting.criteria.language.person_leaves import Distance
from trially.recruiting.matching.packed_rows import Rows
from trially.recruiting.matching.panel import Panel, Results

_NEAR_KM = 1e-3

Kilometres = NDArray[np.float64]


def judge_distance(leaf: Distance, panel: Panel, places: Sequence[Place]) -> Results:
    """Judge the distance to the nearest site. Without a home or a site it is undecided."""
    if not places:
        return Results(panel.no_flags(), panel.no_flags())
    # A home may have been added for a patient whose records are not current.
    homes = panel.homes[panel.homes["ordinal"] < panel.size]
    most = most_kilometres(leaf)
    nearest = np.full(len(homes), np.inf)
    for place in places:
        nearest = np.minimum(nearest, _kilometres(homes, place))
    is_near = nearest <= float(most)
    for number in np.flatnonzero(np.abs(nearest - float(most)) < _NEAR_KM):
        home = Place(*map(float, homes[["latitude", "longitude"]][number]))
        is_near[number] = min(kilometres(home, place) for place in places) <= most
    ordinals = homes["ordinal"]
    return Results(panel.having(ordinals[is_near]), panel.having(ordinals[~is_near]))


def _kilometres(homes: Rows, place: Place) -> Kilometres:
    """Return the length of a great circle from each home to a place."""
    latitudes, latitude = np.radians(homes["latitude"]), np.radians(place.latitude)
    longitudes = np.radians(place.longitude - homes["longitude"])
    half = np.sin((latitude - latitudes) / 2) ** 2
    half += np.cos(latitudes) * np.cos(latitude) * np.sin(longitudes / 2) ** 2
    found: Kilometres = 2 * EARTH_KM * np.arcsin(np.sqrt(np.minimum(1.0, half)))
    return found
