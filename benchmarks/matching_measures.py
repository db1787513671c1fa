"""Measure matching in one tenant, in a process of its own. It prints its figures as JSON."""

import datetime as dt
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from benchmarks.installation import settings_of_environment
from benchmarks.matching_sql import ELIGIBLE, MASKS
from benchmarks.matching_studies import (
    EVERYONE,
    LEAVES,
    OF_ALL_TIME,
    OTHER_SELECTORS,
    make_study,
    other_studies,
    store_studies,
    vary,
)
from benchmarks.processes import scheduled_seconds
from serving.garbage import collect_rarely
from trially import create_app
from trially.database.changes import note_written
from trially.database.placement import current_placement
from trially.database.session import db, transaction
from trially.recruiting.criteria.code_sets import NoTerminology
from trially.recruiting.criteria.days import Moment, days_of
from trially.recruiting.matching import lasting
from trially.recruiting.matching.setwise import SetWise
from trially.recruiting.matching.subjects import changed_since, number_changes
from trially.recruiting.study_matching.compiling import compile_studies
from trially.recruiting.study_matching.explaining import Explainer
from trially.recruiting.study_matching.model import Trigger
from trially.recruiting.study_matching.refreshing import JUDGED_AHEAD
from trially.recruiting.study_matching.running import (
    evaluate,
    judge_ahead,
    run_changed,
    run_study,
)
from trially.recruiting.study_matching.studies import MatchedStudy, active_studies
from trially.recruiting.study_matching.studies_of_patients import studies_of_patient
from trially.tenancy.context import tenant_context

TERMINOLOGY = NoTerminology()
CHANGED, PAGE = 1_000, 50


@dataclass
class Sample:
    """What some work took: seconds of the clock, and of CPU of this process and of its backend."""

    seconds: float = 0.0
    own_cpu: float = 0.0
    postgres_cpu: float = 0.0

    def __add__(self, other: "Sample") -> "Sample":
        return Sample(
            self.seconds + other.seconds,
            self.own_cpu + other.own_cpu,
            self.postgres_cpu + other.postgres_cpu,
        )


class Measures:
    """Measures the current tenant for a study of twenty conditions and for many others."""

    def __init__(self) -> None:
        days, now = days_of("America/New_York"), dt.datetime.now(dt.UTC)
        self.moments = [Moment(now + dt.timedelta(days=day), days) for day in range(2)]
        self.study = make_study(LEAVES)

    def moment_of(self, day: int) -> Moment:
        """Return the moment of today or tomorrow, and let matching take it for the present.

        Of a day to come, it would keep little.
        """
        moment = self.moments[day]
        lasting.now = lambda: moment.at
        return moment

    @contextmanager
    def sampled(self) -> Iterator[Sample]:
        """Measure what is done in the block, with its COMMIT."""
        sample = Sample()
        before = time.process_time(), time.perf_counter()
        with transaction():
            backend = db.session.connection().connection.get_backend_pid()
            postgres_cpu = scheduled_seconds(backend)
            yield sample
        sample.seconds = time.perf_counter() - before[1]
        sample.own_cpu = time.process_time() - before[0]
        sample.postgres_cpu = scheduled_seconds(backend) - postgres_cpu

    def count(self, study: MatchedStudy, day: int = 0) -> tuple[int, int, int]:
        """Count the patients of a study as a preview does, with one criterion off too."""
        sets = SetWise(self.moment_of(day), TERMINOLOGY, study.context)
        results = evaluate(study, sets)
        verdicts = results.verdicts()
        verdicts.attrition()
        results.verdicts(off=[3]).attrition()
        counts = verdicts.counts
        return counts.eligible, counts.potential, counts.ineligible

    def cold(self, study: MatchedStudy | None = None) -> dict[str, Any]:
        """Count a study when nothing is kept: by default the one of twenty conditions."""
        _forget()
        before = _memory_mb("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew.
        with self.sampled() as sample:
            counts = self.count(study or self.study)
        return {"counts": counts, **asdict(sample), "memory_mb": _memory_mb("VmHWM") - before}

    def repeated(self, studies: Sequence[MatchedStudy]) -> list[dict[str, Any]]:
        """Count studies one after the other."""
        samples = []
        for each in studies:
            with self.sampled() as sample:
                self.count(each)
            samples.append(asdict(sample))
        return samples

    def interactive(self) -> dict[str, Callable[[], Any]]:
        """Count a study again, with other bounds, and with conditions that were never read."""
        varied = [
            make_study([*LEAVES[:place], vary(LEAVES[place], number + 3), *LEAVES[place + 1 :]])
            for number in range(3)
            for place in range(len(LEAVES))
            if LEAVES[place] != vary(LEAVES[place], 1)
        ]
        added = [make_study([*LEAVES, other]) for other in OTHER_SELECTORS]
        return {
            "cached": lambda: self.repeated([self.study] * 60),
            "changed_bound": lambda: self.repeated(varied),
            "new_selector": lambda: self.repeated(added),
        }

    def by_hand(self, statement: str) -> dict[str, Any]:
        """Run the study as SQL that is written by hand. No rows: the product's limit ended it."""
        began = time.perf_counter()
        try:
            with self.sampled() as sample:
                rows = _execute(statement, now=self.moment_of(0).at).all()
        except OperationalError:
            return {**asdict(Sample(time.perf_counter() - began)), "rows": None}
        return {**asdict(sample), "rows": len(rows)}

    def writing(self) -> dict[str, Any]:
        """Write a match of every patient, and write none when nothing has changed."""
        [study] = store_studies([[EVERYONE]])
        figures = {}
        for name in ("first", "again"):
            began = _wal_position()
            with self.sampled() as sample:
                counts = run_study(study, self.moment_of(0), TERMINOLOGY, Trigger.REQUEST)
            written = counts["added"] + counts["changed"] + counts["removed"]
            figures[name] = {
                **asdict(sample),
                "written": written,
                "wal_bytes": _wal_position() - began,
            }
        _deactivate(study)
        return figures

    def forget_matches(self) -> None:
        """Delete all matches, and what matching has kept."""
        _forget()
        with transaction():
            _execute("DELETE FROM match WHERE tenant_id = :tenant_id")

    def run_all(self, studies: Sequence[MatchedStudy], day: int) -> dict[str, Any]:
        """Compute many studies for all patients on one of the two days, as the nightly job does."""
        total, written, rows = Sample(), 0, 0
        for number, each in enumerate(studies):
            if number % JUDGED_AHEAD == 0:
                with self.sampled() as sample:
                    compiled = compile_studies(studies[number : number + JUDGED_AHEAD], TERMINOLOGY)
                    judge_ahead(compiled, self.moment_of(day), TERMINOLOGY)
                total += sample
            with self.sampled() as sample:
                counts = run_study(each, self.moment_of(day), TERMINOLOGY, Trigger.NEW_DAY)
            total += sample
            written += counts["added"] + counts["changed"] + counts["removed"]
            rows += counts["eligible"] + counts["potential"] + counts["ineligible"]
        return {**asdict(total), "written": written, "rows": rows, "studies": len(studies)}

    def changed(self, studies: Sequence[MatchedStudy], patients: Sequence[UUID]) -> dict[str, Any]:
        """Compute some patients who have changed, with many studies."""
        with transaction():
            before = number_changes()
            _execute(
                "UPDATE clinical_fact SET value_number = value_number + 1 WHERE tenant_id ="
                " :tenant_id AND patient_id = ANY (CAST(:patients AS uuid[]))"
                " AND code COLLATE \"C\" = '8480-6'"
                " AND type = 'observation'",
                patients=[str(each) for each in patients],
            )
        with self.sampled() as sample:
            number_changes()
            found = changed_since(before, 2 * len(patients))
            written = run_changed(studies, found, self.moment_of(1), TERMINOLOGY)
        return {**asdict(sample), "patients": len(found), "written": written.total}

    def one_patient(self, patients: Sequence[UUID]) -> list[dict[str, Any]]:
        """List all studies for single patients. The studies are read each time."""
        samples = []
        for each in patients:
            with self.sampled() as sample:
                studies_of_patient(each, active_studies(), self.moment_of(1), TERMINOLOGY)
            samples.append(asdict(sample))
        return samples

    def pages(self, patients: Sequence[UUID]) -> list[dict[str, Any]]:
        """Explain pages of patients for one study."""
        samples, rest = [], iter(patients)
        while page := list(islice(rest, PAGE)):
            with self.sampled() as sample:
                list(Explainer([self.study], self.moment_of(0), TERMINOLOGY).explain(page))
            samples.append(asdict(sample))
        return samples


def _execute(statement: str, **parameters: Any) -> Any:
    tenant_id = str(current_placement().tenant_id)
    found = db.session.execute(text(statement), {"tenant_id": tenant_id, **parameters})
    note_written("clinical_fact", "match", "protocol_version", patients=())
    return found


def _forget() -> None:
    """Delete what matching has kept of the current tenant."""
    with transaction():
        _execute("DELETE FROM match_frame WHERE tenant_id = :tenant_id")
        _execute("DELETE FROM match_leaf WHERE tenant_id = :tenant_id")


def _deactivate(study: MatchedStudy) -> None:
    with transaction():
        _execute(
            "UPDATE protocol_version SET status = 'superseded' WHERE tenant_id = :tenant_id"
            " AND study_id = :study_id",
            study_id=str(study.study_id),
        )


def _wal_position() -> int:
    with transaction():
        return int(_execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").scalar_one())


def _memory_mb(name: str) -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024


def _visible_share() -> float:
    """Return the share of the pages of records of which an index is read alone."""
    with transaction():
        found = _execute(
            "SELECT relallvisible::float / greatest(relpages, 1) FROM pg_class"
            " WHERE oid = 'clinical_fact'::regclass"
        )
        return float(found.scalar_one())


def _size() -> dict[str, Any]:
    with transaction():
        found = _execute(
            "SELECT count(*) AS records, current_setting('shared_buffers') AS shared_buffers,"
            " current_setting('server_version') AS version, pg_jit_available() AS jit"
            " FROM clinical_fact WHERE tenant_id = :tenant_id"
        )
        return dict(found.one()._mapping)


def _some_patients(count: int) -> list[UUID]:
    with transaction():
        ids = list(_execute("SELECT id FROM patient WHERE tenant_id = :tenant_id").scalars())
    return random.Random(1).sample(ids, min(count, len(ids)))


def _everything(measures: Measures, rounds: int, count: int) -> dict[str, Any]:
    """Return all figures. Each is shown as soon as it is measured, because all take long."""
    figures: dict[str, Any] = {}
    patients = _some_patients(CHANGED)
    for name, measure in {
        "size": _size,
        "cold": lambda: [measures.cold() for _ in range(rounds)],
        **measures.interactive(),
        "of_all_time": lambda: measures.cold(make_study([OF_ALL_TIME])),
        "writing": measures.writing,
        "pages": lambda: measures.pages(patients),
        "masks_by_hand": lambda: [measures.by_hand(MASKS) for _ in range(rounds)],
        "eligible_by_hand": lambda: [measures.by_hand(ELIGIBLE) for _ in range(rounds)],
        **(_of_many(measures, count, patients) if count else {}),
    }.items():
        figures[name] = measure()
        print(json.dumps({name: figures[name]}), file=sys.stderr, flush=True)
    return figures


def _of_many(
    measures: Measures, count: int, patients: Sequence[UUID]
) -> dict[str, Callable[[], Any]]:
    with transaction():
        studies = active_studies()[:count]
    if len(studies) < count:
        studies += store_studies(other_studies(count)[len(studies) :])

    def run(day: int) -> Any:
        return measures.run_all(studies, day)

    def run_from_nothing() -> Any:
        measures.forget_matches()
        return run(0)

    return {
        "whole": run_from_nothing,
        "new_day": lambda: run(1),
        "changed": lambda: measures.changed(studies, patients),
        "one_patient": lambda: measures.one_patient(patients[:20]),
    }


def main() -> None:
    slug, wanted, rounds, studies = sys.argv[1:]
    app = create_app(settings_of_environment())
    collect_rarely()  # as a worker that serves does
    run: Callable[[Measures], Any] = {
        "cold": lambda measures: measures.cold(),
        "visible_share": lambda _: _visible_share(),
        "everything": lambda measures: _everything(measures, int(rounds), int(studies)),
    }[wanted]
    with app.app_context(), tenant_context(slug):
        measures = Measures()
        with transaction():
            _execute("SELECT 1")
        print(json.dumps(run(measures)))


if __name__ == "__main__":
    main()
