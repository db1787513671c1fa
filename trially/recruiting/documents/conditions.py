"""The conditions by which lists of documents are filtered and ranked."""

from typing import Any

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    FromClause,
    Integer,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal_column,
    not_,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from trially.database.rows import table_of
from trially.recruiting.documents.model import Document, DocumentPage
from trially.recruiting.patients.model import Patient
from trially.recruiting.records.choices import ListedWithdrawn

columns = table_of(Document).c
_pages = table_of(DocumentPage).c
_patients = table_of(Patient).c

KNOWN_DATE = func.coalesce(
    case((columns.date_problem.is_(None), columns.at)),
    literal_column("'0001-01-01 00:00:00+00'::timestamptz"),
)
"""The document's date. One that is unknown or cannot be right comes last in descending order."""

_LENGTH_COUNTS_LITTLE = 1
"""ts_rank divides by 1 + the logarithm of the document's length."""

RANK = cast(
    1_000_000
    * func.ts_rank(
        columns.search,
        cast(bindparam("filter_q"), TSQUERY),
        literal_column(str(_LENGTH_COUNTS_LITTLE)),
    ),
    Integer,
)
"""How well the document matches the filter `q`. An integer, so that cursors can hold it exactly."""


def matches(query: BindParameter[Any]) -> ColumnElement[bool]:
    """Return the condition of documents that match a tsquery."""
    return columns.search.op("@@", is_comparison=True)(cast(query, TSQUERY))


def has_phrases(queries: BindParameter[Any]) -> ColumnElement[bool]:
    """Return the condition of documents in which each of these phrases occurs."""
    phrase = _phrases_of(queries)
    return not_(_any(phrase, not_(_has(phrase.c.query))))


def lacks_phrases(queries: BindParameter[Any]) -> ColumnElement[bool]:
    """Return the condition of documents in which none of these phrases occurs."""
    phrase = _phrases_of(queries)
    return not_(_any(phrase, _has(phrase.c.query)))


def has_type(code: BindParameter[Any]) -> ColumnElement[bool]:
    """Return the condition of documents whose type has this code, in any coding."""
    coding = func.jsonb_build_array(
        func.jsonb_build_object("code", cast(code, columns.type_code.type))
    )
    return or_(columns.type_code == code, columns.other_codings.contains(coding))


def is_listed(withdrawn: BindParameter[Any]) -> ColumnElement[bool]:
    """Return the condition of documents that a `ListedWithdrawn` asks for."""
    is_withdrawn = columns.withdrawn_at.is_not(None)
    return or_(
        withdrawn == ListedWithdrawn.ALL.value,
        is_withdrawn == (withdrawn == ListedWithdrawn.WITHDRAWN.value),
    )


def has_site(site_id: BindParameter[Any]) -> ColumnElement[bool]:
    """Return the condition of documents about patients of a site."""
    return _is_of_patient(_patients.site_id == site_id)


def is_patient_in_use(flag: BindParameter[Any]) -> ColumnElement[bool]:
    """Return the condition of documents about patients who are not withdrawn, or who are."""
    return _is_of_patient(_patients.withdrawn_at.is_(None)) == flag


def _is_of_patient(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return _any(
        table_of(Patient),
        _patients.tenant_id == columns.tenant_id,
        _patients.id == columns.patient_id,
        condition,
    )


def _phrases_of(queries: BindParameter[Any]) -> Any:
    return (
        func.unnest(cast(queries, ARRAY(TSQUERY)))
        .table_valued("query", name="phrase")
        .render_derived()
    )


def _any(table: FromClause, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return whether a row meets the conditions. All other tables are those of the outer query."""
    return exists(select(1).select_from(table).where(*conditions).correlate_except(table))


def _has(query: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return whether a phrase is in the title, or on a page."""
    on_page = _any(
        table_of(DocumentPage),
        _pages.tenant_id == columns.tenant_id,
        _pages.document_id == columns.id,
        _pages.search.op("@@", is_comparison=True)(query),
    )
    return or_(columns.search.op("@@", is_comparison=True)(query), on_page)
