"""Keep the matches of all studies up to date: after changes of patients, and each day.

A transaction that writes patients or their records asks for a job, which runs some seconds later
for all changes of that time. The job computes the changed patients alone, unless they are
thousands: then it computes all patients, study by study. It asks for the next one, at the beginning
of the next day of the tenant's zone.
"""

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import and_, exists, func, not_, select

from trially.audit_notes import AuditNotes, Change
from trially.auth.permissions import Permission
from trially.database.changes import changes_noted
from trially.database.placement import current_placement
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db
from trially.jobs.enqueuing import enqueue
from trially.jobs.kinds import JobError, Kind, Step, Turn, register
from trially.jobs.model import Job, JobState
from trially.recruiting.matching.stored import prune
from trially.recruiting.matching.subjects import (
    changed_since,
    matched_up_to,
    note_matched,
    number_changes,
)
from trially.recruiting.protocols.versions.model import ProtocolVersion, VersionStatus
from trially.recruiting.protocols.versions.transitions import protocol_activated
from trially.recruiting.study_matching.compiling import compile_known, has_known_codes
from trially.recruiting.study_matching.model import Trigger
from trially.recruiting.study_matching.moments import moment_of
from trially.recruiting.study_matching.studies import MatchedStudy, active_studies, find_active
from trially.recruiting.valuesets.library import tenants_terminology
from trially.request_state import request_state
from trially.state import app_state

WAIT = dt.timedelta(seconds=10)
"""How long a job waits for further changes."""

ASKED_SECONDS = 5.0
"""A process asks again for a tenant after this time. It must be less than `WAIT`."""

MOST_CHANGED = 2_000
"""More changed patients are computed with all others, set by set."""

JUDGED_AHEAD = 40
"""Studies whose conditions are judged in one turn: some seconds for 100,000 patients."""

MOST_TENANTS_KNOWN = 10_000

WATCHED = frozenset({"patient", "clinical_fact"})

LOCATING = frozenset({"latitude", "longitude", "status"})
"""Columns of a site by which distances change."""

OPERATOR = "trially: matches"
"""Who the audit log and the jobs name for matches that follow changes."""

_job, _version = table_of(Job), table_of(ProtocolVersion)


@protocol_activated.connect
def match_new_version(study_id: UUID, **_: Any) -> None:
    """Ask for the matches of a study in the transaction that activates its version."""
    enqueue(MATCH, {"study_id": str(study_id), "trigger": Trigger.ACTIVATION})


@changes_noted.connect
def follow_changes(notes: AuditNotes) -> None:
    """Ask for a job if the open transaction writes patients, and none waits."""
    if not (notes.written & WATCHED or any(each.table in WATCHED for each in notes.changes)):
        return
    asked, tenant_id = app_state().asked_for_matches, current_placement().tenant_id
    if time.monotonic() - asked.get(tenant_id, 0.0) < ASKED_SECONDS:
        return
    if _is_wanted():
        _enqueue_refresh(dt.datetime.now(dt.UTC) + WAIT)

    def note_asked() -> None:
        if len(asked) > MOST_TENANTS_KNOWN:
            asked.clear()
        asked[tenant_id] = time.monotonic()

    request_state().after_commit.append(note_asked)


@changes_noted.connect
def follow_sites(notes: AuditNotes) -> None:
    """Ask for the matches of studies whose criteria are about distance, if their sites change."""
    if any(_says_where(each) for each in notes.changes):
        for study in active_studies():
            if study.wants_places:
                parameters = {"study_id": str(study.study_id), "trigger": Trigger.CHANGES}
                enqueue(MATCH, parameters, operator=OPERATOR)


def _says_where(change: Change) -> bool:
    """Return whether a change is of a site's place, or of the sites of a study."""
    columns = {"site": LOCATING, "study_site": {"status"}}.get(change.table, frozenset())
    return bool(columns & change.values.keys())


def refresh(turn: Turn) -> None:
    """Bring the matches of all studies up to date, study by study or for all changes at once."""
    # numpy is loaded by the processes that compute matches, not at the start of each.
    from trially.recruiting.study_matching.running import run_changed

    moment = moment_of()
    today = dt.date.fromordinal(moment.today)
    number = number_changes()
    matched_number, matched_on = matched_up_to()
    studies = active_studies()
    changed = changed_since(matched_number, MOST_CHANGED + 1)
    if studies and matched_on == today and len(changed) <= MOST_CHANGED:
        with tenants_terminology() as terminology:
            _, known, unknown = compile_known(studies, terminology)
            written = run_changed(known, changed, moment, terminology)
        turn.result(patients=len(changed), written=written.total)
        _note_unknown(turn, unknown)
    elif studies:
        # What changes while the studies take their turns is missing in the first of them.
        begun = {"number": number, "day": today.isoformat(), "done": [], **(turn.position or {})}
        if not _run_next(turn, studies, begun, is_today=matched_on == today):
            return
        number, today = begun["number"], dt.date.fromisoformat(begun["day"])
    note_matched(number, today)
    if studies:
        _enqueue_refresh(moment.days.midnight(moment.today + 1))
    turn.result(pruned=prune(today))


def _run_next(
    turn: Turn, studies: Sequence[MatchedStudy], begun: Mapping[str, Any], *, is_today: bool
) -> bool:
    """Run the next study for all patients. Return whether all are done.

    `begun` says which are `done`. Before the first of `JUDGED_AHEAD` studies, a turn judges the
    conditions of all of them.
    """
    from trially.recruiting.study_matching.running import judge_ahead, run_study

    done = begun["done"]
    left = [study for study in studies if str(study.version_id) not in done]
    if not left:
        return True
    with tenants_terminology() as terminology:
        if len(done) % JUDGED_AHEAD == 0 and not begun.get("are_judged"):
            compiled, _, _ = compile_known(left[:JUDGED_AHEAD], terminology)
            judge_ahead(compiled, moment_of(), terminology)
            turn.again({**begun, "are_judged": True})
            return False
        if has_known_codes(left[0], terminology):
            trigger = Trigger.CHANGES if is_today else Trigger.NEW_DAY
            run_study(left[0], moment_of(), terminology, trigger)
        else:
            _note_unknown(turn, left[:1])
    turn.progress(len(studies) - len(left) + 1, len(studies))
    if len(left) > 1:
        turn.again({**begun, "done": [*done, str(left[0].version_id)], "are_judged": False})
        return False
    return True


def _note_unknown(turn: Turn, studies: Sequence[MatchedStudy]) -> None:
    """Say which studies keep their former matches, because their codes cannot be looked up."""
    if studies:
        named = [str(each.study_id) for each in studies]
        turn.result(not_evaluated=[*turn.results.get("not_evaluated", []), *named])


def _run_one(turn: Turn) -> None:
    """Compute the matches of one study for all patients."""
    from trially.recruiting.study_matching.running import run_study

    study = find_active(UUID(turn.parameters["study_id"]))
    if study is None:
        raise JobError("The study has no active version of its protocol.")
    with tenants_terminology() as terminology:
        counts = run_study(study, moment_of(), terminology, Trigger(turn.parameters["trigger"]))
    turn.result(**counts)
    if _is_wanted():
        _enqueue_refresh(dt.datetime.now(dt.UTC) + WAIT)


def _enqueue_refresh(due_at: dt.datetime) -> None:
    enqueue(REFRESH, {}, due_at=due_at, operator=OPERATOR)


def _is_wanted() -> bool:
    """Return whether a study has matches, and no job waits that computes them soon."""
    waits = exists(
        select(1).where(
            of_current_tenant(Job),
            _job.c.kind == REFRESH.name,
            _job.c.state == JobState.QUEUED,
            _job.c.ended_at.is_(None),
            _job.c.due_at <= func.now() + WAIT,
        )
    )
    is_active = exists(
        select(1).where(
            of_current_tenant(ProtocolVersion), _version.c.status == VersionStatus.ACTIVE
        )
    )
    return bool(db.session.execute(select(and_(is_active, not_(waits)))).scalar_one())


MATCH = register(
    Kind(
        "match_study",
        (Step("match", _run_one),),
        needs=Permission.MATCHES_RUN,
        most_seconds=1_800.0,
    )
)
REFRESH = register(
    Kind("refresh_matches", (Step("refresh", refresh),), needs=None, most_seconds=1_800.0)
)
