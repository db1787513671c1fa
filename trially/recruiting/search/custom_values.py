"""Conditions of patients by their custom values, each of which is a search term."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, func, select

from trially.database.rows import of_current_tenant, table_of
from trially.database.sealing import forms_of_terms
from trially.recruiting.custom_fields.values import Value, term_of_value
from trially.recruiting.search.model import PatientSearchTerm, TermKind


def of_records_with(
    patient_id: ColumnElement[UUID], values: Mapping[str, Value]
) -> list[ColumnElement[bool]]:
    """Return the conditions of records that have these custom values of their own."""
    return [
        patient_id == any_(_records_with(term_of_value(name, value)))
        for name, value in values.items()
    ]


def _records_with(term: str) -> ColumnElement[Any]:
    """Return the ids of the records with a term.

    It is an array, and not a set to join: for a join, PostgreSQL would read all patients.
    """
    columns = table_of(PatientSearchTerm).c
    ids = select(func.coalesce(columns.record_id, columns.patient_id)).where(
        of_current_tenant(PatientSearchTerm),
        columns.kind == TermKind.CUSTOM,
        columns.term.in_(forms_of_terms(TermKind.CUSTOM, [term])),
    )
    return func.array(ids.scalar_subquery(), type_=ARRAY(Uuid))
