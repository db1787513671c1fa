"""Compute the matches of studies: for all patients at once, or for those who have changed."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import func, insert, select, update
from uuid_utils.compat import uuid7

from trially.database.placement import current_placement
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db
from trially.recruiting.criteria.code_sets import Terminology
from trially.recruiting.criteria.days import Moment
from trially.recruiting.matching.charts import read_charts
from trially.recruiting.matching.facts import in_portions
from trially.recruiting.matching.setwise import SetWise
from trially.recruiting.matching.some_patients import SomePatients
from trially.recruiting.study_matching.collecting import Collected
from trially.recruiting.study_matching.compiling import CompiledStudies, compile_studies
from trially.recruiting.study_matching.model import MatchRun, RunState, Trigger
from trially.recruiting.study_matching.results import StudyResults
from trially.recruiting.study_matching.studies import MatchedStudy
from trially.recruiting.study_matching.together import Together
from trially.recruiting.study_matching.writing import Written, write_matches
from trially.webhooks.emitting import emit
from trially.webhooks.model import EventType

TOGETHER_FROM = 100
"""Fewer changed patients are judged one by one: reading the frames of all leaves takes as long."""

_run = table_of(MatchRun)


def evaluate(study: MatchedStudy, sets: SetWise) -> StudyResults:
    """Return the results of a study for all patients. Raises `UnknownCodesError`."""
    engine = study.engine(sets.terminology)
    results = sets.evaluate(engine.leaves)
    universe = sets.people.everyone if study.wants_deceased else sets.universe
    return StudyResults.of(study.rules(engine), results, universe, universe.bit_length())


def judge_ahead(compiled: CompiledStudies, moment: Moment, terminology: Terminology) -> None:
    """Judge the conditions of some studies for all patients, and store the results.

    Then each of the studies finds them. What a selector finds is so read once for all of these
    studies, and not for each. Conditions that depend on the study itself are left out.
    """
    leaves = list(compiled.engine.leaves)
    for index in reversed(compiled.engine.of_study):
        del leaves[index]
    SetWise(moment, terminology).evaluate(leaves)


def run_study(
    study: MatchedStudy, moment: Moment, terminology: Terminology, trigger: Trigger
) -> dict[str, Any]:
    """Compute the matches of a study for all patients, and write those that differ.

    It runs in the caller's transaction. Returns the counts.
    """
    sets = SetWise(moment, terminology, study.context)
    run_id = _begin(study, moment, trigger)
    results = evaluate(study, sets)
    written = write_matches(study, results.matches)
    counts = asdict(results.verdicts().counts) | asdict(written)
    _end(run_id, counts, sets.change_number)
    emit(EventType.MATCHES_COMPUTED, study_id=study.study_id, run_id=run_id)
    return counts


def run_changed(
    studies: Sequence[MatchedStudy],
    patients: dict[int, UUID | None],
    moment: Moment,
    terminology: Terminology,
) -> Written:
    """Compute the matches of some patients with all studies, and write those that differ.

    `patients` are given by ordinal, None for one who was deleted. It runs in the caller's
    transaction.
    """
    present = {ordinal: each for ordinal, each in patients.items() if each is not None}
    ordinals = sorted(present)
    judged = _judge(studies, present, moment, terminology)
    written = Written()
    for study in studies:
        matches = judged.results(study).matches.copy()
        matches["ordinal"] = np.array(ordinals, np.int32)[matches["ordinal"]]
        differing = write_matches(study, matches, ordinals)
        if differing.total:
            emit(EventType.MATCHES_COMPUTED, study_id=study.study_id)
        written += differing
    return written


def _judge(
    studies: Sequence[MatchedStudy],
    patients: Mapping[int, UUID],
    moment: Moment,
    terminology: Terminology,
) -> Collected | Together:
    """Judge patients with all studies: one by one if they are few, else leaf by leaf."""
    compiled = compile_studies(studies, terminology)
    if len(patients) >= TOGETHER_FROM:
        return Together(compiled, SomePatients(patients, moment, compiled.engine, terminology))
    place_of = {patients[ordinal]: place for place, ordinal in enumerate(sorted(patients))}
    collected = Collected(compiled, studies, moment, len(patients))
    for portion in in_portions(place_of):
        for chart in read_charts(portion, moment, compiled.wanted):
            collected.add(place_of[chart.person.id], chart)
    return collected


def latest_run(study_id: UUID) -> Any:
    """Return the newest run of a study that is done, or None."""
    return db.session.execute(
        select(_run)
        .where(
            of_current_tenant(MatchRun),
            _run.c.study_id == study_id,
            _run.c.state == RunState.DONE,
        )
        .order_by(_run.c.started_at.desc())
        .limit(1)
    ).one_or_none()


def _begin(study: MatchedStudy, moment: Moment, trigger: Trigger) -> UUID:
    run_id: UUID = uuid7()
    db.session.execute(
        insert(_run).values(
            tenant_id=current_placement().tenant_id,
            id=run_id,
            study_id=study.study_id,
            protocol_version_id=study.version_id,
            as_of=dt.date.fromordinal(moment.today),
            trigger=trigger,
        )
    )
    return run_id


def _end(run_id: UUID, counts: dict[str, Any], change_number: int) -> None:
    db.session.execute(
        update(_run)
        .where(of_current_tenant(MatchRun), _run.c.id == run_id)
        .values(
            state=RunState.DONE,
            counts=counts,
            change_number=change_number,
            ended_at=func.clock_timestamp(),
        )
    )
