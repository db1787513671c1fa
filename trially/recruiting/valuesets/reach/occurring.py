"""Which codes occur in the tenant's facts, found by jumping from code to code in their index."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import TextClause, text

from trially.database.placement import current_placement
from trially.database.session import db
from trially.recruiting.matching.usable import used_of
from trially.recruiting.records.choices import RecordType

MOST_CODES = 20_000
"""Codes of one type that are looked at."""

CODE = 'code COLLATE "C"'
"""A code as the indexes of first and of further codings have it."""


class Occurring(NamedTuple):
    """A code that occurs, with the system and the name that one of its facts has."""

    type: str
    code: str
    system: str | None
    display: str | None


def codes_of_facts() -> dict[str, list[str]]:
    """Return the first codes of facts by type, in their order, at most `MOST_CODES` of each."""
    return {
        kind.value: _jump(jumps("clinical_fact", CODE, used_of(kind.value))) for kind in RecordType
    }


def further_codes() -> list[str]:
    """Return the codes among further codings of records, in their order."""
    return _jump(jumps("record_coding", CODE, "true"))


def describe(kind: str, codes: Collection[str]) -> list[Occurring]:
    """Return codes of a type with the system and name of one fact each."""
    rows = db.session.execute(
        text(
            "SELECT key.code, fact.code_system, fact.display"
            " FROM unnest(CAST(:codes AS text[])) AS key (code) CROSS JOIN LATERAL ("
            f" SELECT code_system, display FROM clinical_fact WHERE tenant_id = :tenant_id"
            f" AND {used_of(RecordType(kind))} AND {CODE} = key.code LIMIT 1"
            ") AS fact"
        ),
        {"codes": list(codes), "tenant_id": current_placement().tenant_id},
    )
    return [Occurring(kind, *row) for row in rows]


def _jump(statement: TextClause) -> list[str]:
    rows: Sequence[Any] = db.session.execute(
        statement, {"tenant_id": current_placement().tenant_id, "most": MOST_CODES}
    ).all()
    return [code for (code,) in rows]


def jumps(table: str, code: str, condition: str) -> TextClause:
    """Return the statement that reads one index entry for each distinct code."""
    after = f"SELECT code FROM {table} WHERE tenant_id = :tenant_id AND {condition}"
    first = f"ORDER BY {code} LIMIT 1"
    return text(
        f"WITH RECURSIVE jump (code) AS (({after} AND code IS NOT NULL {first})"
        f" UNION ALL SELECT ({after} AND {code} > jump.code {first}) FROM jump"
        " WHERE jump.code IS NOT NULL)"
        " SELECT code FROM jump WHERE code IS NOT NULL LIMIT :most"
    )
