"""The places of the demo tenants' sites and patients."""

from collections.abc import Mapping
from dataclasses import dataclass

from trially.tenancy.catalog_choices import TenantKind


@dataclass(frozen=True)
class Place:
    """A town with its state, postal code and telephone area."""

    city: str
    state: str
    postal_code: str
    area_code: str


DAYTON = Place("Dayton", "OH", "45402", "937")
MADISON = Place("Madison", "WI", "53703", "608")
TUCSON = Place("Tucson", "AZ", "85719", "520")
RALEIGH = Place("Raleigh", "NC", "27601", "919")
PORTLAND = Place("Portland", "ME", "04101", "207")
DULUTH = Place("Duluth", "MN", "55802", "218")
CLOQUET = Place("Cloquet", "MN", "55720", "218")
SUPERIOR = Place("Superior", "WI", "54880", "715")

PLACES: Mapping[TenantKind, tuple[Place, ...]] = {
    TenantKind.SITE: (
        DAYTON,
        Place("Kettering", "OH", "45429", "937"),
        Place("Beavercreek", "OH", "45434", "937"),
        Place("Xenia", "OH", "45385", "937"),
    ),
    TenantKind.CRO: (
        MADISON,
        Place("Middleton", "WI", "53562", "608"),
        TUCSON,
        Place("Oro Valley", "AZ", "85737", "520"),
        RALEIGH,
        Place("Durham", "NC", "27701", "919"),
        PORTLAND,
        Place("South Portland", "ME", "04106", "207"),
    ),
    TenantKind.HEALTH_SYSTEM: (
        DULUTH,
        Place("Hermantown", "MN", "55811", "218"),
        CLOQUET,
        Place("Two Harbors", "MN", "55616", "218"),
        SUPERIOR,
    ),
}

STREETS = (
    "Placeholder Lane",
    "Specimen Street",
    "Sandbox Road",
    "Fixture Court",
    "Makebelieve Avenue",
    "Dummy Drive",
    "Pretend Parkway",
    "Example Way",
)
