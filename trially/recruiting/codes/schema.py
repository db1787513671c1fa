"""Codes as clients read them."""

from marshmallow import Schema, fields, validate

from trially.http.fields import EXAMPLE, Text
from trially.terminologies.systems import BY_URL, SYSTEMS

MOST_FOUND = 50

_SYSTEM = {
    "description": "The code system, by its short name or its URL.",
    EXAMPLE: "icd10cm",
}


def _system() -> fields.String:
    return fields.String(
        required=True, validate=validate.OneOf([*SYSTEMS, *BY_URL]), metadata=_SYSTEM
    )


def _version() -> fields.String:
    return fields.String(
        allow_none=True,
        metadata={"description": "The version that is loaded, or null.", EXAMPLE: "2026"},
    )


class CodeSearchQuerySchema(Schema):
    """Query parameters of a search for codes."""

    system = _system()
    q = Text(
        100,
        required=True,
        example="diab type 2",
        metadata={
            "description": "The beginning of a code, or beginnings of words of its name in any"
            " order."
        },
    )
    limit = fields.Integer(
        load_default=20,
        validate=validate.Range(1, MOST_FOUND),
        metadata={"description": "Maximum number of codes."},
    )


class CodeQuerySchema(Schema):
    """Query parameters that name a code."""

    system = _system()
    code = Text(128, required=True, example="E11.9")


class CodeSchema(Schema):
    """A code of a terminology."""

    system = fields.String(metadata={EXAMPLE: "http://hl7.org/fhir/sid/icd-10-cm"})
    code = fields.String(metadata={EXAMPLE: "E11.9"})
    display = fields.String(metadata={EXAMPLE: "Type 2 diabetes mellitus without complications"})
    kind = fields.String(
        allow_none=True,
        metadata={
            "description": "The kind of an RxNorm concept, or the class of a LOINC term.",
            EXAMPLE: None,
        },
    )
    is_active = fields.Boolean(
        metadata={"description": "False for codes that are no longer to be used.", EXAMPLE: True}
    )


class FoundCodesSchema(Schema):
    """Codes that a search has found, best first."""

    data = fields.List(fields.Nested(CodeSchema))
    version = _version()


class CodeDetailsSchema(CodeSchema):
    """A code with its neighbours in the hierarchy."""

    parents = fields.List(
        fields.Nested(CodeSchema), metadata={"description": "Codes directly above it."}
    )
    children = fields.List(
        fields.Nested(CodeSchema),
        metadata={"description": "Codes directly below it, at most 200."},
    )


class FoundDetailsSchema(Schema):
    """The code that was looked up, if there is one."""

    data = fields.List(fields.Nested(CodeDetailsSchema))
    version = _version()


class LoadedSystemSchema(Schema):
    """A code system, and which release of it is loaded."""

    name = fields.String(
        metadata={"description": "The short name, as in `sct|44054006`.", EXAMPLE: "icd10cm"}
    )
    url = fields.String(metadata={EXAMPLE: "http://hl7.org/fhir/sid/icd-10-cm"})
    title = fields.String(metadata={EXAMPLE: "ICD-10-CM"})
    is_loaded = fields.Boolean(metadata={EXAMPLE: True})
    version = fields.String(allow_none=True, metadata={EXAMPLE: "2026"})
    identity = fields.String(
        allow_none=True,
        metadata={
            "description": "Digest of the loaded files. Value sets show with which they were"
            " expanded.",
            EXAMPLE: "6fd41c5e" * 8,
        },
    )
    codes = fields.Integer(allow_none=True, metadata={EXAMPLE: 46_881})


class LoadedSystemsSchema(Schema):
    """All code systems that can be loaded."""

    data = fields.List(fields.Nested(LoadedSystemSchema))
