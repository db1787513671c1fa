"""Studies to measure: one of twenty conditions, and any number of others."""

import datetime as dt
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import insert, update
from uuid_utils.compat import uuid7

from trially.database.changes import note_written
from trially.database.placement import current_placement
from trially.database.rows import table_of
from trially.database.session import db, transaction
from trially.recruiting.criteria.language.criteria import parse_criteria
from trially.recruiting.protocols.versions.model import (
    Criterion,
    Evaluation,
    ProtocolVersion,
    VersionStatus,
)
from trially.recruiting.studies.model import Study
from trially.recruiting.study_matching.studies import MatchedStudy

Json = dict[str, Any]


def _loinc(code: str) -> Json:
    return {"codes": [f"loinc|{code}"]}


def _measured(code: str, days: int, **value: Any) -> Json:
    within = {"from": f"-P{days}D"}
    return {"observation": {"in": _loinc(code), "within": within, "value": value}}


def _condition(*codes: str, prefix: str, months: int) -> Json:
    named = {"codes": [f"sct|{code}" for code in codes], "icd10_prefix": [prefix]}
    return {"condition": {"in": named, "within": {"from": f"-P{months}M"}}}


LEAVES: Sequence[Json] = (
    {"age": {"gte": 18, "lte": 76}},
    {"sex": ["female"]},
    _condition("44054006", prefix="E11", months=120),
    _measured("4548-4", 90, gte=7, lte=10, unit="%"),
    _measured("33914-3", 180, gte=45, unit="mL/min/{1.73_m2}"),
    _measured("39156-5", 365, gte=25, lt=40, unit="kg/m2"),
    _measured("8480-6", 180, lt=160, unit="mm[Hg]"),
    _measured("38483-4", 365, lt=1.5, unit="mg/dL"),
    _measured("1742-6", 365, lt=100, unit="U/L"),
    _measured("718-7", 180, gte=10, unit="g/dL"),
    {
        "observation": {
            "in": _loinc("8480-6"),
            "pick": "any",
            "min_count": 2,
            "within": {"from": "-P365D"},
            "value": {"gte": 140, "unit": "mm[Hg]"},
        }
    },
    {"medication": {"in": {"codes": ["rxnorm|860975"]}, "status": "active", "min_days": 90}},
    {"medication": {"in": {"codes": ["rxnorm|106892"]}, "status": "active", "min_days": 30}},
    {"procedure": {"in": {"codes": ["sct|232717009"]}, "within": {"from": "-P60M"}}},
    _condition("59621000", "38341003", prefix="I10", months=110),
    _condition("55822004", prefix="E78", months=100),
    _condition("254837009", "126906006", prefix="C", months=60),
    _condition("53741008", "49436004", prefix="I2", months=90),
    {"pregnancy": {"in": {"codes": ["sct|72892002"]}, "within": {"from": "-P9M"}}},
    {"encounter": {"class": ["inpatient"], "within": {"from": "-P30D"}}},
)
"""The conditions of the study that is measured alone: some read 14 % of the patients, some all."""

OTHER_SELECTORS: Sequence[Json] = (
    *(
        {"observation": {"in": _loinc(code), "within": {"from": "-P400D"}}}
        for code in (
            *("8462-4", "29463-7", "8302-2", "2339-0", "6299-2", "2093-3", "2571-8", "18262-6"),
            *("2085-9", "2947-0", "6298-4", "2069-3", "20565-8", "49765-1", "72514-3", "787-2"),
        )
    ),
    *(
        {"condition": {"in": {"codes": [f"sct|{code}"]}, "within": {"from": "-P50M"}}}
        for code in ("444814009", "195662009", "10509002", "162864005", "15777000", "271737000")
    ),
    *(
        {"procedure": {"in": {"codes": [f"sct|{code}"]}, "within": {"from": "-P50M"}}}
        for code in ("430193006", "428191000124101", "73761001", "76601001", "117015009")
    ),
)
"""Conditions whose selectors the measured study lacks."""

OF_ALL_TIME: Json = {
    "observation": {
        "in": _loinc("8480-6"),
        "pick": "any",
        "min_count": 2,
        "value": {"gte": 140, "unit": "mm[Hg]"},
    }
}
"""A condition about all values of a frequent code, whose frame is too large to be kept."""

EVERYONE: Json = {"any": [{"age": {"gte": 0}}, {"not": {"age": {"gte": 0}}}]}


def make_study(leaves: Sequence[Json], study_id: UUID | None = None) -> MatchedStudy:
    """Return a study whose first half of conditions are inclusions, and the rest exclusions."""
    return MatchedStudy(study_id or uuid7(), uuid7(), parse_criteria(_criteria(leaves)))


def _criteria(leaves: Sequence[Json]) -> Json:
    half = len(leaves) // 2
    return {
        "schema": 1,
        "criteria": [
            {
                "id": f"c{number}",
                "kind": "inclusion" if number < half else "exclusion",
                "expression": leaf,
            }
            for number, leaf in enumerate(leaves)
        ],
    }


def vary(leaf: Json, number: int) -> Json:
    """Return a condition with other bounds and another window. The number says how much."""
    [(kind, content)] = leaf.items()
    if not isinstance(content, dict):
        return leaf
    changed = dict(content)
    if kind == "age":
        changed = {"gte": 18 + number % 20, "lte": 60 + number // 20}
    if "within" in changed:
        first = changed["within"]["from"]
        changed["within"] = {"from": f"-P{int(first[2:-1]) + number + 1}{first[-1]}"}
    if "min_days" in changed:
        changed["min_days"] += number + 1
    if "value" in changed:
        changed["value"] = {
            name: round(bound * (1 + number / 1_000), 3) if name != "unit" else bound
            for name, bound in changed["value"].items()
        }
    return {kind: changed}


@cache
def other_studies(count: int) -> Sequence[Sequence[Json]]:
    """Return the conditions of other studies. Nearly all of them are different."""
    pool = [*LEAVES, *OTHER_SELECTORS]
    return [
        [vary(pool[(number * 7 + place) % len(pool)], number) for place in range(len(LEAVES))]
        for number in range(count)
    ]


def store_studies(all_leaves: Sequence[Sequence[Json]]) -> list[MatchedStudy]:
    """Store studies with active versions in the current tenant, and return them."""
    return [_store(leaves) for leaves in all_leaves]


def _store(leaves: Sequence[Json]) -> MatchedStudy:
    study = make_study(leaves)
    tenant_id = current_placement().tenant_id
    with transaction():
        db.session.execute(
            insert(Study).values(
                tenant_id=tenant_id,
                id=study.study_id,
                protocol_number=str(study.study_id),
                title="A study that is measured",
            )
        )
        db.session.execute(
            insert(ProtocolVersion).values(
                tenant_id=tenant_id,
                id=study.version_id,
                study_id=study.study_id,
                number=1,
                criteria_hash="0" * 64,
            )
        )
        db.session.execute(insert(Criterion), list(_rows(study, leaves)))
        version = table_of(ProtocolVersion)
        db.session.execute(
            update(version)
            .where(version.c.tenant_id == tenant_id, version.c.id == study.version_id)
            .values(status=VersionStatus.ACTIVE, approved_at=dt.datetime.now(dt.UTC))
        )
        note_written("study", "protocol_version", "criterion", patients=())
    return study


def _rows(study: MatchedStudy, leaves: Sequence[Json]) -> Iterator[Json]:
    for position, each in enumerate(_criteria(leaves)["criteria"]):
        yield {
            "tenant_id": current_placement().tenant_id,
            "id": uuid7(),
            "protocol_version_id": study.version_id,
            "key": uuid7(),
            "position": position,
            "kind": each["kind"],
            "statement": each["id"],
            "evaluation": Evaluation.EXPRESSED,
            "expression": each["expression"],
        }
