"""The rules of alerts. Each is data: which records it counts, what it counts of them, and limits.

`Rule.query` is the whole SQL statement, which docs/audit.md shows. A rule counts, for each person,
within a window of time that ends at the last new record of a minute. It finds the persons with
more than the threshold.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property


class RuleName(StrEnum):
    """What a rule looks for."""

    BULK_READS = "bulk_reads"
    OWN_RECORD = "own_record"
    COLLEAGUES_RECORD = "colleagues_record"
    AFTER_HOURS = "after_hours"
    MANY_REFUSALS = "many_refusals"
    SUPPORT_ACCESS = "support_access"


@dataclass(frozen=True)
class Rule:
    """One rule, with its defaults."""

    name: RuleName
    description: str
    condition: str
    """Which records are counted: SQL of `record` and `form`."""

    threshold: int
    """There is an alert if more than this is counted."""

    window_minutes: int
    counted: str = "count(DISTINCT log.id)"
    joins: str = ""
    opens_at: dt.time | None = None
    closes_at: dt.time | None = None
    """Working hours, in the tenant's time zone; only of the rule about hours."""

    @cached_property
    def query(self) -> str:
        """The statement that finds what is above the threshold."""
        return _QUERY.format(condition=self.condition, counted=self.counted, joins=self.joins)


_QUERY = """\
WITH log AS MATERIALIZED (
  SELECT record.id, record.at, record.member_id, record.operator, record.subjects,
    coalesce(record.member_id::text, record.operator, '') AS person,
    (record.epoch, record.transaction_id) > (:from_epoch, :from_transaction) AS is_new
  FROM audit_record AS record
  JOIN audit_form AS form ON form.tenant_id = record.tenant_id AND form.id = record.form_id
  WHERE record.tenant_id = :tenant_id
    AND record.id >= :lowest_id
    AND (record.epoch, record.transaction_id) <= (:to_epoch, :to_transaction)
    AND {condition}
), ends AS (
  SELECT person, max(at) AS until
  FROM log WHERE is_new GROUP BY person, date_trunc('minute', at)
)
SELECT (array_agg(log.member_id))[1] AS member_id, (array_agg(log.operator))[1] AS operator,
  min(log.at) AS since, ends.until, {counted} AS count,
  (array_agg(log.id ORDER BY log.at DESC, log.id DESC))[1] AS record_id
FROM ends
JOIN log ON log.person = ends.person
  AND log.at > ends.until - make_interval(mins => :window_minutes) AND log.at <= ends.until
{joins}\
GROUP BY ends.person, ends.until
HAVING {counted} > :threshold
ORDER BY ends.until"""

_PATIENTS = """\
CROSS JOIN LATERAL (
  SELECT sum(difference) OVER (ORDER BY place) AS audit_number
  FROM (
    SELECT place, sum((byte & 127)::bigint << (7 * (position - first))) AS difference
    FROM (
      SELECT byte, place, position, min(position) OVER (PARTITION BY place) AS first
      FROM (
        SELECT get_byte(log.subjects, position) AS byte, position,
          count(*) FILTER (WHERE get_byte(log.subjects, position) < 128) OVER (
            ORDER BY position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS place
        FROM generate_series(0, octet_length(log.subjects) - 1) AS position
      ) AS bytes
    ) AS placed GROUP BY place
  ) AS differences
) AS named
"""
"""The audit numbers of a record: sums of differences, each of which is a varint."""

_OF_MEMBERS = (
    _PATIENTS
    + """\
JOIN patient ON patient.tenant_id = :tenant_id AND patient.audit_number = named.audit_number
JOIN member ON member.tenant_id = :tenant_id AND member.id {is_caller} log.member_id
  AND (lower(member.email) = lower(patient.email)
    OR lower(member.display_name) = lower(patient.given_name || ' ' || patient.family_name))
"""
)
_OPENED = (
    "record.member_id IS NOT NULL AND record.subjects IS NOT NULL AND form.action <> 'refuse'"
    " AND form.route LIKE '%{patient_id}%' AND form.route NOT LIKE '%/disclosures'"
)
"""Requests that name one patient. A list that happens to have the record is not counted."""

_SAW = (
    "record.member_id IS NOT NULL AND record.subjects IS NOT NULL"
    " AND form.action IN ('read', 'search', 'export')"
)
_DAY = 24 * 60

RULES: Mapping[RuleName, Rule] = {
    rule.name: rule
    for rule in (
        Rule(
            RuleName.BULK_READS,
            "One person saw many patients in a short time.",
            _SAW,
            threshold=500,
            window_minutes=60,
            counted="count(DISTINCT named.audit_number)",
            joins=_PATIENTS,
        ),
        Rule(
            RuleName.OWN_RECORD,
            "A member opened a record with the member's own email address or name.",
            _OPENED,
            threshold=0,
            window_minutes=_DAY,
            joins=_OF_MEMBERS.format(is_caller="="),
        ),
        Rule(
            RuleName.COLLEAGUES_RECORD,
            "A member opened a record with the email address or name of another member.",
            _OPENED,
            threshold=0,
            window_minutes=_DAY,
            joins=_OF_MEMBERS.format(is_caller="<>"),
        ),
        Rule(
            RuleName.AFTER_HOURS,
            "A member saw patients outside of the tenant's working hours.",
            f"{_SAW} AND NOT ((record.at AT TIME ZONE :zone)::time >= :opens_at"
            " AND (record.at AT TIME ZONE :zone)::time < :closes_at)",
            threshold=20,
            window_minutes=_DAY // 2,
            opens_at=dt.time(6),
            closes_at=dt.time(22),
        ),
        Rule(
            RuleName.MANY_REFUSALS,
            "Many requests of one person were refused.",
            "form.action = 'refuse'",
            threshold=20,
            window_minutes=15,
        ),
        Rule(
            RuleName.SUPPORT_ACCESS,
            "An operator acted in the tenant with a support grant.",
            "record.operator IS NOT NULL AND record.outcome > 0",
            threshold=0,
            window_minutes=_DAY,
        ),
    )
}
