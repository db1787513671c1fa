"""What a resource refuses when its module is imported, so that the app does not start."""

import pytest
from marshmallow import Schema, fields

from trially.database.rows import table_of
from trially.http.masking import UnmarkedFieldError
from trially.phi import PLAIN
from trially.recruiting.patients.model import Patient
from trially.recruiting.patients.schema import PatientSchema
from trially.recruiting.records.model import ClinicalFact
from trially.recruiting.records.schema import RecordSchema
from trially.recruiting.sites.model import Site
from trially.resources.resource import RESOURCES, Resource
from trially.resources.scope import WHOLE_TENANT, UnscopedResourceError, of_patient, of_site

PATIENT = table_of(Patient).c


def test_a_resource_names_its_scope() -> None:
    with pytest.raises(UnscopedResourceError, match=r"of Site names no scope\. Pass scope="):
        Resource(Site, Schema())  # type: ignore[call-arg]


def test_rows_about_patients_cannot_have_the_scope_of_the_whole_tenant() -> None:
    for model, schema in ((Patient, PatientSchema()), (ClinicalFact, RecordSchema())):
        with pytest.raises(UnscopedResourceError, match=r"Pass scope=of_patient\(columns\."):
            Resource(model, schema, scope=WHOLE_TENANT)


def test_the_scope_must_be_by_a_column_of_the_same_table() -> None:
    with pytest.raises(UnscopedResourceError):
        Resource(ClinicalFact, RecordSchema(), scope=of_site(PATIENT.site_id))


def test_a_field_about_a_patient_needs_a_phi_mark() -> None:
    unmarked = Schema.from_dict({"id": fields.UUID(metadata=PLAIN), "mrn": fields.String()})

    with pytest.raises(UnmarkedFieldError, match=r"mrn .*Add metadata=PLAIN, IDENTIFIER"):
        Resource(Patient, unmarked(), scope=of_site(PATIENT.site_id))


def test_a_field_without_a_column_is_refused() -> None:
    wider = Schema.from_dict({"shoe_size": fields.Integer(metadata=PLAIN)})

    with pytest.raises(TypeError, match=r"shoe_size is no column of Patient\. Add the column"):
        Resource(Patient, wider(), scope=of_site(PATIENT.site_id))


def test_a_field_allows_null_where_its_column_does() -> None:
    strict = Schema.from_dict({"language": fields.String(metadata=PLAIN)})

    with pytest.raises(TypeError, match=r"language does not allow null.* Add allow_none=True"):
        Resource(Patient, strict(), scope=of_site(PATIENT.site_id))


def test_a_refused_resource_is_not_listed() -> None:
    before = list(RESOURCES)
    empty = Schema.from_dict({})

    with pytest.raises(UnscopedResourceError):
        Resource(Patient, empty(), scope=WHOLE_TENANT)

    assert before == RESOURCES


def test_a_scope_holds_the_rows_of_its_own_table() -> None:
    fact = table_of(ClinicalFact)

    assert fact in of_patient(fact.c.patient_id)
    assert table_of(Patient) not in of_patient(fact.c.patient_id)
    assert table_of(Site) not in WHOLE_TENANT
