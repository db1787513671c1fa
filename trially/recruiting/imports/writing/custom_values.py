"""Write the values of the tenant's own fields that a table has of patients."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select

from trially.database.rows import fetch_items, of_current_tenant, table_of
from trially.database.sealed_rows import stored_row
from trially.recruiting.custom_fields.choices import CustomResource
from trially.recruiting.custom_fields.definitions import lock_definitions
from trially.recruiting.custom_fields.values import Definition, UnfitValueError
from trially.recruiting.imports.writing.identifying import ids_of
from trially.recruiting.imports.writing.upserting import run_with_rows
from trially.recruiting.patients.model import Patient

if TYPE_CHECKING:
    from trially.recruiting.imports.writing.resources import TranslatedResource

Fields = Mapping[str, Definition]

_WRITE = """
UPDATE patient SET custom = r.custom
FROM json_to_recordset(CAST(:rows AS json)) AS r(id uuid, custom jsonb)
WHERE patient.tenant_id = CAST(:tenant_id AS uuid) AND patient.id = r.id
"""


def lock_custom_fields(patients: Iterable["TranslatedResource"]) -> Fields:
    """Return the fields that patients have values of, locked until the end of the transaction.

    They are locked before the patients, as a request that changes a patient does it.
    """
    names = {name for patient in patients for name in _values_of(patient)}
    return lock_definitions(CustomResource.PATIENT, names, names) if names else {}


def write_custom_values(
    patients: Iterable["TranslatedResource"], written: Sequence[Row[Any]], fields: Fields
) -> None:
    """Write the values of the patients that were written. All other values of them stay.

    A value is left out if its field was deleted or changed since the table was read.
    """
    if not fields:
        return
    ids = ids_of(written)
    values = {
        patient_id: _fitting(_values_of(patient), fields)
        for patient in patients
        if (patient_id := ids.get((patient.key.base_url, patient.id))) is not None
    }
    table = table_of(Patient)
    stored = fetch_items(
        select(table.c.id, table.c.custom)
        .where(of_current_tenant(Patient), table.c.id.in_([key for key in values if values[key]]))
        .with_for_update()
    )
    changed = [
        stored_row(table, {"id": row["id"], "custom": {**row["custom"], **values[row["id"]]}})
        for row in stored
    ]
    if changed:
        run_with_rows(_WRITE, changed)


def _values_of(patient: "TranslatedResource") -> Mapping[str, Any]:
    values: Mapping[str, Any] = patient.rows[0].get("custom_values", {})
    return values


def _fitting(values: Mapping[str, Any], fields: Fields) -> dict[str, Any]:
    return {
        name: value
        for name, value in values.items()
        if name in fields and _fits(fields[name], value)
    }


def _fits(field: Definition, value: object) -> bool:
    try:
        field.check(value)
    except UnfitValueError:
        return False
    return True
