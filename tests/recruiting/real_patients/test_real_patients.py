"""Criteria about 615 patients give what an independent pass and the engine of CQL find.

Counts are those of `synthea_615_golden_counts.json`. The engine of CQL reads the patients' FHIR
resources, and trially its tables, into which its import has written them.
"""

import datetime as dt
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import orjson
import pytest
from flask import Flask
from members import AsMember, MakeTenant, Member
from node_projects import install_copy, run_in
from sqlalchemy import select

from tests.recruiting.real_patients.cql_criteria import AS_OF, PAIRS
from tests.recruiting.real_patients.elm import library
from tests.recruiting.real_patients.golden_criteria import (
    DIABETES_STUDY,
    EVERYBODY,
    GOLDEN,
    Json,
)
from trially.database.rows import table_of
from trially.database.session import db, transaction
from trially.recruiting.criteria.code_sets import NoTerminology
from trially.recruiting.criteria.evaluation.engine import Engine
from trially.recruiting.criteria.evaluation.verdicts import (
    Standing,
    Verdict,
    asks_for_the_deceased,
    compile_rules,
    judge_study,
)
from trially.recruiting.criteria.judgements import Outcome
from trially.recruiting.criteria.language.criteria import Criteria, parse_criteria
from trially.recruiting.imports.reading.source_files import find_source_files
from trially.recruiting.imports.running import fingerprint_of, run_import
from trially.recruiting.matching.charts import read_charts
from trially.recruiting.matching.deciding import wanted_by
from trially.recruiting.matching.facts import in_portions
from trially.recruiting.patients.model import Patient
from trially.recruiting.study_matching.moments import moment_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.context import tenant_context

CQL = Path(__file__).parent / "cql"
DAY = dt.date.fromisoformat(AS_OF)
MOST_CONFLICTS = 3
"""Of the patients, so many have values of one time that contradict each other."""
EGFR = "egfr_latest_lt_60_alive"
TIES = {EGFR: 1}
"""Patients whom the independent pass counts, and trially calls a conflict: one has an eGFR of 37
and one of 82 at the same time."""
LAST_INSTANT = f"{AS_OF}T23:59:59.999+00:00"
EVERY = 1 if "FUZZ_EXAMPLES" in os.environ else 4
"""The engine of CQL, which takes a fifth of a second for a patient, is asked about every fourth."""


Study = Sequence[tuple[str, Json]]
"""Kind and tree of each criterion."""


@dataclass
class Patients:
    """A tenant with the 615 patients, and a study that asks for them."""

    app: Flask
    tenant: Tenant
    member: Member
    study: str

    def preview(self, criteria: Study) -> Json:
        """Return what the API counts for criteria."""
        written = [{"kind": kind, "expression": tree} for kind, tree in criteria]
        answer = self.member.post(
            f"/studies/{self.study}/versions/1/preview", json={"criteria": written, "as_of": AS_OF}
        )
        assert answer.status_code == 200, answer.text
        counted: Json = answer.json
        return counted

    def verdicts(self, studies: Mapping[str, Study]) -> dict[str, dict[UUID, str]]:
        """Return the verdicts of all patients for some studies, each patient judged alone.

        The verdict of one whose records contradict each other is `conflict`.
        """
        parsed = {name: _criteria_of(study) for name, study in studies.items()}
        trees = [each.expression for study in parsed.values() for each in study.criteria]
        engine = Engine(
            [leaf for tree in trees if tree for _, leaf in tree.leaves()], NoTerminology()
        )
        rules = {name: compile_rules(study, engine.index_of) for name, study in parsed.items()}
        found: dict[str, dict[UUID, str]] = {name: {} for name in studies}
        moment = moment_of(DAY)
        for portion in in_portions(db.session.scalars(select(table_of(Patient).c.id))):
            for chart in read_charts(portion, moment, wanted_by(engine.selectors)):
                subject = engine.subject(chart, moment)
                judgements = engine.judge_all(chart, subject)
                for name, study in parsed.items():
                    wants_deceased = asks_for_the_deceased(study)
                    result = judge_study(
                        rules[name], judgements, subject, wants_deceased=wants_deceased
                    )
                    if result.standing == Standing.MATCHED:
                        is_open = result.verdict == Verdict.POTENTIAL
                        has_conflict = is_open and Outcome.CONFLICT in result.outcomes
                        found[name][chart.person.id] = (
                            "conflict" if has_conflict else result.verdict.value
                        )
        return found

    def source_ids(self) -> dict[UUID, str]:
        """Return the ids that the patients have in their source."""
        patient = table_of(Patient).c
        return dict(db.session.execute(select(patient.id, patient.source_id)).all())

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Open one transaction of the tenant."""
        with self.app.app_context(), tenant_context(self.tenant.slug), transaction():
            yield


def _criteria_of(study: Study) -> Criteria:
    return parse_criteria(
        {
            "schema": 1,
            "criteria": [
                {"id": str(number), "kind": kind, "expression": tree}
                for number, (kind, tree) in enumerate(study)
            ],
        }
    )


@pytest.fixture(scope="module")
def patients(
    app: Flask, make_tenant: MakeTenant, as_member: AsMember, shared_data: Path
) -> Patients:
    """The 615 patients, as the import writes them."""
    tenant = make_tenant(time_zone="UTC")
    files = find_source_files([shared_data / "fhir/synthea_615_ndjson"])
    with app.app_context(), tenant_context(tenant.slug):
        run_import(files, source="fhir", fingerprint=fingerprint_of(files))
    member = as_member(tenant)
    study = member.post(
        "/studies", json={"protocol_number": "GOLDEN", "title": "Counts", "sponsor": "S"}
    ).json["id"]
    assert member.post(f"/studies/{study}/versions", json={}).status_code == 201
    return Patients(app, tenant, member, study)


@pytest.fixture(scope="module")
def golden(shared_data: Path) -> Json:
    """What an independent pass has counted."""
    counted: Json = orjson.loads((shared_data / "fhir/synthea_615_golden_counts.json").read_bytes())
    assert counted["as_of"] == AS_OF
    return counted


def test_every_golden_count_is_that_of_criteria(patients: Patients, golden: Json) -> None:
    assert golden["counts"].keys() == GOLDEN.keys()
    studies = {name: [("inclusion", tree) for tree in trees] for name, trees in GOLDEN.items()}
    with patients.inside():
        verdicts = patients.verdicts(studies)
    found = {}
    for name, study in studies.items():
        counts = patients.preview(study)["counts"]
        assert count_verdicts(verdicts[name]) == counts, name
        found[name] = counts["eligible"] + TIES.get(name, 0)

    assert found == golden["counts"]
    assert list(verdicts[EGFR].values()).count("conflict") == TIES[EGFR]


def count_verdicts(verdicts: Mapping[UUID, str]) -> dict[str, int]:
    """Return how many patients have each verdict. Conflicts leave them potential."""
    found = [each if each != "conflict" else "potential" for each in verdicts.values()]
    return {each: found.count(each) for each in ("eligible", "potential", "ineligible")}


def test_the_golden_study_selects_the_same_patients(patients: Patients, golden: Json) -> None:
    expected = golden["example_trial_1_diabetes"]
    counted = patients.preview(DIABETES_STUDY)
    with patients.inside():
        verdicts = patients.verdicts({"diabetes": DIABETES_STUDY})["diabetes"]

    assert count_verdicts(verdicts) == counted["counts"]
    remaining = [step["remaining"] for step in counted["criteria"]]
    diabetics, treated, _ = remaining[1:]
    assert diabetics["eligible"] == expected["incl: alive, 18-75, diabetes 44054006"]
    assert treated["eligible"] == expected["+ latest HbA1c 7.0-10.0: met"]
    assert treated["potential"] == expected["  HbA1c unknown (no value ever)"]
    assert diabetics["eligible"] - treated["eligible"] == expected["  HbA1c not met"]
    counts = counted["counts"]
    assert (
        treated["eligible"] - counts["eligible"]
        == (expected["excl: AF or CHD ever (among HbA1c-met)"])
    )
    assert counts["eligible"] == expected["eligible (met all)"]
    assert (
        counts["eligible"] + counts["potential"]
        == (expected["potentially eligible (met or unknown)"])
    )


def test_the_engine_of_cql_selects_the_same_patients(
    patients: Patients, shared_data: Path, tmp_path: Path
) -> None:
    folder = install_copy(CQL, tmp_path)
    (folder / "library.json").write_bytes(
        orjson.dumps(library({name: pair.elm for name, pair in PAIRS.items()}))
    )
    resources = shared_data / "fhir/synthea_615_ndjson"
    written = run_in(
        folder,
        *("node", "evaluate.mjs", "library.json", resources, LAST_INSTANT, str(EVERY)),
        seconds=900,
    )
    answers = orjson.loads(written)
    studies: dict[str, Study] = {
        name: [("inclusion", EVERYBODY), ("inclusion", pair.ours)] for name, pair in PAIRS.items()
    }
    with patients.inside():
        verdicts, source_ids = patients.verdicts(studies), patients.source_ids()

    for name, study in studies.items():
        ours, theirs = verdicts[name], answers[name]
        asked = {patient for answered in theirs.values() for patient in answered}
        met = {source_ids[each] for each, verdict in ours.items() if verdict == "eligible"}
        conflicts = {source_ids[each] for each, found in ours.items() if found == "conflict"}
        assert met & asked <= set(theirs["true"]) <= met | conflicts, name
        assert len(conflicts) <= MOST_CONFLICTS, name
        assert len(ours) == 615
        assert len(asked) == sum(map(len, theirs.values())) == -(-615 // EVERY)
        assert count_verdicts(ours) == patients.preview(study)["counts"], name
        assert 0 < len(met) < 615, name
