"""A composed statement writes new and changed rows only, and the columns of the row type only."""

from importlib import reload
from typing import Any, TypedDict

import pytest
from flask import Flask
from sqlalchemy import Column, MetaData, String
from tenant_databases import ask_in
from uuid_utils.compat import uuid7

from tests.conftest import Member
from tests.recruiting.imports.fhir_examples import PATIENT
from tests.recruiting.imports.importing import Importer
from trially.database.rows import Model, table_of
from trially.database.session import transaction
from trially.recruiting.imports.faults.model import ImportFault
from trially.recruiting.imports.writing import resources, statements, upserting
from trially.recruiting.imports.writing.batches import LineFault
from trially.recruiting.imports.writing.model import Medication
from trially.recruiting.imports.writing.upserting import (
    RowTypeError,
    compose_insert,
    compose_upsert,
    digest,
    run_with_rows,
)
from trially.recruiting.patients.model import Patient
from trially.tenancy.context import tenant_context


class CodeRow(TypedDict):
    """A row of a medication without its display."""

    source_id: str
    code: str
    status: str


KEY = ("source", "base_url", "source_id")
UPSERT = f"""{
    compose_upsert(Medication, CodeRow, KEY, not_stored=["status"], returning="source_id")
}
SELECT source_id, is_new FROM written
"""


def upsert(importer: Importer, *rows: dict[str, Any]) -> list[tuple[str, bool]]:
    items = [
        {
            "id": uuid7(),
            "source": "s",
            "base_url": "",
            "content_hash": digest(str(row).encode()),
            **row,
        }
        for row in rows
    ]
    with importer.app.app_context(), tenant_context(importer.tenant.slug), transaction():
        return sorted((row.source_id, row.is_new) for row in run_with_rows(UPSERT, items))


def test_only_new_and_changed_rows_are_written(importer: Importer) -> None:
    first = upsert(importer, {"source_id": "a", "code": "1"}, {"source_id": "b", "code": "1"})
    again = upsert(importer, {"source_id": "a", "code": "1"}, {"source_id": "b", "code": "2"})

    assert first == [("a", True), ("b", True)]
    assert again == [("b", False)]
    assert importer.query("SELECT source_id, code FROM medication ORDER BY 1") == [
        ("a", "1"),
        ("b", "2"),
    ]


def test_a_column_that_the_row_type_does_not_name_keeps_its_value(importer: Importer) -> None:
    upsert(importer, {"source_id": "a", "code": "1"})
    importer.query("UPDATE medication SET display = 'ours'")

    upsert(importer, {"source_id": "a", "code": "2", "display": "theirs"})

    assert importer.query("SELECT code, display FROM medication") == [("2", "ours")]


def test_a_field_without_a_column_must_be_listed() -> None:
    with pytest.raises(RowTypeError, match="The table medication has no column for status"):
        compose_upsert(Medication, CodeRow, KEY)


@pytest.mark.parametrize("name", ["code", "display", "staus"])
def test_only_fields_without_a_column_may_be_listed(name: str) -> None:
    with pytest.raises(RowTypeError, match=f"Remove {name} from `not_stored`"):
        compose_upsert(Medication, CodeRow, KEY, not_stored=["status", name])


def test_an_added_name_needs_a_column() -> None:
    with pytest.raises(RowTypeError, match="The table import_fault has no column for job_id"):
        compose_insert(ImportFault, LineFault, added=["id", "job_id"])


@pytest.mark.parametrize("text", ["'; DROP TABLE medication; --", ":rows %s %(rows)s", 'é\\"\n'])
def test_values_stay_values(importer: Importer, text: str) -> None:
    upsert(importer, {"source_id": "a", "code": text})

    assert importer.query("SELECT code FROM medication") == [(text,)]


@pytest.fixture
def wider_patient(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Compose the statements again, for a model of patients with one column more."""
    wider = table_of(Patient).to_metadata(MetaData())
    wider.append_column(Column("favourite_colour", String(8)))

    def table_of_wider(model: Model) -> Any:
        return wider if model is Patient else table_of(model)

    with monkeypatch.context() as patch:
        patch.setattr(upserting, "table_of", table_of_wider)
        reload(statements)
        patch.setattr(resources, "UPSERT_PATIENTS", statements.UPSERT_PATIENTS)
        yield
    reload(statements)


@pytest.mark.usefixtures("wider_patient")
@pytest.mark.parametrize("definition", ["varchar(8)", "varchar(8) NOT NULL DEFAULT 'en'"])
def test_columns_that_no_source_fills_survive_a_changed_import(
    app: Flask, importer: Importer, member: Member, definition: str
) -> None:
    ask_in(
        app,
        importer.tenant,
        f"ALTER TABLE tenant.patient ADD COLUMN favourite_colour {definition}",
    )
    first = importer(PATIENT)
    patient_id = importer.value("SELECT id::text FROM patient")
    site = member.post("/sites", json={"name": "North"}).get_json()["id"]
    entered = {"site_id": site, "contact_preference": "no_sms"}
    assert member.patch(f"/patients/{patient_id}", json=entered).status_code == 200
    importer.query("UPDATE patient SET favourite_colour = 'de'")

    again = importer({**PATIENT, "name": [{"family": "Changed"}]})

    assert (first["error_count"], again["error_count"]) == (0, 0)
    assert again["counts"]["Patient"]["changed"] == 1
    assert importer.query(
        "SELECT family_name, favourite_colour, contact_preference, site_id::text FROM patient"
    ) == [("Changed", "de", "no_sms", site)]
