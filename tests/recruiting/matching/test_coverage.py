"""Who is covered is the same set by set and patient by patient, also from what is kept."""

import datetime as dt
import random
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from members import AsMember, MakeTenant, Member
from sqlalchemy import insert, text
from uuid_utils.compat import uuid7

from trially.database.changes import note_written
from trially.database.placement import current_placement
from trially.database.session import db, transaction
from trially.recruiting.criteria.code_sets import NoTerminology
from trially.recruiting.criteria.days import Moment, days_of
from trially.recruiting.criteria.evaluation.subjects import cover
from trially.recruiting.criteria.language.durations import Duration
from trially.recruiting.matching import coverage, subjects
from trially.recruiting.matching.charts import read_charts
from trially.recruiting.matching.deciding import EVERYTHING
from trially.recruiting.matching.packed_rows import copy_rows
from trially.recruiting.matching.setwise import SetWise
from trially.recruiting.matching.subjects import number_changes, patients_with
from trially.recruiting.matching.usable import NOT_REFUTED, USED
from trially.recruiting.records.model import ClinicalFact
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

ZONES = ("America/New_York", "Europe/Berlin", "Pacific/Kiritimati")
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
LOOK_BACK = Duration(months=2)
PATIENTS = 60


@pytest.fixture(scope="module")
def tenant(make_tenant: MakeTenant, tier: Tier) -> Tenant:
    make_tenant(tier)
    return make_tenant(tier)


@pytest.fixture(scope="module")
def member(tenant: Tenant, as_member: AsMember) -> Member:
    return as_member(tenant)


@pytest.fixture(scope="module")
def patients(member: Member) -> list[UUID]:
    names = {"given_name": "Ada", "family_name": "Example", "sex": "other"}
    answers = [
        member.post("/patients", json={"mrn": str(uuid4()), "birth_date": "1960-05-17", **names})
        for _ in range(PATIENTS)
    ]
    return [UUID(answer.json["id"]) for answer in answers]


def make_facts(chance: random.Random, patient_id: UUID) -> Iterator[dict[str, Any]]:
    """Yield records about the ends of the look-back, of all precisions and statuses."""
    edges = (NOW, NOW - dt.timedelta(days=60))
    for _ in range(chance.randint(0, 4)):
        precision = chance.choice(("instant", "instant", "day", "month", "year", None))
        at = chance.choice(edges) + dt.timedelta(hours=chance.randint(-80, 80))
        if precision != "instant":
            at = at.replace(hour=0, minute=0, second=0)
        kind = chance.choice(("condition", "encounter"))
        recorded_at = at + dt.timedelta(days=chance.randint(-3, 40))
        yield {
            "id": uuid7(),
            "tenant_id": current_placement().tenant_id,
            "patient_id": patient_id,
            "type": kind,
            "status": chance.choice(("finished", "in-progress", "planned")),
            "end_at": None if chance.random() < 0.5 else at + dt.timedelta(hours=30),
            "end_precision": chance.choice(("instant", "month")),
            "code_system": "http://snomed.info/sct",
            "code": "1",
            "source": "fhir",
            "source_type": "Condition",
            "source_id": str(uuid4()),
            "content_hash": b"-",
            "start_at": None if chance.random() < 0.1 else at,
            "start_precision": precision,
            "recorded_at": recorded_at if chance.random() < 0.5 else None,
            "verification_status": chance.choice((None, "confirmed", "refuted", "unconfirmed")),
            "entered_in_error": chance.random() < 0.1,
        }


def add_facts(chance: random.Random, patients: list[UUID]) -> None:
    facts = [fact for each in patients for fact in make_facts(chance, each)]
    if facts:
        db.session.execute(insert(ClinicalFact), facts)
    note_written("clinical_fact", patients=())


def moments(zone: str) -> Iterator[Moment]:
    """Yield moments of the next days, which what is kept of the first one serves too."""
    for hours in (0, 20, 44, 70):
        yield Moment(NOW + dt.timedelta(hours=hours), days_of(zone), LOOK_BACK)


def assert_same(moment: Moment) -> int:
    """Compare the covered patients of the current tenant, and return their number."""
    sets = SetWise(moment, NoTerminology())
    found = sets.panel.is_covered
    ids = patients_with(range(sets.people.size))
    ordinal_of = {patient_id: ordinal for ordinal, patient_id in ids.items()}
    first_day = moment.before(moment.look_back)
    for chart in read_charts(list(ordinal_of), moment, EVERYTHING):
        expected = cover(chart.rows, moment).day >= first_day
        rows = [tuple(getattr(row, name) for name in row.__slots__) for row in chart.rows]
        assert found[ordinal_of[chart.person.id]] == expected, rows
    return int(found.sum())


@pytest.mark.parametrize("zone", ZONES)
def test_coverage_is_that_of_the_evaluator_of_one_patient(
    app: Flask, tenant: Tenant, patients: list[UUID], zone: str
) -> None:
    chance = random.Random(zone)
    with app.app_context(), tenant_context(str(tenant.id)):
        with transaction():
            change_facts("DELETE FROM clinical_fact WHERE tenant_id = :tenant_id")
            add_facts(chance, patients)
        with transaction():
            numbers = [assert_same(moment) for moment in moments(zone)]
        assert 0 < numbers[0] < PATIENTS

        # A few patients change, and are read again.
        with transaction():
            add_facts(chance, chance.sample(patients, 3))
        with transaction():
            for moment in moments(zone):
                assert_same(moment)


def test_a_new_day_reads_no_record_of_who_is_surely_covered(
    app: Flask, tenant: Tenant, patients: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    moment, later = list(moments(ZONES[1]))[:2]
    with app.app_context(), tenant_context(str(tenant.id)), transaction():
        SetWise(moment, NoTerminology()).panel  # noqa: B018  it is computed and kept
        monkeypatch.setattr("trially.recruiting.matching.setwise.read_newest", None)

        assert_same(later)


def test_what_is_kept_serves_no_longer_look_back(
    app: Flask, tenant: Tenant, patients: list[UUID]
) -> None:
    chance = random.Random(7)
    numbers = []
    with app.app_context(), tenant_context(str(tenant.id)):
        with transaction():
            add_facts(chance, patients)
        with transaction():
            for months in (2, 4, 1, 2):
                moment = Moment(NOW, days_of(ZONES[0]), Duration(months=months))
                numbers.append(assert_same(moment))

    assert numbers[2] < numbers[0] == numbers[3] < numbers[1]


@pytest.mark.parametrize("days_ago", [0, 5])
def test_patients_with_a_recent_encounter_are_not_looked_up(
    app: Flask,
    tenant: Tenant,
    patients: list[UUID],
    monkeypatch: pytest.MonkeyPatch,
    days_ago: int,
) -> None:
    scans: list[str] = []

    def explain(query: str, parameters: Any, *rest: Any) -> Any:
        with db.session.connection().connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {query}", parameters)
            scans.extend(line for (line,) in cursor.fetchall() if " on clinical_fact" in line)
        return copy_rows(query, parameters, *rest)

    with app.app_context(), tenant_context(str(tenant.id)):
        with transaction():
            change_facts("DELETE FROM clinical_fact WHERE tenant_id = :tenant_id")
            db.session.execute(insert(ClinicalFact), [make_visit(each) for each in patients])
        with transaction():
            number_changes()
        monkeypatch.setattr(coverage, "copy_rows", explain)
        with transaction():
            moment = Moment(NOW - dt.timedelta(days=days_ago), days_of(ZONES[0]), LOOK_BACK)
            newest = coverage.read_newest(moment)

    assert newest.covered(PATIENTS, moment).all()
    # Nothing is read now. Of a day in the past, the encounters are, in the order of their index.
    read = [line for line in scans if "never executed" not in line]
    assert (len(read), len(scans)) == ((0, 2) if days_ago == 0 else (1, 3)), scans


CHANGES = {
    "corrected": "UPDATE clinical_fact SET entered_in_error = NOT entered_in_error",
    "earlier": "UPDATE clinical_fact SET start_at = start_at - interval '30 hours'",
    "later": "UPDATE clinical_fact SET start_at = start_at + interval '30 hours'",
    "rougher": "UPDATE clinical_fact SET start_precision = 'month'",
    "of another patient": "UPDATE clinical_fact SET patient_id = :other_id",
    "withdrawn": "UPDATE clinical_fact SET withdrawn_at = now()",
    "deleted": "DELETE FROM clinical_fact",
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_newest_record_is_right_after_a_change(
    app: Flask, tenant: Tenant, patients: list[UUID], change: str
) -> None:
    chance = random.Random(change)
    with app.app_context(), tenant_context(str(tenant.id)):
        for patient_id in chance.sample(patients, 20):
            with transaction():
                add_facts(chance, [patient_id] * 3)
            with transaction():
                number_changes()
            of_patient = (
                " WHERE tenant_id = :tenant_id AND patient_id = :patient_id AND random() < 0.5"
            )
            with transaction():
                change_facts(
                    CHANGES[change] + of_patient,
                    patient_id=patient_id,
                    other_id=chance.choice(patients),
                )
            with transaction():
                # Nothing wrong is kept before the next numbering, and nothing is unknown after it.
                assert wrong_newest_records("AND newest_known") == []
                number_changes()
                assert wrong_newest_records() == []


def test_a_new_record_leaves_the_newest_one_known(
    app: Flask, tenant: Tenant, patients: list[UUID]
) -> None:
    with app.app_context(), tenant_context(str(tenant.id)):
        with transaction():
            number_changes()
        with transaction():
            add_facts(random.Random(11), patients)
        with transaction():
            assert count_unknown() == 0
            assert wrong_newest_records() == []


def test_few_newest_records_are_looked_up_at_a_time(
    app: Flask, tenant: Tenant, patients: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = Moment(NOW, days_of(ZONES[0]), LOOK_BACK)
    few = subjects._LOCK_UNKNOWN.replace(f"LIMIT {subjects.MOST_LOOKED_UP}", "LIMIT 7")
    with app.app_context(), tenant_context(str(tenant.id)):
        with transaction():
            add_facts(random.Random(12), patients)
            number_changes()
        with transaction():
            change_facts("DELETE FROM clinical_fact WHERE tenant_id = :tenant_id")
            unknown = count_unknown()
            monkeypatch.setattr(subjects, "_LOCK_UNKNOWN", few)
            number_changes()

            assert count_unknown() == unknown - 7
            assert assert_same(moment) == 0


def test_the_trigger_counts_the_records_that_criteria_use(app: Flask, tenant: Tenant) -> None:
    with app.app_context(), tenant_context(str(tenant.id)), transaction():
        source = db.session.scalar(
            text("SELECT prosrc FROM pg_proc WHERE oid = 'note_changed_patients'::regproc")
        )

    assert f"CASE WHEN {USED} AND {NOT_REFUTED} THEN start_at END" in source


def make_visit(patient_id: UUID) -> dict[str, Any]:
    """Return a recent encounter."""
    return {
        **next(_some_facts(patient_id)),
        "type": "encounter",
        "status": "finished",
        "start_at": NOW - dt.timedelta(days=10),
        "start_precision": "instant",
        "end_at": None,
        "verification_status": None,
        "entered_in_error": False,
    }


def change_facts(statement: str, **values: Any) -> None:
    """Change records of the current tenant."""
    tenant_id = current_placement().tenant_id
    db.session.execute(text(statement), {"tenant_id": tenant_id, **values})
    note_written("clinical_fact", patients=())


def wrong_newest_records(condition: str = "") -> list[Any]:
    """Return the patients of the current tenant whose newest record is not what is kept."""
    found = db.session.execute(
        text(f"""
            SELECT subject.patient_id, newest_at, newest_known, newest.at
            FROM match_subject AS subject LEFT JOIN (
                SELECT patient_id, max(start_at) AS at FROM clinical_fact
                WHERE tenant_id = :tenant_id AND {USED} AND {NOT_REFUTED} GROUP BY patient_id
            ) AS newest ON newest.patient_id = subject.patient_id
            WHERE tenant_id = :tenant_id {condition} AND (
                NOT newest_known OR newest_at IS DISTINCT FROM newest.at
                OR (newest_at IS NOT NULL AND NOT EXISTS (
                    SELECT FROM clinical_fact AS fact
                    WHERE fact.tenant_id = :tenant_id AND fact.patient_id = subject.patient_id
                        AND start_at = newest_at
                        AND start_precision IS NOT DISTINCT FROM newest_precision
                ))
            )"""),
        {"tenant_id": current_placement().tenant_id},
    )
    return list(found)


def count_unknown() -> int:
    """Return of how many patients of the current tenant the newest record is not known."""
    return int(
        db.session.scalar(
            text(
                "SELECT count(*) FROM match_subject"
                " WHERE tenant_id = :tenant_id AND NOT newest_known"
            ),
            {"tenant_id": current_placement().tenant_id},
        )
    )


def _some_facts(patient_id: UUID) -> Iterator[dict[str, Any]]:
    return (each for seed in range(100) for each in make_facts(random.Random(seed), patient_id))
