"""Patients as clients write and read them."""

import datetime as dt

from marshmallow import Schema, ValidationError, fields, validate

from trially.http.fields import Choice, PageQuerySchema, Text
from trially.recruiting.patients.model import ContactPreference, Sex

EARLIEST_BIRTH = dt.date(1850, 1, 1)
EARLIEST_DEATH = dt.datetime(1850, 1, 1, tzinfo=dt.UTC)


def check_birth_date(date: dt.date) -> None:
    """Refuse a birth that is yet to come, or too long ago to be a patient's."""
    # It is tomorrow already where the day begins.
    if not EARLIEST_BIRTH <= date <= dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1):
        raise ValidationError("Must be a date between 1850 and today.")


def check_death(at: dt.datetime) -> None:
    """Refuse a death that is yet to come, or that no patient's can be."""
    if not EARLIEST_DEATH <= at <= dt.datetime.now(dt.UTC) + dt.timedelta(days=1):
        raise ValidationError("Must be a time between 1850 and now.")


class AddressSchema(Schema):
    """Where a patient lives."""

    line = Text(400, allow_none=True)
    city = Text(100, allow_none=True)
    state = Text(100, allow_none=True)
    postal_code = Text(20, allow_none=True)
    country = Text(100, allow_none=True)


class PatientSchema(Schema):
    """A patient. One who was imported may lack what one entered by hand must have."""

    id = fields.UUID(dump_only=True)
    mrn = Text(128, required=True)
    given_name = Text(200, allow_none=True)
    family_name = Text(200, allow_none=True)
    birth_date = fields.Date(allow_none=True)
    birth_date_precision = fields.String(dump_only=True, allow_none=True)
    sex = Choice(Sex, allow_none=True)
    gender_identity = Text(200, allow_none=True)
    race = Text(200, allow_none=True)
    ethnicity = Text(200, allow_none=True)
    language = Text(64, allow_none=True)
    phone = Text(64, allow_none=True)
    email = Text(320, allow_none=True)
    address = fields.Nested(AddressSchema, allow_none=True)
    deceased = fields.Boolean(truthy={True}, falsy={False})
    deceased_at = fields.AwareDateTime(
        allow_none=True, default_timezone=dt.UTC, validate=check_death
    )
    contact_preference = Choice(ContactPreference)
    site_id = fields.UUID(allow_none=True)
    source = fields.String(dump_only=True)
    last_encounter_on = fields.Date(dump_only=True, allow_none=True)
    clinical_version = fields.Integer(dump_only=True)
    created_at = fields.AwareDateTime(dump_only=True)
    updated_at = fields.AwareDateTime(dump_only=True)


class PatientBodySchema(PatientSchema):
    """A patient as entered by hand."""

    given_name = Text(200, required=True)
    family_name = Text(200, required=True)
    birth_date = fields.Date(required=True, validate=check_birth_date)
    sex = Choice(Sex, required=True)


class PatientQuerySchema(PageQuerySchema):
    """What a list of patients can be narrowed to. Names do not belong in URLs: see the search."""

    sex = Choice(Sex)
    site_id = fields.UUID()
    source = Text(64)


class PatientSearchSchema(Schema):
    """What patients are searched by; all that is given must hold."""

    mrn = Text(128)
    given_name = Text(200, metadata={"description": "The beginning of it, in any case."})
    family_name = Text(200, metadata={"description": "The beginning of it, in any case."})
    birth_date = fields.Date()
    sex = Choice(Sex)
    site_id = fields.UUID()
    limit = fields.Integer(strict=True, load_default=50, validate=validate.Range(1, 200))
    cursor = fields.String(load_default=None, allow_none=True, validate=validate.Length(1, 1000))
