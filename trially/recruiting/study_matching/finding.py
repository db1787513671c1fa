"""Find the criteria that a request asks about, or answer why they cannot be evaluated."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from trially.http.codes import Code
from trially.http.problems import Conflict, NotFound, validation_failed
from trially.recruiting.criteria.code_sets import Terminology, UnknownCodesError
from trially.recruiting.criteria.language.criteria import SCHEMA_VERSION, parse_criteria
from trially.recruiting.criteria.language.problems import CriteriaError
from trially.recruiting.protocols.versions.expressions import errors_of
from trially.recruiting.studies.routes import STUDIES
from trially.recruiting.study_matching.studies import (
    MatchedStudy,
    find_active,
    find_version,
    with_places,
)
from trially.recruiting.valuesets.library import tenants_terminology


def active_version(study_id: UUID) -> MatchedStudy:
    """Return the active version of a study, or answer 404 or 409."""
    STUDIES.get(study_id)
    study = find_active(study_id)
    if study is None:
        raise Conflict(
            "The study has no active version of its protocol.", code=Code.NO_ACTIVE_VERSION
        )
    return study


def version_of(study_id: UUID, number: int) -> MatchedStudy:
    """Return a version of a study, or answer 404, or 422 if it is too large to be evaluated."""
    STUDIES.get(study_id)
    try:
        study = find_version(study_id, number)
    except CriteriaError as error:
        raise validation_failed(
            [{"pointer": pointer, "detail": detail} for pointer, detail in error.problems]
        ) from error
    if study is None:
        raise NotFound("There is no such version.")
    return study


def with_criteria(study: MatchedStudy, criteria: list[dict[str, Any]]) -> MatchedStudy:
    """Return a study with other criteria, or answer 422."""
    errors = list(errors_of(criteria))
    if errors:
        raise validation_failed(errors)
    written = [
        {
            "id": str(number),
            "kind": each["kind"],
            "hard": each["is_hard"],
            "weight": each["weight"],
            **_asked(each),
        }
        for number, each in enumerate(criteria)
    ]
    parsed = parse_criteria({"schema": SCHEMA_VERSION, "criteria": written})
    return next(with_places([MatchedStudy(study.study_id, study.version_id, parsed)]))


def _asked(criterion: dict[str, Any]) -> dict[str, Any]:
    """Return what a criterion of a body asks: its expression, or else its statement."""
    if criterion["expression"] is not None:
        return {"expression": criterion["expression"]}
    return {"source": {"text": criterion["statement"]}} if "statement" in criterion else {}


@contextmanager
def looking_up_codes() -> Iterator[Terminology]:
    """Yield the tenant's terminology. Answers 422 if it lacks codes that criteria name."""
    with tenants_terminology() as terminology:
        try:
            yield terminology
        except UnknownCodesError as error:
            raise validation_failed(
                [
                    {"pointer": f"/criteria{where}", "detail": detail}
                    for where, detail in error.problems
                ]
            ) from error
