"""SQL of what a record shows: when it happened, on which local day, and its value."""

from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Date,
    Text,
    and_,
    case,
    cast,
    exists,
    extract,
    func,
    literal,
    null,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import INTERVAL, JSONPATH

from trially.database.rows import table_of
from trially.recruiting.records.choices import ListedWithdrawn
from trially.recruiting.records.model import ClinicalFact, RecordCoding

columns = table_of(ClinicalFact).c

_SEPARATOR = "\n"
"""Separates system and code. Query parameters cannot contain it."""
_CATEGORIES = "$.categories[*].*"
"""The codes, displays and texts of a record's categories, if it has more than one code."""

_coding = table_of(RecordCoding).c

_IS_USABLE = columns.date_problem.is_(None)

AT = case((_IS_USABLE, func.coalesce(columns.start_at, columns.recorded_at)), else_=null())
"""When the event happened, or was recorded. Null if its source gives neither, or both are wrong."""

DATED_BY = case(
    (columns.date_problem.is_not(None), null()),
    (columns.start_at.is_not(None), literal("occurrence")),
    (columns.recorded_at.is_not(None), literal("recording")),
    else_=null(),
)

ORDER = func.coalesce(extract("epoch", AT), literal(-1e12))
"""`AT` in seconds since 1970, and an earlier time than any for an unknown one: never null."""


def local_day(at: ColumnElement[Any], offset: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the day of an instant where its source is."""
    minutes = cast(func.concat(func.coalesce(offset, 0), " minutes"), INTERVAL)
    return cast(func.timezone("UTC", at) + minutes, Date)


AT_ON = local_day(
    AT,
    case((columns.start_at.is_not(None), columns.start_offset), else_=columns.recorded_offset),
)
START_ON = local_day(columns.start_at, columns.start_offset)
END_ON = local_day(columns.end_at, columns.end_offset)
UNTIL = case((_IS_USABLE, columns.end_at), else_=null())
"""When the event ended. Null if it is unknown, or if the dates cannot be right."""
UNTIL_ON = case((_IS_USABLE, END_ON), else_=null())

VALUE_DECIMAL = cast(columns.value_number, Text)
_MEASURED = func.concat(
    columns.comparator,
    cast(func.trim_scale(columns.value_number), Text),
    literal(" ").concat(columns.unit),
)
_STATED = func.coalesce(columns.value_text, columns.value_code)
VALUE = case((columns.value_number.is_not(None), _MEASURED), else_=_STATED)
HAS_FOCUS = columns.focus.is_not(None)
STATUS = func.coalesce(columns.clinical_status, columns.status)


def has_code(code: BindParameter[Any]) -> ColumnElement[bool]:
    """Return the condition of records that have a code among all their codings."""
    return or_(columns.code == code, _has_coding(_coding.code == code))


def has_system(system: BindParameter[Any]) -> ColumnElement[bool]:
    """Return the condition of records that have a code of a system."""
    return or_(columns.code_system == system, _has_coding(_coding.system == system))


def has_coding(coding: BindParameter[Any]) -> ColumnElement[bool]:
    """Return the condition of records that have a code of a system: `join_coding` of both."""
    system = func.split_part(coding, _SEPARATOR, 1)
    code = func.split_part(coding, _SEPARATOR, 2)
    return or_(
        and_(columns.code == code, columns.code_system == system),
        _has_coding(and_(_coding.code == code, _coding.system == system)),
    )


def join_coding(system: str, code: str) -> str:
    """Return the parameter of `has_coding`."""
    return f"{system}{_SEPARATOR}{code}"


def has_status(status: BindParameter[Any]) -> ColumnElement[bool]:
    """Return the condition of records that have a status or a clinical status."""
    return or_(columns.status == status, columns.clinical_status == status)


def has_category(category: BindParameter[Any]) -> ColumnElement[bool]:
    """Return the condition of records that have a category. Further ones are in `details`."""
    words = func.jsonb_path_query_array(columns.details, cast(_CATEGORIES, JSONPATH))
    return or_(columns.category == category, words.op("?", is_comparison=True)(category))


def is_since(day: BindParameter[Any]) -> ColumnElement[bool]:
    """Return the condition of records that are dated on a day or later."""
    return day <= AT_ON


def is_until(day: BindParameter[Any]) -> ColumnElement[bool]:
    """Return the condition of records that are dated on a day or earlier."""
    return day >= AT_ON


def has_focus(flag: BindParameter[Any]) -> ColumnElement[bool]:
    """Return the condition of records that are, or are not, about somebody else."""
    return flag == HAS_FOCUS


def is_listed(withdrawn: BindParameter[Any]) -> ColumnElement[bool]:
    """Return the condition of records that a `ListedWithdrawn` asks for."""
    is_withdrawn = columns.withdrawn_at.is_not(None)
    return or_(
        withdrawn == ListedWithdrawn.ALL.value,
        is_withdrawn == (withdrawn == ListedWithdrawn.WITHDRAWN.value),
    )


def _has_coding(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return and_(
        columns.other_codings.is_not(None),
        exists(
            select(1).where(
                _coding.tenant_id == columns.tenant_id,
                _coding.record_id == columns.id,
                condition,
            )
        ),
    )
