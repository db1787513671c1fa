"""Erasures and legal holds as clients write and read them."""

from marshmallow import Schema, fields

from trially.database.rows import table_of
from trially.http.fields import EXAMPLE, Choice, Flag, JsonObject
from trially.phi import IDENTIFIER, PLAIN
from trially.recruiting.patients.erasures.model import PatientHold
from trially.recruiting.patients.erasures.reasons import ErasureReason
from trially.resources.fields import text

hold = table_of(PatientHold).c


class ErasureBodySchema(Schema):
    """Why a person is erased."""

    reason = Choice(
        ErasureReason, required=True, metadata=PLAIN | {EXAMPLE: ErasureReason.REQUEST.value}
    )
    replaced = Flag(
        load_default=False,
        metadata=PLAIN
        | {
            "description": "Erase the records too that were merged into this one, because they are"
            " about the same person.",
            EXAMPLE: True,
        },
    )


class PersonErasureSchema(Schema):
    """The tombstone of an erased person, with the certificate of what was counted."""

    subjects = ("patient_id",)

    id = fields.UUID(dump_only=True, metadata=PLAIN)
    patient_id = fields.UUID(dump_only=True, metadata=PLAIN)
    reason = Choice(ErasureReason, dump_only=True, metadata=PLAIN)
    erased_by = fields.String(dump_only=True, metadata=PLAIN | {EXAMPLE: "user-4711"})
    erased_at = fields.AwareDateTime(dump_only=True, metadata=PLAIN)
    pseudonyms = fields.List(
        fields.String(),
        dump_only=True,
        metadata=PLAIN
        | {
            "description": "By which the audit log names the records of the person.",
            EXAMPLE: ["5f0c2a9be1d47783"],
        },
    )
    certificate = JsonObject(
        dump_only=True,
        metadata=PLAIN
        | {
            "description": "The signed certificate; see docs/erasing.md.",
            EXAMPLE: {"certificate": {"format": "trially-erasure/1"}, "signature": {}},
        },
    )


class HoldBodySchema(Schema):
    """Why a patient may not be deleted."""

    reason = text(hold.reason, required=True, example="Litigation 2026-114", metadata=IDENTIFIER)


class HoldSchema(HoldBodySchema):
    """A legal hold of a patient."""

    subjects = ("patient_id",)

    id = fields.UUID(dump_only=True, metadata=PLAIN)
    patient_id = fields.UUID(dump_only=True, metadata=PLAIN)
    placed_by = fields.String(dump_only=True, metadata=PLAIN | {EXAMPLE: "user-4711"})
    placed_at = fields.AwareDateTime(dump_only=True, metadata=PLAIN)
