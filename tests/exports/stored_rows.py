"""Rows as the database returns them after an import has written what it translated."""

import datetime as dt
from decimal import Decimal
from typing import Any

from trially.database.rows import table_of
from trially.recruiting.documents.model import Document
from trially.recruiting.imports.fhir.meta import read_version
from trially.recruiting.patients.model import Patient
from trially.recruiting.records.model import ClinicalFact

Json = dict[str, Any]
INSTANTS = ("start_at", "end_at", "recorded_at", "deceased_at", "at", "version_at")
DAYS = ("birth_date", "deceased_on", "dated_on")
NUMBERS = ("value_number", "reference_low", "reference_high")


def as_stored(row: Any, resource: Json) -> Json:
    """Return a translated row as it is read from its table, with the patient's key in two."""
    model = Patient if "mrn" in row else ClinicalFact if "component" in row else Document
    stored: Json = dict.fromkeys(table_of(model).c.keys())
    version = read_version(resource)
    stored |= {**row, "version_at": version.at, "version_number": version.number}
    for name in INSTANTS:
        if stored.get(name) is not None:
            stored[name] = dt.datetime.fromisoformat(stored[name])
    for name in DAYS:
        if stored.get(name) is not None:
            stored[name] = dt.date.fromisoformat(stored[name])
    for name in NUMBERS:
        if stored.get(name) is not None:
            stored[name] = Decimal(str(stored[name]))
    stored["source"] = "fhir"
    base, _, source_id = str(stored.get("patient_source_id")).rpartition("/Patient/")
    stored["patient_base_url"], stored["patient_source_id"] = base, source_id
    return stored
