"""Patients as clients write and read them."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema

from trially.database.rows import table_of
from trially.http.fields import (
    EXAMPLE,
    Choice,
    EntityTag,
    Flag,
    JsonObject,
    Moment,
    PageQuerySchema,
    Sort,
    Text,
)
from trially.phi import DATE, IDENTIFIER, PLAIN, POSTAL_CODE, PRECISION, value_set
from trially.recruiting.custom_fields.choices import CustomResource
from trially.recruiting.custom_fields.value_schemas import CustomFiltersSchema, custom_values
from trially.recruiting.patients.choices import (
    BirthDatePrecision,
    ContactPreference,
    DeathPrecision,
    ListedStatus,
    PatientDateProblem,
    RecordStatus,
    Sex,
    WithdrawalReason,
)
from trially.recruiting.patients.corrections.schema import CorrectionSchema
from trially.recruiting.patients.model import ADDRESS_WIDTHS, SORTS, Patient
from trially.resources.fields import Degrees, check_place, text

columns = table_of(Patient).c

EARLIEST_BIRTH = dt.date(1850, 1, 1)
EARLIEST_DEATH = dt.datetime(1850, 1, 1, tzinfo=dt.UTC)
MRN = "MRN-100042"
BIRTH_DATE = {EXAMPLE: "1961-07-23"}


def check_birth_date(date: dt.date) -> None:
    """Reject a birth date in the future, or before 1850."""
    # The date may be one day ahead of UTC where the patient lives.
    if not EARLIEST_BIRTH <= date <= dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1):
        raise ValidationError("Must be a date between 1850 and today.")


def check_death(at: dt.datetime) -> None:
    """Reject a death in the future, or before 1850."""
    if not EARLIEST_DEATH <= at <= dt.datetime.now(dt.UTC) + dt.timedelta(days=1):
        raise ValidationError("Must be a time between 1850 and now.")


def _part(name: str, example: str, mark: Mapping[str, str]) -> Text:
    """Return the field of a part of an address."""
    return Text(ADDRESS_WIDTHS[name], allow_none=True, example=example, metadata=mark)


class AddressSchema(Schema):
    """Where a patient lives."""

    line = _part("line", "1 Main Street", IDENTIFIER)
    city = _part("city", "Omaha", IDENTIFIER)
    state = _part("state", "NE", value_set("state"))
    postal_code = _part("postal_code", "68102", POSTAL_CODE)
    country = _part("country", "US", value_set("country"))
    latitude = Degrees("latitude", 41.25626, IDENTIFIER)
    longitude = Degrees("longitude", -95.94043, IDENTIFIER)

    @validates_schema
    def check_place(self, values: dict[str, Any], **_: Any) -> None:
        """Reject half of a place."""
        check_place(values)


class ImpossibleDatesSchema(Schema):
    """Dates of the source that cannot be right. They are not used."""

    birth_date = fields.String(allow_none=True, metadata=IDENTIFIER | {EXAMPLE: "2087-01-01"})
    deceased_at = fields.String(allow_none=True, metadata=IDENTIFIER | {EXAMPLE: None})


class PatientSchema(Schema):
    """A patient. An imported patient may lack fields that a manually entered one must have."""

    subjects = ("id",)

    id = fields.UUID(dump_only=True, metadata=PLAIN)
    etag = EntityTag()
    mrn = text(columns.mrn, allow_none=True, example=MRN, metadata=IDENTIFIER)
    given_name = text(columns.given_name, allow_none=True, example="Mei", metadata=IDENTIFIER)
    family_name = text(
        columns.family_name, allow_none=True, example="Lindqvist", metadata=IDENTIFIER
    )
    birth_date = fields.Date(allow_none=True, metadata=DATE | BIRTH_DATE)
    birth_date_precision = Choice(
        BirthDatePrecision, dump_only=True, allow_none=True, metadata=PRECISION | {EXAMPLE: "day"}
    )
    sex = Choice(Sex, allow_none=True, metadata=PLAIN)
    gender_identity = text(
        columns.gender_identity,
        allow_none=True,
        example="Identifies as female gender",
        metadata=value_set("gender identity"),
    )
    race = text(columns.race, allow_none=True, example="Asian", metadata=value_set("race"))
    ethnicity = text(
        columns.ethnicity,
        allow_none=True,
        example="Not Hispanic or Latino",
        metadata=value_set("ethnicity"),
    )
    language = text(
        columns.language, allow_none=True, example="en-US", metadata=value_set("language")
    )
    phone = text(columns.phone, allow_none=True, example="+1 402 555 0142", metadata=IDENTIFIER)
    email = text(
        columns.email, allow_none=True, example="mei.lindqvist@example.com", metadata=IDENTIFIER
    )
    address = fields.Nested(AddressSchema, allow_none=True)
    deceased = Flag(metadata=PLAIN)
    deceased_at = Moment(
        allow_none=True,
        default_timezone=dt.UTC,
        validate=check_death,
        metadata=DATE | {EXAMPLE: None},
    )
    deceased_on = fields.Date(
        dump_only=True,
        allow_none=True,
        metadata=DATE | {EXAMPLE: None, "description": "The local day of death."},
    )
    deceased_precision = Choice(
        DeathPrecision, dump_only=True, allow_none=True, metadata=PRECISION | {EXAMPLE: None}
    )
    date_problem = Choice(
        PatientDateProblem,
        dump_only=True,
        allow_none=True,
        metadata=PLAIN
        | {
            EXAMPLE: None,
            "description": "Why a date of the source cannot be right. The date is only in"
            " `impossible_dates`.",
        },
    )
    impossible_dates = fields.Nested(ImpossibleDatesSchema, dump_only=True, allow_none=True)
    contact_preference = Choice(ContactPreference, metadata=PLAIN)
    site_id = fields.UUID(allow_none=True, metadata=PLAIN)
    source = fields.String(dump_only=True, metadata=PLAIN | {EXAMPLE: "manual"})
    source_id = fields.String(dump_only=True, metadata=IDENTIFIER | {EXAMPLE: "pat-17"})
    mrn_system = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=IDENTIFIER | {EXAMPLE: "http://hospital.example/mrn"},
    )
    active = fields.Boolean(dump_only=True, metadata=PLAIN | {EXAMPLE: True})
    record_status = Choice(
        RecordStatus,
        dump_only=True,
        metadata=PLAIN
        | {
            EXAMPLE: "current",
            "description": "Whether the record stands for a person who can be recruited. Lists"
            " show current records, unless `record_status` asks for others.",
        },
    )
    replaced_by_id = fields.UUID(
        dump_only=True,
        allow_none=True,
        metadata=PLAIN
        | {EXAMPLE: None, "description": "The record of the same person that is used instead."},
    )
    withdrawn_reason = Choice(
        WithdrawalReason, dump_only=True, allow_none=True, metadata=PLAIN | {EXAMPLE: None}
    )
    corrections = JsonObject(
        keys=fields.String(),
        values=fields.Nested(CorrectionSchema),
        dump_only=True,
        allow_none=True,
        metadata=IDENTIFIER
        | {
            EXAMPLE: {},
            "description": "Fields that members corrected, by name. Imports leave them alone.",
        },
    )
    custom = custom_values(CustomResource.PATIENT)
    last_encounter_on = fields.Date(dump_only=True, allow_none=True, metadata=PLAIN)
    clinical_version = fields.Integer(
        dump_only=True,
        metadata=PLAIN
        | {
            "description": "Grows whenever something clinical about the patient changes. It is not"
            " the version of this record: that is `etag`."
        },
    )
    created_at = fields.AwareDateTime(dump_only=True, metadata=PLAIN)
    updated_at = fields.AwareDateTime(dump_only=True, metadata=PLAIN)


class PatientBodySchema(PatientSchema):
    """A patient as entered manually."""

    mrn = text(columns.mrn, required=True, example=MRN, metadata=IDENTIFIER)
    given_name = text(columns.given_name, required=True, example="Mei", metadata=IDENTIFIER)
    family_name = text(columns.family_name, required=True, example="Lindqvist", metadata=IDENTIFIER)
    birth_date = fields.Date(required=True, validate=check_birth_date, metadata=DATE | BIRTH_DATE)
    sex = Choice(Sex, required=True, metadata=PLAIN)


def record_status_filter() -> Choice:
    """Return the filter by the status of records; by default it finds current ones."""
    return Choice(
        ListedStatus,
        load_default=ListedStatus.CURRENT,
        metadata={"description": "Which records to find; `all` finds every one."},
    )


class PatientFilterSchema(CustomFiltersSchema):
    """Filters of a list of patients."""

    sex = Choice(Sex)
    site_id = fields.UUID()
    source = text(columns.source, example="manual")
    record_status = record_status_filter()


class PatientQuerySchema(PageQuerySchema, PatientFilterSchema):
    """Query parameters of a list of patients. Search takes names, which do not belong in a URL."""

    sort = Sort(SORTS)


class PatientDeletionSchema(Schema):
    """Query parameters of a deletion."""

    replaced = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        load_default=False,
        metadata={
            "description": "Delete the records too that were merged into this one, because they are"
            " about the same person."
        },
    )


class PatientCountSchema(Schema):
    """The number of patients."""

    count = fields.Integer(dump_only=True)
