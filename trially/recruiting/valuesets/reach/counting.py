"""Count facts and patients by codes, from the indexes of facts, and never more than a bound."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text

from trially.database.placement import current_placement
from trially.database.session import db
from trially.recruiting.matching.usable import USED, used_of
from trially.recruiting.records.choices import RecordType
from trially.recruiting.valuesets.reach.occurring import CODE
from trially.resources.scope import own_sites

MOST_FACTS = 500_000
"""Facts that are counted for one value set, and for all codes that it may lack."""

_SEPARATOR = "\n"
"""Separates systems. No URL of a system contains it."""


class Key(NamedTuple):
    """A code that occurs, and the systems of which a value set has it."""

    type: str
    code: str
    systems: tuple[str, ...] = ()


class Count(NamedTuple):
    """How many facts have a code, of how many patients."""

    type: str
    system: str | None
    code: str
    is_member: bool
    facts: int
    patients: int


@dataclass(frozen=True)
class Counts:
    """Facts and patients of a value set, and of each code."""

    facts: int
    patients: int
    codes: Sequence[Count]
    is_complete: bool
    """False if there are more facts than were counted, so that all numbers are lower bounds."""


def count(keys: Sequence[Key], further: Sequence[Key] = ()) -> Counts:
    """Count the facts with these codes.

    `further` are codes of further codings: a fact that has one counts once, and only if its first
    coding is no member. Members restricted to sites count the facts of these sites' patients.
    """
    branches = [_of_type(kind) for kind in sorted({key.type for key in keys})]
    if further:
        branches.append(_OF_FURTHER_CODINGS)
    if not branches:
        return Counts(0, 0, (), is_complete=True)
    sites = own_sites()
    rows = db.session.execute(
        text(
            f"WITH key AS MATERIALIZED ({_unnest('')}), further AS MATERIALIZED"
            f" ({_unnest('further_')}), hit AS MATERIALIZED ("
            f"SELECT * FROM ({' UNION ALL '.join(branches)}) AS every_hit"
            f" {_OF_SITES if sites is not None else ''} LIMIT :most)"
            " SELECT type, code_system, code, is_member, count(*) AS facts,"
            " count(DISTINCT patient_id) AS patients, GROUPING(code) AS is_total FROM hit"
            " GROUP BY GROUPING SETS ((is_member), (type, code_system, code, is_member))"
        ),
        {
            "tenant_id": current_placement().tenant_id,
            "most": MOST_FACTS,
            **_arrays("", keys),
            **_arrays("further_", further),
            **_site_parameters(sites),
        },
    ).all()
    totals = {bool(row.is_member): row for row in rows if row.is_total}
    codes = [
        Count(row.type, row.code_system, row.code, bool(row.is_member), row.facts, row.patients)
        for row in rows
        if not row.is_total
    ]
    members = totals.get(True)
    counted = sum(row.facts for row in totals.values())
    return Counts(
        facts=members.facts if members else 0,
        patients=members.patients if members else 0,
        codes=codes,
        is_complete=counted < MOST_FACTS,
    )


def _of_type(kind: str) -> str:
    """Return the statement of the facts of a type. OFFSET keeps it from becoming a scan of all.

    The type is a constant, because partial indexes are about one type.
    """
    return (
        "SELECT key.type, fact.code_system, key.code, fact.patient_id,"
        " coalesce(fact.code_system = ANY(key.systems), false) AS is_member"
        " FROM key CROSS JOIN LATERAL ("
        "SELECT code_system, patient_id FROM clinical_fact WHERE tenant_id = :tenant_id"
        f" AND {used_of(RecordType(kind))} AND {CODE} = key.code OFFSET 0"
        f") AS fact WHERE key.type = '{RecordType(kind).value}'"
    )


_OF_FURTHER_CODINGS = (
    "SELECT type, code_system, code, patient_id, true AS is_member FROM ("
    "SELECT DISTINCT ON (fact.id) fact.id, fact.type, coding.system AS code_system,"
    " further.code, fact.patient_id FROM further CROSS JOIN LATERAL ("
    "SELECT record_id, system FROM record_coding WHERE tenant_id = :tenant_id"
    f" AND {CODE} = further.code AND system = ANY(further.systems) OFFSET 0"
    ") AS coding CROSS JOIN LATERAL ("
    "SELECT id, type, code_system, code, patient_id FROM clinical_fact"
    f" WHERE tenant_id = :tenant_id AND id = coding.record_id AND {USED}"
    ") AS fact WHERE NOT EXISTS ("
    "SELECT 1 FROM key WHERE key.type = fact.type AND key.code = fact.code"
    " AND fact.code_system = ANY(key.systems))"
    " ORDER BY fact.id) AS by_further_coding"
)

_OF_SITES = (
    "WHERE EXISTS (SELECT 1 FROM patient WHERE patient.tenant_id = :tenant_id"
    " AND patient.id = every_hit.patient_id AND patient.site_id = ANY(CAST(:sites AS uuid[])))"
)


def _unnest(name: str) -> str:
    return (
        f"SELECT type, code, string_to_array(systems, E'\\n') AS systems"
        f" FROM unnest(CAST(:{name}types AS text[]), CAST(:{name}codes AS text[]),"
        f" CAST(:{name}systems AS text[])) AS every_{name}key (type, code, systems)"
    )


def _arrays(name: str, keys: Iterable[Key]) -> Mapping[str, Any]:
    listed = list(keys)
    return {
        f"{name}types": [key.type for key in listed],
        f"{name}codes": [key.code for key in listed],
        f"{name}systems": [_SEPARATOR.join(key.systems) for key in listed],
    }


def _site_parameters(sites: Iterable[UUID] | None) -> Mapping[str, Any]:
    return {} if sites is None else {"sites": [str(site) for site in sites]}
