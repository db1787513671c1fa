"""What hinders the activation of a version, and what its authors should look at."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trially.recruiting.criteria.checking import check_expression
from trially.recruiting.criteria.language.criteria import Side, parse_expression
from trially.recruiting.protocols.versions.expressions import Finding, excess_of
from trially.recruiting.protocols.versions.model import CriterionKind, Evaluation, ReviewState
from trially.recruiting.valuesets.library import tenants_terminology

Criteria = Sequence[Mapping[str, Any]]


def hindrances_of(criteria: Criteria) -> Iterator[Finding]:
    """Yield why a version with these criteria cannot be activated.

    A person must have accepted each expression, and its codes must be known. A criterion without
    one counts as unknown for every patient, so it may still be a draft.
    """
    if not criteria:
        yield {"pointer": "/criteria", "detail": "There are no criteria."}
    for position, criterion in enumerate(criteria):
        is_reviewed = criterion["review_state"] == ReviewState.REVIEWED
        if criterion["expression"] is not None and not is_reviewed:
            detail = "The expression must be reviewed."
            yield {"pointer": f"/criteria/{position}/review_state", "detail": detail}
    yield from excess_of(criteria)
    yield from unknown_codes_of(criteria)


def unknown_codes_of(criteria: Criteria) -> Iterator[Finding]:
    """Yield the codes and units of expressions that cannot be looked up in this installation.

    A version with such an expression would select no patients.
    """
    with tenants_terminology() as terminology:
        for position, criterion in enumerate(criteria):
            if criterion["expression"] is None:
                continue
            tree = parse_expression(criterion["expression"], Side(criterion["kind"]))
            where = f"/criteria/{position}/expression"
            for pointer, detail in check_expression(tree, terminology, where):
                yield {"pointer": pointer, "detail": detail}


def warnings_of(criteria: Criteria) -> Iterator[Finding]:
    """Yield what is allowed, and may be a mistake."""
    if criteria and all(each["kind"] != CriterionKind.INCLUSION for each in criteria):
        yield {"pointer": "/criteria", "detail": "There is no inclusion."}
    first: dict[tuple[str, ...], int] = {}
    for position, criterion in enumerate(criteria):
        words = tuple(str(criterion["statement"]).lower().split())
        if words in first:
            detail = f"Says the same as the criterion {first[words]}."
            yield {"pointer": f"/criteria/{position}/statement", "detail": detail}
        first.setdefault(words, position)
        if criterion["evaluation"] == Evaluation.NOT_EXPRESSED:
            detail = "Has no expression, so it is unknown for every patient."
            yield {"pointer": f"/criteria/{position}/expression", "detail": detail}


def counts_of(criteria: Criteria) -> dict[str, int]:
    """Return how many criteria there are of each evaluation, and how many are reviewed."""
    counts = {str(each): 0 for each in Evaluation}
    for criterion in criteria:
        counts[criterion["evaluation"]] += 1
    reviewed = sum(each["review_state"] == ReviewState.REVIEWED for each in criteria)
    return {**counts, "reviewed": reviewed}
