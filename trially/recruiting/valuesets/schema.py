"""Value sets as clients write and read them."""

from typing import Any

from marshmallow import Schema, fields, validate

from trially.database.rows import table_of
from trially.http.fields import EXAMPLE, EntityTag, JsonObject, PageQuerySchema, Sort
from trially.recruiting.valuesets.model import LONGEST_KEY, SORTS, ValueSet
from trially.recruiting.valuesets.reach.nearness import Reason
from trially.resources.fields import text

columns = table_of(ValueSet).c

_KEY = r"[a-z0-9][a-z0-9._-]*"
_COMPOSE_EXAMPLE = {
    "include": [
        {"valueset": "t2dm"},
        {"codes": ["sct|237599002"], "descendants": True},
        {"icd10_prefix": ["E13"]},
    ],
    "exclude": [{"codes": ["icd10cm|E11.65"]}],
}
_COMPOSE = {
    "description": "`include` lists parts, of which the set has all codes. `exclude` takes codes"
    " away again. A part names codes as criteria do: `valueset`, `codes` with `descendants`,"
    " `icd10_prefix`, `ingredient`.",
    EXAMPLE: _COMPOSE_EXAMPLE,
}
_GAPS = {
    "description": "Sentences that say which codes the expansion may lack, such as those below a"
    " code of a terminology that is not loaded.",
    EXAMPLE: [],
}
_TERMINOLOGIES = {
    "description": "The terminologies that the expansion was made with, by short name: the identity"
    " of the loaded files, or null if it was not loaded. `GET /codes/systems` shows the present"
    " ones.",
    EXAMPLE: {"sct": None},
}
_DIGEST = {
    "description": "Digest of all codes and ranges. It changes whenever they do.",
    EXAMPLE: "e26427a0" * 8,
}


def _compose(**options: Any) -> JsonObject:
    return JsonObject(keys=fields.String(), metadata=_COMPOSE, **options)


def _digest() -> fields.String:
    return fields.String(dump_only=True, metadata=_DIGEST)


def _gaps() -> fields.List[str]:
    return fields.List(fields.String(), dump_only=True, metadata=_GAPS)


def _terminologies() -> JsonObject:
    return JsonObject(
        keys=fields.String(),
        values=fields.String(allow_none=True),
        dump_only=True,
        metadata=_TERMINOLOGIES,
    )


class ValueSetSchema(Schema):
    """A value set that the tenant has composed."""

    id = fields.UUID(dump_only=True)
    etag = EntityTag()
    key = fields.String(
        required=True,
        validate=[
            validate.Length(1, LONGEST_KEY),
            validate.Regexp(
                rf"{_KEY}\Z",
                error="Must have lower-case letters, digits, '.', '_' and '-', and begin with a"
                " letter or digit.",
            ),
        ],
        metadata={
            "pattern": f"^{_KEY}$",
            EXAMPLE: "diabetes-of-adults",
            "description": "What criteria call it. It never changes.",
        },
    )
    name = text(columns.name, required=True, example="Diabetes of adults")
    description = text(columns.description, allow_none=True, example="Types 2 and other specified.")
    compose = _compose(required=True)
    number = fields.Integer(
        dump_only=True, metadata={"description": "The number of the newest version.", EXAMPLE: 1}
    )
    digest = _digest()
    code_count = fields.Integer(dump_only=True, metadata={EXAMPLE: 87})
    range_count = fields.Integer(
        dump_only=True,
        metadata={"description": "Ranges of codes, such as all that begin with E11.", EXAMPLE: 4},
    )
    gaps = _gaps()
    terminologies = _terminologies()
    expanded_at = fields.AwareDateTime(dump_only=True)
    created_at = fields.AwareDateTime(dump_only=True)
    updated_at = fields.AwareDateTime(dump_only=True)


class ValueSetPatchSchema(ValueSetSchema):
    """A merge patch of a value set."""

    class Meta:
        """The key never changes, because criteria name it."""

        exclude = ("key",)


class ValueSetQuerySchema(PageQuerySchema):
    """Query parameters of a list of value sets."""

    sort = Sort(SORTS)
    key = text(columns.key, example="diabetes-of-adults")


class StarterSetSchema(Schema):
    """A value set that comes with trially."""

    id = fields.UUID()
    key = fields.String(metadata={EXAMPLE: "t2dm"})
    name = fields.String(metadata={EXAMPLE: "Type 2 diabetes"})
    description = fields.String(
        metadata={EXAMPLE: "Type 2 diabetes mellitus with all its complications."}
    )
    sources = fields.List(
        fields.String(), metadata={EXAMPLE: ["ICD-10-CM 2026, CDC/NCHS: titles of the categories"]}
    )
    compose = _compose()
    number = fields.Integer(metadata={"description": "Its version.", EXAMPLE: 1})
    digest = _digest()
    code_count = fields.Integer(metadata={EXAMPLE: 66})
    range_count = fields.Integer(metadata={EXAMPLE: 6})
    gaps = _gaps()
    terminologies = _terminologies()


class StarterSetsSchema(Schema):
    """All starter sets."""

    data = fields.List(fields.Nested(StarterSetSchema))


class ValueSetVersionSchema(Schema):
    """A version of a value set."""

    id = fields.UUID(dump_only=True)
    number = fields.Integer(dump_only=True, metadata={EXAMPLE: 1})
    compose = _compose(dump_only=True)
    created_at = fields.AwareDateTime(dump_only=True)


class CodeInSetSchema(Schema):
    """A code of a value set."""

    system = fields.String(metadata={EXAMPLE: "http://snomed.info/sct"})
    code = fields.String(metadata={EXAMPLE: "44054006"})
    display = fields.String(
        allow_none=True,
        metadata={
            "description": "Its name, if the terminology is loaded.",
            EXAMPLE: "Diabetes mellitus type 2",
        },
    )


class RangeSchema(Schema):
    """Codes of a system from one on, and before another, in the order of their bytes."""

    system = fields.String(metadata={EXAMPLE: "http://hl7.org/fhir/sid/icd-10-cm"})
    low = fields.String(metadata={EXAMPLE: "E11"})
    high = fields.String(
        metadata={"description": "The first code after the range.", EXAMPLE: "E12"}
    )


class ExpansionSchema(Schema):
    """The codes that a value set comes down to."""

    digest = _digest()
    code_count = fields.Integer(metadata={EXAMPLE: 66})
    range_count = fields.Integer(metadata={EXAMPLE: 6})
    codes = fields.List(
        fields.Nested(CodeInSetSchema),
        metadata={"description": "Single codes by system and code: `limit`, from `offset` on."},
    )
    ranges = fields.List(
        fields.Nested(RangeSchema),
        metadata={
            "description": "All ranges. Codes of ICD are in the set with their point and without."
        },
    )
    gaps = _gaps()
    terminologies = _terminologies()


class ExpansionQuerySchema(Schema):
    """Query parameters of an expansion."""

    limit = fields.Integer(
        load_default=200,
        validate=validate.Range(1, 1000),
        metadata={"description": "Maximum number of single codes."},
    )
    offset = fields.Integer(
        load_default=0,
        validate=validate.Range(0, 100_000),
        metadata={"description": "Single codes to skip."},
    )


class CompositionSchema(Schema):
    """A composition to expand, which is not stored."""

    compose = _compose(required=True)


_NULL_IF_FEW = "Null if it is about 1 to 10 patients and the caller lacks the PHI level `full`."


class ReachedCodeSchema(Schema):
    """A code of the set that occurs in the tenant's facts."""

    type = fields.String(metadata={EXAMPLE: "condition"})
    system = fields.String(allow_none=True, metadata={EXAMPLE: "http://snomed.info/sct"})
    code = fields.String(metadata={EXAMPLE: "44054006"})
    display = fields.String(allow_none=True, metadata={EXAMPLE: "Diabetes mellitus type 2"})
    facts = fields.Integer(allow_none=True, metadata={"description": _NULL_IF_FEW, EXAMPLE: 57})
    patients = fields.Integer(allow_none=True, metadata={"description": _NULL_IF_FEW, EXAMPLE: 37})


class MissedCodeSchema(ReachedCodeSchema):
    """A code that occurs in the tenant's facts, and that the set may lack."""

    reason = fields.String(
        validate=validate.OneOf([each.value for each in Reason]),
        metadata={
            EXAMPLE: Reason.SAME_CATEGORY.value,
            "description": "Why it looks near: the same code of another system, the same category"
            " of ICD, a sibling in SNOMED CT, or a similar name.",
        },
    )


class ReachSchema(Schema):
    """What a value set reaches in the tenant's facts."""

    facts = fields.Integer(allow_none=True, metadata={"description": _NULL_IF_FEW, EXAMPLE: 80})
    patients = fields.Integer(allow_none=True, metadata={"description": _NULL_IF_FEW, EXAMPLE: 37})
    is_complete = fields.Boolean(
        metadata={
            "description": "False if there are more facts than are counted. All numbers are lower"
            " bounds then.",
            EXAMPLE: True,
        }
    )
    codes = fields.List(
        fields.Nested(ReachedCodeSchema),
        metadata={"description": "The codes with the most patients."},
    )
    missed = fields.List(
        fields.Nested(MissedCodeSchema),
        metadata={"description": "Frequent codes that the set may lack, most patients first."},
    )
