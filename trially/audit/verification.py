"""Verify the audit log of a tenant: records, seals, forms, and the years that retention removed."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, text

from trially.audit.forms import Action, Form, Purpose
from trially.audit.indexing import first_wrong_index
from trially.audit.model import AuditForm, AuditPruning, AuditSeal
from trially.audit.tenant_log import tenant_connection, tenant_log
from trially.audit.witnesses import Witness
from trially.config import current_settings
from trially.database.placement import current_placement
from trially.database.session import db
from trially.seals import Fault, Log, Verdict, period_of, verify


@dataclass(frozen=True)
class Pruning:
    """A year whose records were removed, and by which operation."""

    year: int
    record_id: UUID
    operator: str
    pruned_at: dt.datetime

    @property
    def is_early(self) -> bool:
        """Whether the retention time of the year had not ended."""
        return self.year >= self.pruned_at.year - current_settings().audit_retention_years


@dataclass(frozen=True)
class TenantVerdict:
    """The result for one tenant's log."""

    verdict: Verdict
    prunings: Sequence[Pruning]
    problems: Sequence[str]
    """Sentences about forms, removed years and the index of patients."""

    witnessed: int | None
    """The number of the last seal that every witness has; None without witnesses."""

    @property
    def is_intact(self) -> bool:
        """Whether nothing is wrong."""
        return self.verdict.is_intact and not self.problems

    @property
    def fault(self) -> Fault | None:
        """The first fault of the seals and records."""
        return self.verdict.fault


def verify_log(
    hashes: Sequence[Mapping[int, bytes]] = (),
    *,
    checks_index: bool = False,
    report: Callable[[int], None] = lambda _: None,
) -> TenantVerdict:
    """Verify the log of the current tenant.

    `hashes` are those that each witness has, by the number of the seal. `report` is called with
    the count of each seal that was compared.
    """
    prunings, problems = _read_prunings()
    merged, contradictions = merge_hashes(hashes)
    log = tenant_log()
    verdict = verify(
        tenant_connection(),
        log,
        pruned_years={each.year for each in prunings},
        hashes=merged,
        report=report,
    )
    problems += contradictions + _wrong_forms()
    if checks_index and (wrong := first_wrong_index(tenant_connection(), log)):
        problems.append(wrong)
    return TenantVerdict(verdict, prunings, problems, last_witnessed(hashes))


def witnessed_hashes(witnesses: Sequence[Witness], log: Log) -> list[dict[int, bytes]]:
    """Return the hashes that each witness has of a log, by the number of the seal."""
    return [{entry.number: entry.hash for entry in each.entries(log.name)} for each in witnesses]


def count_sealed() -> int:
    """Return the number of sealed records of the current tenant."""
    mine = AuditSeal.tenant_id == current_placement().tenant_id
    return int(db.session.scalar(select(func.sum(AuditSeal.count)).where(mine)) or 0)


def last_witnessed(hashes: Sequence[Mapping[int, bytes]]) -> int | None:
    """Return the number of the last seal that each witness has; None without witnesses."""
    return min((max(each, default=0) for each in hashes), default=None)


def merge_hashes(hashes: Sequence[Mapping[int, bytes]]) -> tuple[dict[int, bytes], list[str]]:
    """Return the hashes of all witnesses, and sentences about those that differ."""
    merged: dict[int, bytes] = {}
    problems = []
    for witness in hashes:
        for number, digest in witness.items():
            if merged.setdefault(number, digest) != digest:
                problems.append(f"Two witnesses have different hashes of the seal {number}.")
                break
    return merged, problems


def _wrong_forms() -> list[str]:
    """Return sentences about forms that were changed, and about records whose form is missing."""
    tenant_id = current_placement().tenant_id
    forms = db.session.scalars(select(AuditForm).where(AuditForm.tenant_id == tenant_id))
    problems = [
        f"The form {form.id} was changed. Its id is a digest of its content."
        for form in forms
        if _id_of(form) != form.id
    ]
    missing = db.session.execute(_MISSING_FORM, {"tenant_id": tenant_id}).first()
    if missing is not None:
        problems.append(f"The form {missing.form_id} of the record {missing.id} is missing.")
    return problems


_MISSING_FORM = text(
    "SELECT id, form_id FROM audit_record WHERE tenant_id = :tenant_id AND NOT EXISTS ("
    "SELECT FROM audit_form WHERE audit_form.tenant_id = audit_record.tenant_id"
    " AND audit_form.id = audit_record.form_id) LIMIT 1"
)


def _id_of(form: AuditForm) -> UUID | None:
    """Return the id that the content of a form has; None if it cannot be a form."""
    try:
        action, purpose = Action(form.action), Purpose(form.purpose)
    except ValueError:
        return None
    return Form(form.route, action, purpose, form.phi_level, tuple(form.fields)).id


def _read_prunings() -> tuple[list[Pruning], list[str]]:
    """Return the years whose removal is recorded, and sentences about those that are in doubt."""
    tenant_id = current_placement().tenant_id
    rows = [
        Pruning(row.year, row.record_id, row.operator, row.pruned_at)
        for row in db.session.scalars(
            select(AuditPruning)
            .where(AuditPruning.tenant_id == tenant_id)
            .order_by(AuditPruning.year)
        )
    ]
    years = {each.year for each in rows}
    recorded = {
        (row.id, row.year) for row in db.session.execute(_RECORDED, {"tenant_id": tenant_id})
    }
    prunings, problems = [], []
    for each in rows:
        was_pruned_too = period_of((str(each.record_id),)) in years
        if not was_pruned_too and (each.record_id, each.year) not in recorded:
            problems.append(
                f"The records of {each.year} are said to be removed by the operation"
                f" {each.record_id}, but no such operation is recorded."
            )
        elif each.is_early:
            problems.append(
                f"The records of {each.year} were removed before their retention time had ended."
            )
        else:
            prunings.append(each)
    return prunings, problems


_RECORDED = text(
    "SELECT audit_record.id, pruned.year::int FROM audit_pruning JOIN audit_record"
    " USING (tenant_id) CROSS JOIN jsonb_array_elements_text("
    "CASE jsonb_typeof(details->'pruned_years') WHEN 'array' THEN details->'pruned_years'"
    " ELSE '[]' END) AS pruned (year)"
    " WHERE tenant_id = :tenant_id AND audit_record.id = audit_pruning.record_id"
)
