"""Imports of studies, and records of registries, as clients read them."""

from marshmallow import Schema, fields

from trially.http.fields import EXAMPLE, Choice, JsonObject
from trially.recruiting.study_imports.differences import Action
from trially.recruiting.study_imports.importing import Result


class StudyImportQuerySchema(Schema):
    """Query parameters of an import of studies."""

    dry_run = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        load_default=False,
        metadata={"description": "`true` shows what an import would do, and changes nothing."},
    )


class WarningSchema(Schema):
    """Something of a study that was left out or changed."""

    pointer = fields.String(
        dump_only=True, metadata={EXAMPLE: "/protocolSection/eligibilityModule/minimumAge"}
    )
    detail = fields.String(dump_only=True, metadata={EXAMPLE: "'adult' is no age."})


class FieldDifferenceSchema(Schema):
    """A field of a study that the registry describes otherwise."""

    field = fields.String(dump_only=True, metadata={EXAMPLE: "status"})
    stored = fields.Raw(dump_only=True, allow_none=True, metadata={EXAMPLE: "recruiting"})
    registry = fields.Raw(dump_only=True, allow_none=True, metadata={EXAMPLE: "completed"})
    action = Choice(
        Action,
        dump_only=True,
        metadata={
            "description": "`kept` if the field was changed here, and the registry has not changed"
            " it since the last import."
        },
    )


class StudyOutcomeSchema(Schema):
    """What an import did with a study, or would do."""

    place = fields.String(
        dump_only=True,
        metadata={EXAMPLE: "line 3", "description": "Where it is in the body. Empty: the body."},
    )
    result = Choice(Result, dump_only=True)
    nct_id = fields.String(dump_only=True, allow_none=True, metadata={EXAMPLE: "NCT05512345"})
    study_id = fields.UUID(
        dump_only=True,
        allow_none=True,
        metadata={"description": "Null if the study was refused, or is new in a dry run."},
    )
    reason = fields.String(
        dump_only=True,
        allow_none=True,
        metadata={EXAMPLE: None, "description": "Why the study was refused."},
    )
    differences = fields.List(
        fields.Nested(FieldDifferenceSchema),
        dump_only=True,
        metadata={"description": "What the registry says otherwise. Empty for a new study."},
    )
    eligibility_changed = fields.Boolean(
        dump_only=True,
        metadata={EXAMPLE: False, "description": "The registry has another eligibility text."},
    )
    warnings = fields.List(fields.Nested(WarningSchema), dump_only=True)
    left_out = fields.List(
        fields.String(metadata={EXAMPLE: "/resultsSection"}),
        dump_only=True,
        metadata={"description": "What of the registry's record is not kept."},
    )


class StudyImportSchema(Schema):
    """What an import did, or would do."""

    is_dry_run = fields.Boolean(dump_only=True, metadata={EXAMPLE: False})
    counts = JsonObject(
        keys=fields.String(),
        values=fields.Integer(),
        dump_only=True,
        metadata={
            EXAMPLE: {"new": 1, "changed": 0, "unchanged": 0, "refused": 0},
            "description": "Studies by result.",
        },
    )
    studies = fields.List(fields.Nested(StudyOutcomeSchema), dump_only=True)


class LocationSchema(Schema):
    """A place of a study that its registry names."""

    facility = fields.String(
        dump_only=True, allow_none=True, metadata={EXAMPLE: "Heartland Clinic North"}
    )
    status = fields.String(dump_only=True, allow_none=True, metadata={EXAMPLE: "recruiting"})
    city = fields.String(dump_only=True, allow_none=True, metadata={EXAMPLE: "Omaha"})
    state = fields.String(dump_only=True, allow_none=True, metadata={EXAMPLE: "Nebraska"})
    postal_code = fields.String(dump_only=True, allow_none=True, metadata={EXAMPLE: "68102"})
    country = fields.String(dump_only=True, allow_none=True, metadata={EXAMPLE: "United States"})
    latitude = fields.Float(dump_only=True, allow_none=True, metadata={EXAMPLE: 41.25626})
    longitude = fields.Float(dump_only=True, allow_none=True, metadata={EXAMPLE: -95.94043})


class RegistryRecordSchema(Schema):
    """The record of a study at its registry, as it was imported last."""

    study_id = fields.UUID(dump_only=True)
    imported_at = fields.AwareDateTime(dump_only=True)
    left_out = fields.List(
        fields.String(metadata={EXAMPLE: "/resultsSection"}),
        dump_only=True,
        metadata={"description": "JSON pointers of what is not kept, such as contacts."},
    )
    locations = fields.List(fields.Nested(LocationSchema), dump_only=True)
    body = JsonObject(
        keys=fields.String(),
        values=fields.Raw(),
        dump_only=True,
        metadata={
            EXAMPLE: {
                "protocolSection": {"identificationModule": {"nctId": "NCT05512345"}},
            },
            "description": "The registry's own JSON.",
        },
    )
