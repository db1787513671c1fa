"""Each column that can identify a person has a decision on how it is stored."""

import pytest

import trially.request_cycle.idempotency_keys  # noqa: F401  it has a table of its own
from tools.field_table import DOCUMENT, with_table
from trially.api import find_blueprints
from trially.database.classes import Held, class_of
from trially.database.model import TenantModel
from trially.database.protection import (
    CLINICAL,
    DECIDED,
    OF_MEMBERS,
    RECORD_IDS,
    SEALED,
    Blinded,
    Readable,
    Sealed,
    protect,
    protection_of,
    undecided,
)
from trially.database.sealed_rows import columns_beside, sealed_columns
from trially.recruiting.patients.model import Patient
from trially.recruiting.sites.model import Site

list(find_blueprints())
TABLES = TenantModel.metadata.tables
OF_PERSONS = {"given_name", "family_name", "full_name", "phone", "email", "number", "record"}
"""Kinds of identifiers that identify a patient, and not a member, a site or a source."""


def test_each_column_has_a_decision() -> None:
    assert [name for table in TABLES.values() for name in undecided(table)] == []


def test_no_identifier_of_a_patient_stays_readable_but_ids_of_records() -> None:
    readable = [
        f"{table.name}.{column.name}"
        for table in TABLES.values()
        for column in table.columns
        if (found := class_of(table, column.name)) is not None
        and found.held is Held.IDENTIFIER
        and found.rule in OF_PERSONS
        and not isinstance(protection_of(table, column.name), Sealed | Blinded)
        and (found.rule, protection_of(table, column.name)) != ("record", RECORD_IDS)
    ]

    # A record of the shared list of medications is not about one patient.
    assert readable == ["medication.source_id"]


def test_what_is_declared_is_what_the_type_does() -> None:
    """A declaration alone encrypts nothing: the type of the column does."""
    declared = {
        f"{table.name}.{column.name}"
        for table in TABLES.values()
        for column in table.columns
        if isinstance(protection_of(table, column.name), Sealed)
    }
    done = {
        f"{table.name}.{name}"
        for table in TABLES.values()
        for name in (*sealed_columns(table), *columns_beside(table))
    }

    assert done == declared


def test_the_birth_date_and_the_key_of_the_audit_record_are_sealed() -> None:
    for name in ("birth_date", "address", "audit_key", "corrections"):
        assert isinstance(protection_of(TABLES["patient"], name), Sealed), name


def test_terms_of_the_search_are_not_stored() -> None:
    assert isinstance(protection_of(TABLES["patient_search_term"], "term"), Blinded)


def test_each_readable_column_has_a_reason() -> None:
    decisions = [
        protection_of(table, column.name) for table in TABLES.values() for column in table.columns
    ]
    readable = [each for each in decisions if isinstance(each, Readable)]

    assert readable
    assert all(each.reason.endswith(".") for each in readable)


def test_a_forgotten_column_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trially.database.protection._protections", {})

    assert "patient.mrn" in undecided(TABLES["patient"])
    assert "patient.sex" not in undecided(TABLES["patient"])
    sex = class_of(TABLES["patient"], "sex")
    assert sex is not None
    assert sex.held not in DECIDED


def test_a_table_about_patients_decides_for_each_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trially.database.protection._protections", {})
    monkeypatch.setattr("trially.database.protection._rests", {})
    protect(Patient, {SEALED: "mrn"}, OF_MEMBERS)
    protect(Site, {}, OF_MEMBERS)

    assert "patient.phone" in undecided(TABLES["patient"])
    assert "patient.mrn" not in undecided(TABLES["patient"])
    assert undecided(TABLES["site"]) == []


def test_the_documentation_has_the_columns_of_today() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")

    assert document == with_table(document), "Run `make docs`."
    assert "| `patient_search_term` | `term` | blind index of 64 bits alone |" in document


def test_a_column_has_one_decision() -> None:
    with pytest.raises(ValueError, match=r"patient\.mrn is no column, or has two decisions"):
        protect(Patient, {SEALED: "mrn", CLINICAL: "mrn"})
