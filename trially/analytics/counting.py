"""Count what the current tenant shares, in its own transaction, and round it before it is returned.

Only rounded numbers leave this module.
"""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, text

from trially.analytics.measures import (
    NO_PHASE,
    VALUES,
    Freshness,
    Measure,
    about,
    band_of,
)
from trially.analytics.rounding import round_down
from trially.config import current_settings
from trially.database.placement import current_placement
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db
from trially.recruiting.imports.model import ImportJob, ImportState
from trially.recruiting.patients.choices import RecordStatus
from trially.recruiting.patients.model import Patient
from trially.recruiting.studies.model import RecruitingStatus, Study
from trially.tenancy.context import current_tenant
from trially.tenancy.organisations.model import About

MOST_STUDIES = 1_000
"""Studies of which matches are shared, by NCT id. The matches of further ones are not."""


class SharedNumber(NamedTuple):
    """A number that may leave the tenant: the true one is at least that, by less than `step`."""

    measure: Measure
    study: str
    value: str
    quantity: int
    step: int


@dataclass(frozen=True)
class Counted:
    """All numbers of a tenant that are about the same, as of one instant."""

    about: About
    counted_at: dt.datetime
    numbers: tuple[SharedNumber, ...]


_Key = tuple[Measure, str, str]
"""A measure, an NCT id or an empty text, and a value."""

_CANDIDATE = "patient.record_status = 'current' AND NOT patient.deceased"

_WITH_RECORDS = text(
    f"""
    SELECT count(*) FROM patient WHERE tenant_id = :tenant_id AND {_CANDIDATE} AND (
        EXISTS (SELECT FROM clinical_fact AS fact WHERE fact.tenant_id = patient.tenant_id
            AND fact.patient_id = patient.id AND fact.withdrawn_at IS NULL)
        OR EXISTS (SELECT FROM document WHERE document.tenant_id = patient.tenant_id
            AND document.patient_id = patient.id AND document.withdrawn_at IS NULL))
    """
)
_MATCHES = text(
    f"""
    SELECT study.nct_id, match.verdict, count(*) FROM match
    JOIN study ON study.tenant_id = match.tenant_id AND study.id = match.study_id
    JOIN patient ON patient.tenant_id = match.tenant_id AND patient.id = match.patient_id
    WHERE match.tenant_id = :tenant_id AND study.nct_id = ANY(:studies) AND {_CANDIDATE}
    GROUP BY 1, 2
    """
)
_CHANGED = text(
    """
    SELECT count(*) FROM (
        SELECT id FROM patient WHERE tenant_id = :tenant_id AND created_at >= :since
        UNION SELECT patient_id FROM match WHERE tenant_id = :tenant_id AND changed_at >= :since
        LIMIT :enough
    ) AS changed
    """
)
_NCT_ID = "^NCT[0-9]{8}$"


def count(what: About) -> Counted:
    """Count the current tenant in the open transaction."""
    step = 1 if what is About.WORK else current_settings().smallest_shared_count
    counted_at: dt.datetime = db.session.execute(select(func.now())).scalar_one()
    exact = _count_work(counted_at) if what is About.WORK else _count_patients(counted_at)
    return Counted(
        what,
        counted_at,
        tuple(
            SharedNumber(measure, study, value, round_down(number, step), step)
            for (measure, study, value), number in exact.items()
        ),
    )


def many_have_changed(since: dt.datetime) -> bool:
    """Return whether so many patients are new, or have other matches, as a cell must have at least.

    Then no difference between two counts of the tenant is about a few patients.
    """
    enough = current_settings().smallest_shared_count
    parameters = {
        "tenant_id": current_placement().tenant_id,
        "since": since,
        "enough": enough,
    }
    return int(db.session.execute(_CHANGED, parameters).scalar_one()) >= enough


def _count_patients(now: dt.datetime) -> Counter[_Key]:
    found = _empty(About.PATIENTS)
    today = now.astimezone(ZoneInfo(current_tenant().time_zone)).date()
    for sex, birth_date, number in _patients_by_birth_date():
        found[Measure.PATIENTS, "", ""] += number
        if sex is not None and sex in VALUES[Measure.PATIENTS_BY_SEX]:
            found[Measure.PATIENTS_BY_SEX, "", sex] += number
        if birth_date is not None:
            band = band_of(_age(birth_date, today))
            found[Measure.PATIENTS_BY_AGE, "", band] += number
    tenant_id = current_placement().tenant_id
    with_records = db.session.execute(_WITH_RECORDS, {"tenant_id": tenant_id}).scalar_one()
    found[Measure.PATIENTS_WITH_RECORDS, "", ""] = with_records
    studies = _open_studies()
    for study in studies:
        found.update({(Measure.MATCHES, study, value): 0 for value in VALUES[Measure.MATCHES]})
    matches = db.session.execute(_MATCHES, {"tenant_id": tenant_id, "studies": studies})
    for study, verdict, number in matches:
        if verdict in VALUES[Measure.MATCHES]:
            found[Measure.MATCHES, study, verdict] = number
    return found


def _count_work(now: dt.datetime) -> Counter[_Key]:
    found = _empty(About.WORK)
    study = table_of(Study).c
    rows = db.session.execute(
        select(study.phases).where(
            of_current_tenant(Study), study.recruiting_status == RecruitingStatus.OPEN
        )
    )
    for (phases,) in rows:
        found[Measure.ACTIVE_STUDIES, "", ""] += 1
        known = [each for each in phases if each in VALUES[Measure.ACTIVE_STUDIES_BY_PHASE]]
        for phase in known or [NO_PHASE]:
            found[Measure.ACTIVE_STUDIES_BY_PHASE, "", phase] += 1
    found[Measure.NEWEST_IMPORT, "", _freshness(now)] = 1
    return found


def _empty(what: About) -> Counter[_Key]:
    """Return a zero for each value, so that a value without patients is shared as others are."""
    measures = [each for each in Measure if about(each) is what and each is not Measure.MATCHES]
    return Counter({(each, "", value): 0 for each in measures for value in VALUES[each]})


def _patients_by_birth_date() -> Sequence[tuple[str | None, dt.date | None, int]]:
    """Return numbers of patients by sex and birth date, which may be encrypted."""
    patient = table_of(Patient).c
    rows = db.session.execute(
        select(patient.sex, patient.birth_date, func.count())
        .where(
            of_current_tenant(Patient),
            patient.record_status == RecordStatus.CURRENT,
            ~patient.deceased,
        )
        .group_by(patient.sex, patient.birth_date)
    )
    return [(sex, birth_date, number) for sex, birth_date, number in rows]


def _age(birth_date: dt.date, today: dt.date) -> int:
    had_birthday = (today.month, today.day) >= (birth_date.month, birth_date.day)
    return today.year - birth_date.year - (not had_birthday)


def _open_studies() -> list[str]:
    """Return the NCT ids of the studies for which the tenant recruits now."""
    study = table_of(Study).c
    found = db.session.scalars(
        select(study.nct_id)
        .where(
            of_current_tenant(Study),
            study.recruiting_status == RecruitingStatus.OPEN,
            study.nct_id.regexp_match(_NCT_ID),
        )
        .order_by(study.nct_id)
        .limit(MOST_STUDIES)
    )
    return [each for each in found if each is not None]


def _freshness(now: dt.datetime) -> Freshness:
    job = table_of(ImportJob).c
    newest: dt.datetime | None = db.session.execute(
        select(func.max(job.updated_at)).where(
            of_current_tenant(ImportJob), job.state == ImportState.DONE
        )
    ).scalar_one()
    if newest is None:
        return Freshness.NEVER
    ages = {Freshness.DAY: 1, Freshness.WEEK: 7, Freshness.MONTH: 30}
    return next(
        (each for each, days in ages.items() if now - newest <= dt.timedelta(days=days)),
        Freshness.OLDER,
    )
