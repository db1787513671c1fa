"""Who saw and changed a patient's data: the report that a patient can ask for."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from uuid import UUID

from sqlalchemy import and_, not_

from trially.audit.forms import Action
from trially.auditing.entries import (
    Reading,
    conditions_of,
    form,
    names_one_of,
    record,
)
from trially.auditing.files import csv_writer
from trially.auditing.people import numbers_of
from trially.auditing.words import PURPOSES, means_of, person_of, plain_names
from trially.database.rows import Item
from trially.http.problems import NotFound

_NOTHING_SHOWN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)

COLUMNS = ("at", "who", "how", "seen", "changed", "why", "request_id", "id")


def disclosures_of(patient_id: UUID, query: Mapping[str, Any]) -> Reading:
    """Return the reading of the records that disclosed or changed a patient's data.

    Refused requests are not among them. An error that named the patient is. Records that the
    patient's record replaces are about the same person, so they are included. Answers 404 if there
    is no such patient.
    """
    numbers = numbers_of(patient_id)
    if not numbers:
        raise NotFound("There is no such patient.")
    refused = and_(
        form.action == Action.REFUSE, record.outcome.in_([int(each) for each in _NOTHING_SHOWN])
    )
    conditions = [*conditions_of(query), names_one_of(numbers, query), not_(refused)]
    return Reading(conditions, about=numbers)


def flatten(disclosure: Item) -> Item:
    """Return a disclosure as the cells of a row."""
    return disclosure | {name: ", ".join(disclosure[name]) for name in ("seen", "changed")}


def describe(entry: Item) -> Item:
    """Return a line of the report."""
    changed = plain_names(column for change in entry["changes"] for column in change["columns"])
    return {
        "id": entry["id"],
        "at": entry["at"],
        "who": person_of(entry),
        "how": means_of(entry),
        "seen": plain_names(entry["fields_shown"]),
        "identifiers_hidden": entry["phi_level"] == "limited",
        "changed": sorted(changed),
        "why": PURPOSES[entry["purpose"]],
        "request_id": entry["request_id"],
    }


write_report = csv_writer(flatten, COLUMNS)
