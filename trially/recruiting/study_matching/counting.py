"""Numbers of patients by verdict and criterion, for the caller: of the caller's sites only."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import func, select

from trially.database.rows import Item, of_current_tenant, table_of
from trially.database.session import db
from trially.recruiting.criteria.english.sentences import describe_asked
from trially.recruiting.criteria.english.words import Names
from trially.recruiting.matching.bits import set_of
from trially.recruiting.matching.model import MatchSubject
from trially.recruiting.matching.setwise import SetWise
from trially.recruiting.patients.model import Patient
from trially.recruiting.study_matching.results import StudyResults
from trially.recruiting.study_matching.running import evaluate
from trially.recruiting.study_matching.shown_numbers import shown_numbers
from trially.recruiting.study_matching.studies import MatchedStudy
from trially.resources.scope import own_sites


def count_patients(study: MatchedStudy, sets: SetWise, off: Collection[int] = ()) -> dict[str, Any]:
    """Return the numbers of a study's patients, with criteria switched off by their places.

    Raises `UnknownCodesError`.
    """
    results = evaluate(study, sets)
    own = own_patients()
    if own is not None:
        results = results.within(own)
    return shown_numbers(
        {
            "as_of": dt.date.fromordinal(sets.moment.today),
            "patients": results.universe.bit_count(),
            "counts": asdict(results.verdicts(off).counts),
            "criteria": list(_steps(results, off, Names(sets.terminology))),
        }
    )


def _steps(results: StudyResults, off: Collection[int], names: Names) -> Sequence[Item]:
    return [
        {
            "position": number,
            "key": rule.criterion.id,
            "kind": rule.criterion.kind.value,
            "sentence": describe_asked(rule.criterion, names),
            "is_on": number not in off,
            "is_evaluated": rule.fold is not None,
            "passes": step.passes,
            "fails": step.fails,
            "undecided": step.unknown,
            "remaining": asdict(step.remaining),
            "without": asdict(step.without),
        }
        for number, (rule, step) in enumerate(
            zip(results.rules, results.verdicts(off).attrition(), strict=True)
        )
    ]


def own_patients() -> int | None:
    """Return the patients of the caller's sites as a set, None if the caller sees all sites."""
    sites = own_sites()
    if sites is None:
        return None
    subject, patient = table_of(MatchSubject).c, table_of(Patient).c
    rows = db.session.execute(
        select(subject.ordinal)
        .join(
            table_of(Patient),
            (patient.tenant_id == subject.tenant_id) & (patient.id == subject.patient_id),
        )
        .where(
            of_current_tenant(MatchSubject),
            func.coalesce(subject.ordinal, -1) >= 0,
            patient.site_id.in_(sites),
        )
    )
    return set_of(rows.scalars())
