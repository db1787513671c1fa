"""Search patients by what somebody typed, best matches first."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, false

from trially.database.rows import table_of
from trially.http.masking import refuse_masked
from trially.http.pages import Page, make_page, read_cursor
from trially.http.problems import validation_failed
from trially.recruiting.custom_fields.choices import CustomResource
from trially.recruiting.custom_fields.filtering import searched_values
from trially.recruiting.patients.choices import ListedStatus
from trially.recruiting.patients.model import Patient
from trially.recruiting.search.blinding import LostSearchError, stored_words
from trially.recruiting.search.custom_values import of_records_with
from trially.recruiting.search.matching import (
    Finds,
    Place,
    count_patients,
    explain_matches,
    find_patients,
    matches,
)
from trially.recruiting.search.query import (
    MOST_WORDS,
    Word,
    read_name,
    read_query,
    read_record_number,
)
from trially.resources.encrypted_fields import field_encrypted
from trially.resources.resource import Resource
from trially.tenancy.context import current_tenant

TYPED = ("q", "mrn", "given_name", "family_name")
"""The criteria that are looked up word by word."""


_RANK, _TERM = "rank_of_match", "term_of_match"
"""Values of an item that only the cursor needs."""


def search_page(patients: Resource, body: Mapping[str, Any], **always: Any) -> Page:
    """Return the page of patients that meet all criteria of a search, and `always`.

    Patients are also found by the names and numbers of records that they replace. If the search
    asks for all records, or for replaced ones, each is found by its own.

    Without `sort`, the best matches come first. Answers 403 if a criterion is masked for the
    caller.
    """
    refuse_masked({name for name in body if name == "q" or name in patients.masked})
    custom = of_records_with(table_of(Patient).c.id, searched_values(CustomResource.PATIENT, body))
    if not any(name in body for name in TYPED):
        return _explained(patients.page(body, custom, **always), [], Finds.PATIENTS)
    typed, finds = _read_words(body), _finds(body["record_status"])
    words = _stored_words(typed, body)
    if "sort" in body or not words:
        ids = table_of(Patient).c.id.in_(matches(words, finds)) if words else false()
        return _explained(patients.page(body, [ids, *custom], **always), words, finds)
    page = _ranked_page(patients, words, finds, {**body, **always}, custom)
    page = _explained(page, words, finds)
    if not page["data"] and body["cursor"] is None:
        _refuse_parts(typed, words, body)
    return page


def _stored_words(words: list[Word], body: Mapping[str, Any]) -> list[Word]:
    """Return the words as the tenant stores terms, or answer 422 for a part of a date."""
    try:
        return stored_words(words)
    except LostSearchError as error:
        raise field_encrypted(_pointer(body), str(error)) from None


def _refuse_parts(typed: list[Word], words: list[Word], body: Mapping[str, Any]) -> None:
    """Answer 422 if nothing was found, and parts of terms or typing errors were not looked for."""
    if typed is not words and any(one != other for one, other in zip(typed, words, strict=True)):
        detail = (
            "No patient has these whole words. In this tenant, the beginnings of names and numbers,"
            " the last digits of telephone numbers, and names with typing errors are not found."
        )
        raise field_encrypted(_pointer(body), detail)


def _pointer(body: Mapping[str, Any]) -> str:
    return next(f"/{name}" for name in TYPED if name in body)


def _ranked_page(
    patients: Resource,
    words: Sequence[Word],
    finds: Finds,
    body: Mapping[str, Any],
    custom: Sequence[ColumnElement[bool]],
) -> Page:
    tenant_id, limit = current_tenant().tenant_id, body["limit"]
    conditions = [*patients.conditions(body), *custom]
    position = read_cursor(tenant_id, body)
    after = None if position is None else _read_place(position)
    places = find_patients(words, conditions, finds=finds, limit=limit + 1, after=after)
    items = patients.pick([place.patient_id for place in places])
    page = make_page(
        [
            {**items[place.patient_id], _RANK: place.rank, _TERM: place.term}
            for place in places
            # Another transaction may have deleted the patient meanwhile.
            if place.patient_id in items
        ],
        limit,
        tenant_id=tenant_id,
        position=[_RANK, _TERM, "id"],
        query=body,
    )
    for item in page["data"]:
        del item[_RANK], item[_TERM]
    if body.get("total"):
        page["page"]["total"] = count_patients(words, conditions, finds)
    return page


def _finds(status: str) -> Finds:
    is_used = status in {ListedStatus.CURRENT, ListedStatus.INACTIVE}
    return Finds.PATIENTS if is_used else Finds.RECORDS


def _read_words(body: Mapping[str, Any]) -> list[Word]:
    """Return the words of all criteria, or answer 422 if there are too many."""
    words = read_query(body["q"]) if "q" in body else []
    if "mrn" in body:
        words += read_record_number(body["mrn"])
    for name in ("given_name", "family_name"):
        if name in body:
            words += read_name(body[name], name)
    if len(words) > MOST_WORDS:
        detail = f"Must have at most {MOST_WORDS} words."
        raise validation_failed([{"pointer": _pointer(body), "detail": detail}])
    return words


def _explained(page: Page, words: Sequence[Word], finds: Finds) -> Page:
    """Add to each patient what matched."""
    ids = [item["id"] for item in page["data"]]
    explained = explain_matches(words, ids, finds) if words and ids else {}
    for item in page["data"]:
        item["matched"] = explained.get(item["id"], [])
    return page


def _read_place(position: Sequence[str | None]) -> Place:
    rank, term, patient_id = position
    return Place(int(rank or 0), term or "", UUID(patient_id))
