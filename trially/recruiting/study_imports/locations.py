"""The places of a study that its registry names, without persons."""

from collections.abc import Iterator, Mapping
from typing import Any

from trially.recruiting.study_imports.reading_values import ValueReader

MOST_LOCATIONS = 2_000
LONGEST_NAME = 300
_PATH = ("protocolSection", "contactsLocationsModule", "locations")
_TEXTS = {
    "facility": "facility",
    "status": "status",
    "city": "city",
    "state": "state",
    "postal_code": "zip",
    "country": "country",
}


def locations_of(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the locations of a registry's record, in its order.

    Most studies say a status for each location only while they recruit.
    """
    for _, item in ValueReader(record).objects(_PATH, MOST_LOCATIONS):
        reader = ValueReader(item)
        texts = {name: reader.text((key,), LONGEST_NAME) for name, key in _TEXTS.items()}
        texts["status"] = None if texts["status"] is None else texts["status"].lower()
        latitude = _degrees(reader.value(("geoPoint", "lat")), 90)
        longitude = _degrees(reader.value(("geoPoint", "lon")), 180)
        is_known = latitude is not None and longitude is not None
        yield {
            **texts,
            "latitude": latitude if is_known else None,
            "longitude": longitude if is_known else None,
        }


def _degrees(value: Any, most: int) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) <= most else None
