"""Short ways to write the criteria of the demo's studies in the language of criteria."""

from dataclasses import dataclass
from typing import Any

from trially.recruiting.protocols.versions.model import CriterionKind

Expression = dict[str, Any]


@dataclass(frozen=True)
class DemoCriterion:
    """A criterion: a sentence of a fictitious protocol, and what it says to a machine."""

    kind: CriterionKind
    statement: str
    expression: Expression


def include(statement: str, expression: Expression) -> DemoCriterion:
    """Return a criterion that patients must meet."""
    return DemoCriterion(CriterionKind.INCLUSION, statement, expression)


def exclude(statement: str, expression: Expression) -> DemoCriterion:
    """Return a criterion that patients must not meet."""
    return DemoCriterion(CriterionKind.EXCLUSION, statement, expression)


def aged(**bounds: int) -> Expression:
    """Return that the age in completed years is within bounds: `gte=18, lte=75`."""
    return {"age": bounds}


def diagnosed(
    *codes: str, valueset: str | None = None, icd10: str | None = None, **members: Any
) -> Expression:
    """Return that there is a diagnosis with one of some codes, active unless `status` differs."""
    named: Expression = {"codes": list(codes)} if codes else {}
    if valueset is not None:
        named["valueset"] = [valueset]
    if icd10 is not None:
        named["icd10_prefix"] = icd10.split()
    return {"condition": {"in": named, "status": "active", **members}}


def measured(codes: str, unit: str, **bounds: float) -> Expression:
    """Return that the most recent value is within bounds. `codes` are those of LOINC."""
    named = {"codes": [f"loinc|{code}" for code in codes.split()]}
    value = {"unit": unit, **bounds}
    return {"observation": {"in": named, "value": value}}


def takes(products: str, **members: Any) -> Expression:
    """Return that one of some products of RxNorm is taken now, unless `status` differs."""
    named = {"codes": [f"rxnorm|{code}" for code in products.split()]}
    return {"medication": {"in": named, "status": "active", **members}}


def asks(question: str, *, of: Expression) -> Expression:
    """Return a question that a person must answer, about those patients whom `of` describes."""
    return {"when": of, "then": {"manual": question}}


def both(*expressions: Expression) -> Expression:
    """Return that all expressions are met."""
    return {"all": list(expressions)}


def either(*expressions: Expression) -> Expression:
    """Return that at least one expression is met."""
    return {"any": list(expressions)}
