"""SQL of what a selector reads, as packed rows of all patients or of some."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.facts import Fact
from trially.recruiting.criteria.rows import CLASS_OF
from trially.recruiting.criteria.selectors import Keeps, Selector
from trially.recruiting.matching.code_conditions import branches_of, codes_of
from trially.recruiting.matching.model import IS_NUMBERED
from trially.recruiting.matching.narrowing import Narrowing
from trially.recruiting.matching.packed_rows import row_type
from trially.recruiting.matching.sql_dates import IS_ROUGH, UTC_DAY
from trially.recruiting.matching.usable import OBSERVATION, used_of
from trially.recruiting.matching.vocabulary import Vocabulary, number_of_unit

RECORD = row_type(
    {
        "ordinal": "i4",
        "day": "i4",
        "at": "i8",
        "end": "i4",
        "state": "i2",
        "group": "i2",
        "value": "f8",
        "unit": "i2",
        "code": "i2",
        "answer": "i2",
        "hard": "i2",
    }
)
"""A record whose dates are known to the day. `at` is its time if it is known, else `NO_TIME`.

`end` is the last day, or 0. `state` is 1 if its status says that it goes on, -1 if not, else 0; of
an observation it is the number of its comparator in `COMPARATORS`, from 1, or 0.
`group` is the number of an encounter's class, `unit` of its unit, `code` of its code and `answer`
of its coded value, each from 1 in a list; 0 is none, and -1 one that is not in the list. `hard` is
1 if the record needs all its columns to be judged: roughly dated, unconfirmed, refuted, or with
the code among its further codings.
"""

COMPARATORS = ("<", "<=", ">=", ">")

CLASSES = sorted(set(CLASS_OF.values()))

_BEGUN = ("active", "recurrence", "relapse", "in-progress")
_OVER = (
    *("inactive", "remission", "resolved"),
    *("completed", "stopped", "discontinued", "superseded"),
)

_MEASURED_COLUMNS = (
    "fact.patient_id, fact.code, start_at, start_precision, value_number, unit, comparator,"
    " value_code_system, value_code, verification_status"
)
_CODED_COLUMNS = (
    "fact.patient_id, fact.code, start_at, start_precision, end_at, end_precision, category,"
    " status, clinical_status, verification_status, source_type"
)

# The statement runs in the tenant's time zone.
_DAY = f"""(CASE WHEN {{0}}_precision = 'instant' THEN {{0}}_at::date
    ELSE {UTC_DAY} END - DATE '0001-01-01' + 1)"""
_PACKED = f"""
SELECT subject.ordinal,
    coalesce({_DAY.format("start")}, 0),
    CASE WHEN start_precision = 'instant' THEN start_at ELSE '-infinity' END,
    {{columns}},
    (is_other OR start_at IS NULL OR {IS_ROUGH.format("start")} OR {{hard}})::int::int2
FROM ({{facts}}) AS fact
JOIN match_subject AS subject ON subject.tenant_id = %(tenant_id)s
    AND subject.patient_id = fact.patient_id AND {IS_NUMBERED}
{{kept}}
"""

_VALUE = "(coalesce(value_code_system, '') || '|' || value_code)"
_STATUS = "(CASE WHEN {0} = ANY (%(begun)s) THEN 1 WHEN {0} = ANY (%(over)s) THEN -1 ELSE 0 END)"
_OF_MEASURED = {
    "state": "CASE WHEN comparator IS NULL THEN 0"
    " ELSE coalesce(array_position(%(comparators)s::text[], comparator::text), 0) END",
    "value": "coalesce(value_number::float8, 'NaN')",
    "unit": "",  # depends on the vocabulary: `number_of_unit`
    "code": "coalesce(array_position(%(codes)s::text[], fact.code::text), 0)",
    "answer": "CASE WHEN value_code IS NULL THEN 0"
    f" ELSE coalesce(array_position(%(values)s::text[], {_VALUE}), -1) END",
}
_OF_CODED = {
    "end": f"coalesce({_DAY.format('end')}, 0)",
    "state": _STATUS.format("clinical_status"),
}
_OF_TYPE = {
    OBSERVATION: _OF_MEASURED,
    "medication": _OF_CODED
    | {
        # A dispense that is completed says nothing about when the last tablet is taken.
        "state": "CASE WHEN source_type = 'MedicationDispense' THEN 0"
        f" ELSE {_STATUS.format('status')} END"
    },
    "encounter": _OF_CODED | {"group": "coalesce((%(class_of)s::jsonb ->> category)::int, 0)"},
}
_HARD_MEASURED = (
    "verification_status IS NOT NULL"
    " OR (comparator IS NOT NULL AND comparator <> ALL (%(comparators)s::text[]))"
)
_HARD_CODED = f"""(end_at IS NOT NULL AND {IS_ROUGH.format("end")})
    OR (verification_status IS NOT NULL AND verification_status <> 'confirmed')"""

_FACTS = """
SELECT {columns}, {is_other} AS is_other FROM clinical_fact AS fact{join}
WHERE fact.tenant_id = %(tenant_id)s AND {used} AND {codes}{narrowed}{patients}
"""
_JOIN_CODING = """
JOIN record_coding AS coding ON coding.tenant_id = fact.tenant_id AND coding.record_id = fact.id"""
_OF_PATIENTS = "\nAND fact.patient_id = ANY (%(patients)s::uuid[])"

# The latest that has surely begun by `as_of`, and all that may be as late: a day begins up to a day
# earlier or later in another zone. What may begin later than `as_of` stays, so that the rows serve
# later days too. The rows come from the latest to the earliest: of one that is not earlier than the
# latest, `latest_at` may be null.
_LATEST = f"""
SELECT *, max(start_at) FILTER (
        WHERE start_at <= %(begun_by)s AND NOT {IS_ROUGH.format("start")}
    ) OVER (PARTITION BY patient_id ORDER BY start_at DESC ROWS UNBOUNDED PRECEDING) AS latest_at
FROM ({{facts}}) AS fact
"""
_IS_LATEST = f"""WHERE start_at IS NULL OR {IS_ROUGH.format("start")} OR latest_at IS NULL
    OR start_at > least(latest_at - interval '3 days', %(begun_by)s)"""

MOST_WORDS = 1_000

_WORDS = f"""
SELECT DISTINCT unit, CASE WHEN value_code IS NOT NULL THEN {_VALUE} END FROM ({{facts}}) AS fact
WHERE (unit IS NOT NULL AND unit <> ALL (%(units)s::text[]))
OR (value_code IS NOT NULL AND {_VALUE} <> ALL (%(values)s::text[])) LIMIT {MOST_WORDS}
"""

_WHOLE = f"""
SELECT fact.patient_id, {", ".join(f"whole.{name}" for name in Fact._fields)}
FROM ({{facts}}) AS fact JOIN clinical_fact AS whole
    ON whole.tenant_id = %(tenant_id)s AND whole.ctid = fact.row_at
ORDER BY fact.patient_id
"""
# By its place, a row is read once. By its id, an index of all ids would be read too.

_MARGIN = dt.timedelta(days=2)

_SQL_TYPES = {"<i2": "int2", "<i4": "int4", "<i8": "timestamptz", "<f8": "float8"}


@dataclass(frozen=True)
class Query:
    """A statement whose rows are `RECORD`s, and its parameters. It runs in the tenant's zone."""

    statement: str
    parameters: Mapping[str, Any]
    names: Sequence[str]
    """The columns of the statement. The others of `RECORD` are 0."""
    words: str
    """A statement for pairs of a unit and a coded value, of which the vocabulary lacks one."""


def has_other_codings(selector: Selector, tenant_id: UUID) -> Query:
    """Compose a query for whether records have the codes among their further codings."""
    found = [branch for branch in branches_of(selector) if branch.is_other]
    exists = " OR ".join(
        f"EXISTS (SELECT FROM record_coding AS coding WHERE tenant_id = %(tenant_id)s"
        f" AND {branch.condition})"
        for branch in found
    )
    parameters: dict[str, Any] = {"tenant_id": str(tenant_id)}
    for branch in found:
        parameters |= branch.parameters
    return Query(f"SELECT {exists or 'false'}", parameters, (), "")


def compose(
    selector: Selector,
    moment: Moment,
    vocabulary: Vocabulary,
    tenant_id: UUID,
    patients: Sequence[UUID] | None = None,
    *,
    narrowing: Narrowing,
    other_codings: bool,
) -> Query:
    """Compose the query for the records of all patients, or of some.

    Without `other_codings`, records are found by their first coding alone.
    """
    assert selector.type is not None  # noqa: S101
    is_measured = selector.type == OBSERVATION
    branches = [each for each in branches_of(selector) if other_codings or not each.is_other]
    facts = "UNION ALL".join(
        _FACTS.format(
            columns=_MEASURED_COLUMNS if is_measured else _CODED_COLUMNS,
            is_other=branch.is_other,
            join=_JOIN_CODING if branch.is_other else "",
            used=used_of(selector.type),
            codes=branch.condition,
            narrowed=narrowing.condition(),
            patients="" if patients is None else _OF_PATIENTS,
        )
        for branch in branches
    )
    kept = ""
    if selector.keeps == Keeps.LATEST:
        facts, kept = _LATEST.format(facts=facts), _IS_LATEST
    parameters: dict[str, Any] = {
        "tenant_id": str(tenant_id),
        "codes": codes_of(selector),
        "units": vocabulary.units,
        "values": vocabulary.values,
        "comparators": list(COMPARATORS),
        "begun": list(_BEGUN),
        "over": list(_OVER),
        "begun_by": moment.at - _MARGIN,
        "class_of": _CLASS_NUMBERS,
        "patients": [str(each) for each in patients or ()],
        **narrowing.parameters(),
    }
    for branch in branches:
        parameters |= branch.parameters
    columns = dict(_OF_TYPE.get(selector.type, _OF_CODED))
    if is_measured:
        columns["unit"], words = number_of_unit(vocabulary.units)
        parameters |= words
    names = [name for name in RECORD.names or () if name in columns]
    packed = _PACKED.format(
        facts=facts,
        kept=kept,
        columns=", ".join(f"({columns[name]})::{_SQL_TYPES[RECORD[name].str]}" for name in names),
        hard=_HARD_MEASURED if is_measured else _HARD_CODED,
    )
    return Query(
        packed,
        parameters,
        ("ordinal", "day", "at", *names, "hard"),
        _WORDS.format(facts=facts) if is_measured else "",
    )


def compose_facts(
    selector: Selector, moment: Moment, tenant_id: UUID, patients: Sequence[UUID]
) -> Query:
    """Compose the query for all columns of the records of some patients that can decide a leaf."""
    assert selector.type is not None  # noqa: S101
    branches = list(branches_of(selector))
    facts = "UNION".join(
        _FACTS.format(
            columns="fact.patient_id, fact.ctid AS row_at, start_at, start_precision",
            is_other="false",
            join=_JOIN_CODING if branch.is_other else "",
            used=used_of(selector.type),
            codes=branch.condition,
            narrowed="",
            patients=_OF_PATIENTS,
        )
        for branch in branches
    )
    if selector.keeps == Keeps.LATEST:
        facts = f"SELECT * FROM ({_LATEST.format(facts=facts)}) AS fact {_IS_LATEST}"
    parameters: dict[str, Any] = {
        "tenant_id": str(tenant_id),
        "patients": [str(each) for each in patients],
        "begun_by": moment.at - _MARGIN,
    }
    for branch in branches:
        parameters |= branch.parameters
    return Query(_WHOLE.format(facts=facts), parameters, (), "")


_CLASS_NUMBERS = orjson.dumps(
    {word: CLASSES.index(name) + 1 for word, name in CLASS_OF.items()}
).decode()
