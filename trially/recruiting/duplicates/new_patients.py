"""Index a patient who was just entered by hand, and find the patient's possible duplicates.

Nothing has been stored about the patient before, so one statement writes the name and the terms,
and finds the patients who share a key. Most new patients share none.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from uuid_utils.compat import uuid7

from trially.database.fixed_statements import FixedStatement
from trially.database.placement import current_placement
from trially.database.rows import table_of
from trially.database.sealed_rows import stored_row
from trially.recruiting.duplicates.candidates import IS_KEY, SHARING_PATIENTS
from trially.recruiting.duplicates.finding import record_pairs
from trially.recruiting.search.blinding import stored_terms
from trially.recruiting.search.indexing import ADD_NAMES, ADD_TERMS, own_name
from trially.recruiting.search.model import PatientName
from trially.recruiting.search.terms import terms_of

_INDEX = FixedStatement(
    text(f"""
WITH names AS ({ADD_NAMES.format(rows=":names")}), terms AS ({ADD_TERMS.format(rows=":terms")}),
keys AS (
    SELECT patient_id, kind, term FROM json_to_recordset(CAST(:terms AS json))
        AS r(patient_id uuid, kind text, term text)
    WHERE {IS_KEY}
)
{SHARING_PATIENTS}
""")
)


def index_new_patient(patient: Mapping[str, Any]) -> None:
    """Write the name, the terms and the possible duplicates of a patient."""
    patient_id: UUID = patient["id"]
    name = own_name(patient["given_name"], patient["family_name"])
    described = {**patient, "names": [name], "identifiers": None}
    row = {"id": uuid7(), "patient_id": patient_id, "position": 0, **name}
    names = [stored_row(table_of(PatientName), row)]
    terms = [
        {"id": uuid7(), "patient_id": patient_id, "record_id": None, **term}
        for term in stored_terms(terms_of(described))
    ]
    parameters = {
        "tenant_id": str(current_placement().tenant_id),
        "names": orjson.dumps(names).decode(),
        "terms": orjson.dumps(terms).decode(),
    }
    pairs = _INDEX.run(parameters).rows
    if pairs:
        record_pairs([(first, second) for first, second in pairs])
