"""The places of the demo tenants' sites and patients."""

from collections.abc import Mapping
from dataclasses import dataclass

from trially.tenancy.catalog_choices import TenantKind


@dataclass(frozen=True)
class Place:
    """A town with its state, postal code and telephone area, and where its centre is."""

    city: str
    state: str
    postal_code: str
    area_code: str
    latitude: float
    longitude: float


DAYTON = Place("Dayton", "OH", "45402", "937", 39.7589, -84.1916)
MADISON = Place("Madison", "WI", "53703", "608", 43.0722, -89.4008)
TUCSON = Place("Tucson", "AZ", "85719", "520", 32.2217, -110.9265)
RALEIGH = Place("Raleigh", "NC", "27601", "919", 35.7721, -78.6386)
PORTLAND = Place("Portland", "ME", "04101", "207", 43.6615, -70.2553)
DULUTH = Place("Duluth", "MN", "55802", "218", 46.7833, -92.1066)
CLOQUET = Place("Cloquet", "MN", "55720", "218", 46.7216, -92.4594)
SUPERIOR = Place("Superior", "WI", "54880", "715", 46.7208, -92.1041)

PLACES: Mapping[TenantKind, tuple[Place, ...]] = {
    TenantKind.SITE: (
        DAYTON,
        Place("Kettering", "OH", "45429", "937", 39.6895, -84.1688),
        Place("Beavercreek", "OH", "45434", "937", 39.7092, -84.0633),
        Place("Xenia", "OH", "45385", "937", 39.6848, -83.9297),
    ),
    TenantKind.CRO: (
        MADISON,
        Place("Middleton", "WI", "53562", "608", 43.0972, -89.5043),
        TUCSON,
        Place("Oro Valley", "AZ", "85737", "520", 32.3909, -110.9665),
        RALEIGH,
        Place("Durham", "NC", "27701", "919", 35.994, -78.8986),
        PORTLAND,
        Place("South Portland", "ME", "04106", "207", 43.6415, -70.2409),
    ),
    TenantKind.HEALTH_SYSTEM: (
        DULUTH,
        Place("Hermantown", "MN", "55811", "218", 46.8069, -92.2383),
        CLOQUET,
        Place("Two Harbors", "MN", "55616", "218", 47.0227, -91.6707),
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
