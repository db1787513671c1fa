"""Patients as clients write and read them."""

import datetime as dt

from marshmallow import Schema, ValidationError, fields, validate

from trially.database.rows import table_of
from trially.http.fields import Choice, Flag, PageQuerySchema, Text
from trially.phi import DATE, IDENTIFIER, PLAIN, POSTAL_CODE, PRECISION, value_set
from trially.recruiting.patients.model import ADDRESS_WIDTHS, ContactPreference, Patient, Sex
from trially.resources.fields import text

columns = table_of(Patient).c

EARLIEST_BIRTH = dt.date(1850, 1, 1)
EARLIEST_DEATH = dt.datetime(1850, 1, 1, tzinfo=dt.UTC)
NAME_PREFIX = {"description": "How the name begins; upper and lower case are the same."}


def check_birth_date(date: dt.date) -> None:
    """Reject a birth date in the future, or before 1850."""
    # The date may be one day ahead of UTC where the patient lives.
    if not EARLIEST_BIRTH <= date <= dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1):
        raise ValidationError("Must be a date between 1850 and today.")


def check_death(at: dt.datetime) -> None:
    """Reject a death in the future, or before 1850."""
    if not EARLIEST_DEATH <= at <= dt.datetime.now(dt.UTC) + dt.timedelta(days=1):
        raise ValidationError("Must be a time between 1850 and now.")


class AddressSchema(Schema):
    """Where a patient lives."""

    line = Text(ADDRESS_WIDTHS["line"], allow_none=True, metadata=IDENTIFIER)
    city = Text(ADDRESS_WIDTHS["city"], allow_none=True, metadata=IDENTIFIER)
    state = Text(ADDRESS_WIDTHS["state"], allow_none=True, metadata=value_set("state"))
    postal_code = Text(ADDRESS_WIDTHS["postal_code"], allow_none=True, metadata=POSTAL_CODE)
    country = Text(ADDRESS_WIDTHS["country"], allow_none=True, metadata=value_set("country"))


class PatientSchema(Schema):
    """A patient. An imported patient may lack fields that a manually entered one must have."""

    id = fields.UUID(dump_only=True, metadata=PLAIN)
    mrn = text(columns.mrn, allow_none=True, metadata=IDENTIFIER)
    given_name = text(columns.given_name, allow_none=True, metadata=IDENTIFIER)
    family_name = text(columns.family_name, allow_none=True, metadata=IDENTIFIER)
    birth_date = fields.Date(allow_none=True, metadata=DATE)
    birth_date_precision = fields.String(dump_only=True, allow_none=True, metadata=PRECISION)
    sex = Choice(Sex, allow_none=True, metadata=PLAIN)
    gender_identity = text(
        columns.gender_identity, allow_none=True, metadata=value_set("gender identity")
    )
    race = text(columns.race, allow_none=True, metadata=value_set("race"))
    ethnicity = text(columns.ethnicity, allow_none=True, metadata=value_set("ethnicity"))
    language = text(columns.language, allow_none=True, metadata=value_set("language"))
    phone = text(columns.phone, allow_none=True, metadata=IDENTIFIER)
    email = text(columns.email, allow_none=True, metadata=IDENTIFIER)
    address = fields.Nested(AddressSchema, allow_none=True)
    deceased = Flag(metadata=PLAIN)
    deceased_at = fields.AwareDateTime(
        allow_none=True, default_timezone=dt.UTC, validate=check_death, metadata=DATE
    )
    contact_preference = Choice(ContactPreference, metadata=PLAIN)
    site_id = fields.UUID(allow_none=True, metadata=PLAIN)
    source = fields.String(dump_only=True, metadata=PLAIN)
    last_encounter_on = fields.Date(dump_only=True, allow_none=True, metadata=PLAIN)
    clinical_version = fields.Integer(dump_only=True, metadata=PLAIN)
    created_at = fields.AwareDateTime(dump_only=True, metadata=PLAIN)
    updated_at = fields.AwareDateTime(dump_only=True, metadata=PLAIN)


class PatientBodySchema(PatientSchema):
    """A patient as entered manually."""

    mrn = text(columns.mrn, required=True, metadata=IDENTIFIER)
    given_name = text(columns.given_name, required=True, metadata=IDENTIFIER)
    family_name = text(columns.family_name, required=True, metadata=IDENTIFIER)
    birth_date = fields.Date(required=True, validate=check_birth_date, metadata=DATE)
    sex = Choice(Sex, required=True, metadata=PLAIN)


class PatientFilterSchema(Schema):
    """Filters of a list of patients."""

    sex = Choice(Sex)
    site_id = fields.UUID()
    source = text(columns.source)


class PatientQuerySchema(PageQuerySchema, PatientFilterSchema):
    """Query parameters of a list of patients. Search takes names, which do not belong in a URL."""


class PatientCountSchema(Schema):
    """The number of patients."""

    count = fields.Integer(dump_only=True)


class PatientSearchSchema(Schema):
    """Criteria of a search; a patient must meet all of them."""

    mrn = text(columns.mrn)
    given_name = text(columns.given_name, metadata=NAME_PREFIX)
    family_name = text(columns.family_name, metadata=NAME_PREFIX)
    birth_date = fields.Date()
    sex = Choice(Sex)
    site_id = fields.UUID()
    limit = fields.Integer(strict=True, load_default=50, validate=validate.Range(1, 200))
    cursor = fields.String(load_default=None, allow_none=True, validate=validate.Length(1, 1000))
