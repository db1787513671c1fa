"""Where patients live, for criteria about the distance to a study's sites."""

import datetime as dt
from collections.abc import Sequence

import numpy as np
import zstandard

from trially.database.placement import current_placement
from trially.database.rows import table_of
from trially.database.sealing import field_state
from trially.geolocation import MOST_DEGREES
from trially.recruiting.matching import stored
from trially.recruiting.matching.charts import place_of
from trially.recruiting.matching.digests import name_homes
from trially.recruiting.matching.model import IS_NUMBERED
from trially.recruiting.matching.packed_rows import Rows, copy_rows, row_type
from trially.recruiting.matching.subjects import opened_values
from trially.recruiting.patients.model import Patient

HOME = row_type({"ordinal": "i4", "latitude": "f8", "longitude": "f8"})
"""Where a patient lives, in degrees. Patients whose home is not known have none."""

_IS_PLACED = " AND ".join(
    f"jsonb_typeof(patient.address -> '{name}') = 'number'" for name in MOST_DEGREES
)
_READ = f"""
SELECT subject.ordinal, (patient.address ->> 'latitude')::float8,
    (patient.address ->> 'longitude')::float8
FROM match_subject AS subject
JOIN patient ON patient.tenant_id = %(tenant_id)s AND patient.id = subject.patient_id
WHERE subject.tenant_id = %(tenant_id)s AND {IS_NUMBERED} AND {_IS_PLACED} {{of_some}}
"""
_OF_SOME = "AND subject.ordinal = ANY (%(ordinals)s::int[])"


def read_homes(ordinals: Sequence[int] | None = None) -> Rows:
    """Read where the patients of the current tenant live, or those with some ordinals: `HOME`."""
    if field_state().is_sealed:
        return _open_homes(ordinals)
    parameters = {
        "tenant_id": str(current_placement().tenant_id),
        "ordinals": list(ordinals or ()),
    }
    of_some = "" if ordinals is None else _OF_SOME
    return copy_rows(_READ.format(of_some=of_some), parameters, HOME)


def kept_homes(change_number: int, today: dt.date) -> Rows:
    """Return where all patients live, as stored if no patient has changed since."""
    return stored.kept_or_read(
        *(name_homes(), change_number, today), read=read_homes, dump=_dump, load=_load
    )


def _dump(homes: Rows) -> bytes:
    return zstandard.ZstdCompressor(level=1).compress(homes.tobytes())


def _load(content: bytes) -> Rows:
    return np.frombuffer(zstandard.ZstdDecompressor().decompress(content), HOME)


def _open_homes(ordinals: Sequence[int] | None) -> Rows:
    """Read addresses that PostgreSQL cannot read."""
    found = opened_values(table_of(Patient).c.address, ordinals)
    placed = [(ordinal, place_of(address)) for ordinal, address in found]
    return np.array([(ordinal, *place) for ordinal, place in placed if place is not None], HOME)
