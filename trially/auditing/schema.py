"""Audit records as clients read them."""

from marshmallow import Schema, fields, validate

from trially.audit.forms import Action, Purpose
from trially.audit.model import AuditForm, AuditRecord
from trially.auth.roles import PhiLevel, Role
from trially.database.rows import table_of
from trially.http.disclosures import IN_PATH
from trially.http.fields import EXAMPLE, Choice, JsonObject, Moment, PageQuerySchema
from trially.phi import IDENTIFIER, PLAIN
from trially.resources.fields import text

record, form = table_of(AuditRecord).c, table_of(AuditForm).c

ROUTE = "GET /api/v1/patients/{patient_id}"


class MemberInLogSchema(Schema):
    """The member who acted."""

    id = fields.UUID(metadata=PLAIN)
    name = fields.String(
        allow_none=True,
        metadata={
            **PLAIN,
            EXAMPLE: "Noor van den Berg",
            "description": "Null if the member was removed, or has no name.",
        },
    )
    role = Choice(
        Role,
        allow_none=True,
        metadata={**PLAIN, "description": "The member's present role; null if removed."},
    )


class ChangeInLogSchema(Schema):
    """A row that was created, changed or deleted."""

    table = fields.String(metadata={**PLAIN, EXAMPLE: "patient"})
    row_id = fields.UUID(allow_none=True, metadata=PLAIN)
    patient_id = fields.UUID(
        allow_none=True,
        metadata={**PLAIN, "description": "The patient whom the row is about, if not erased."},
    )
    columns = fields.List(fields.String(), metadata={**PLAIN, EXAMPLE: ["phone"]})
    values = JsonObject(
        allow_none=True,
        metadata={
            **IDENTIFIER,
            EXAMPLE: {"phone": [None, "+1 402 555 0117"]},
            "description": "The old and the new value of each column. Null if the patient was"
            " erased. Values about a patient need the permission `patients:read`, and all values"
            " the PHI level `full`.",
        },
    )


class AuditRecordSchema(Schema):
    """One request, command or batch of a job that disclosed, changed or was refused something."""

    subjects = ("patients",)

    id = fields.UUID(metadata=PLAIN)
    at = fields.AwareDateTime(metadata=PLAIN)
    request_id = fields.String(
        metadata={**PLAIN, EXAMPLE: "0198f0aa3c5e7d1d8a5e0e0f6c2d9b71"},
    )
    member = fields.Nested(MemberInLogSchema(), allow_none=True)
    operator = fields.String(
        allow_none=True,
        metadata={
            **PLAIN,
            EXAMPLE: "kim@backend-1",
            "description": "The operator who ran a command or job, or acted as the member.",
        },
    )
    route = fields.String(
        metadata={**PLAIN, EXAMPLE: ROUTE, "description": "Method and path, or the command."}
    )
    action = Choice(Action, metadata=PLAIN)
    purpose = Choice(Purpose, metadata={**PLAIN, "description": "A code of HL7's PurposeOfUse."})
    phi_level = Choice(
        PhiLevel,
        allow_none=True,
        metadata={**PLAIN, "description": "The caller's PHI level; null for commands and jobs."},
    )
    outcome = fields.Integer(
        allow_none=True,
        metadata={**PLAIN, EXAMPLE: 200, "description": "HTTP status; null for commands and jobs."},
    )
    fields_shown = fields.List(
        fields.String(),
        metadata={
            **PLAIN,
            EXAMPLE: ["given_name", "birth_date"],
            "description": "What the answer shows of each patient, masked fields included.",
        },
    )
    patients = fields.List(
        fields.UUID(),
        metadata={**PLAIN, "description": "Ids of the patients, at most 200 of them."},
    )
    erased_patients = fields.List(
        fields.String(),
        metadata={
            **PLAIN,
            EXAMPLE: ["5f0c6c1d9d2b7a44"],
            "description": "Pseudonyms of patients who were erased since: the same in all records.",
        },
    )
    patient_count = fields.Integer(metadata={**PLAIN, EXAMPLE: 2})
    changes = fields.List(
        fields.Nested(ChangeInLogSchema()),
        metadata={"description": "Rows that were written, at most 200 of them."},
    )
    change_count = fields.Integer(metadata={**PLAIN, EXAMPLE: 1})
    details = JsonObject(
        metadata={
            **PLAIN,
            EXAMPLE: {"criteria": ["family_name"]},
            "description": "What patients were searched by, why a request was refused, counts.",
        }
    )


def _moment(description: str) -> Moment:
    return Moment(metadata={"description": description, EXAMPLE: "2026-01-31T00:00:00Z"})


class PeriodQuerySchema(PageQuerySchema):
    """Query parameters of a list of a period."""

    since = _moment("Only from this time on.")
    until = _moment("Only before this time.")


class AuditQuerySchema(PeriodQuerySchema):
    """Query parameters of the audit log."""

    member_id = fields.UUID()
    patient_id = fields.UUID()
    action = Choice(Action)
    route = text(form.route, example=ROUTE)
    outcome = fields.Integer(validate=validate.Range(0, 599))
    request_id = text(record.request_id, example="0198f0aa3c5e7d1d8a5e0e0f6c2d9b71")
    operator = text(record.operator, example="kim@backend-1")


class DisclosureSchema(Schema):
    """One time that somebody saw or changed a patient's data, in plain words."""

    subjects = (IN_PATH,)

    id = fields.UUID(metadata={**PLAIN, "description": "Id of the audit record."})
    at = fields.AwareDateTime(metadata=PLAIN)
    who = fields.String(metadata={**PLAIN, EXAMPLE: "Noor van den Berg, coordinator"})
    how = fields.String(metadata={**PLAIN, EXAMPLE: "Your record was shown in a list"})
    seen = fields.List(fields.String(), metadata={**PLAIN, EXAMPLE: ["given name", "birth date"]})
    identifiers_hidden = fields.Boolean(
        metadata={**PLAIN, "description": "Names and other identifiers were masked."}
    )
    changed = fields.List(fields.String(), metadata={**PLAIN, EXAMPLE: ["phone"]})
    why = fields.String(metadata={**PLAIN, EXAMPLE: "To find participants for clinical trials"})
    request_id = fields.String(metadata={**PLAIN, EXAMPLE: "0198f0aa3c5e7d1d8a5e0e0f6c2d9b71"})
