"""The terms by which a patient is found, made from the row, the names and the identifiers."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from trially.database.model import length_of
from trially.recruiting.custom_fields.values import Value, term_of_value
from trially.recruiting.search.model import LONGEST_TERM, PatientSearchTerm, TermKind
from trially.recruiting.search.normalising import (
    fold,
    name_terms,
    number_terms,
    reversed_digits,
    split_words,
)

MOST_TERMS = 200
"""Terms of one patient, besides those of custom fields. What a source sends beyond is not found."""

LONGEST_USE = length_of(PatientSearchTerm.use)
CURRENT_USES = frozenset({"official", "usual"})

LEAST_PHONE = 3
FIRST_EAST_ASIAN = "\u2e80"
KNOWN_PART = {"year": 4, "month": 7}
"""Characters of a date in ISO notation that are known, by its precision."""

Item = Mapping[str, Any]


class Term(NamedTuple):
    """A term, and where it comes from."""

    kind: TermKind
    field: str
    use: str | None
    term: str


def terms_of(patient: Item) -> list[Term]:
    """Return the terms of a patient: of the row's columns, `names` and `identifiers`."""
    custom = list(_of_custom_values(patient["custom"] or {}))
    terms: dict[tuple[str, str, str], Term] = {}
    for term in _all_terms(patient):
        # The first one wins: the name that is shown comes before all others.
        terms.setdefault((term.kind, term.field, term.term), term)
    return custom + list(terms.values())[:MOST_TERMS]


def _all_terms(patient: Item) -> Iterator[Term]:
    yield from _of_name(patient, None)
    identifiers = patient["identifiers"] or ()
    # The terms do not depend on which identifier is shown as the MRN, so that another system may be
    # shown for all patients of a source at once.
    if patient["mrn"] and all(each["value"] != patient["mrn"] for each in identifiers):
        yield from _of(TermKind.MRN, sorted(number_terms(patient["mrn"])))
    if patient["birth_date"]:
        known = KNOWN_PART.get(patient["birth_date_precision"])
        yield from _of(TermKind.BIRTH_DATE, [str(patient["birth_date"])[:known]])
    if patient["phone"] and len(digits := reversed_digits(patient["phone"])) >= LEAST_PHONE:
        yield from _of(TermKind.PHONE, [digits])
    if patient["email"]:
        yield from _of(TermKind.EMAIL, [fold(patient["email"].strip())[:LONGEST_TERM]])
    for identifier in identifiers:
        yield from _of_identifier(identifier)
    for name in patient["names"] or ():
        if _is_shown(name, patient):
            continue
        yield from _of_name(name, _use_of(name))


def _of_custom_values(values: Mapping[str, Value]) -> Iterator[Term]:
    for name, value in values.items():
        yield from _of(TermKind.CUSTOM, [term_of_value(name, value)])


def _of_identifier(identifier: Item) -> Iterator[Term]:
    field = "identifier" if identifier["mrn_rank"] is None else "mrn"
    use = _use_of(identifier)
    use = None if use in CURRENT_USES else use
    yield from _of(TermKind.MRN, sorted(number_terms(identifier["value"])), field, use)


def _use_of(item: Item) -> str | None:
    """Return the use of a name or identifier; one whose period has an end is an old one."""
    return (item["use"] or "")[:LONGEST_USE] or ("old" if item["period_end"] else None)


def _is_shown(name: Item, patient: Item) -> bool:
    shown = (patient["given_name"], patient["family_name"])
    return any(shown) and (name["given_name"], name["family_name"]) == shown


def _of_name(name: Item, use: str | None) -> Iterator[Term]:
    given, family = (split_words(name[field] or "") for field in ("given_name", "family_name"))
    if given and family:
        full = f"{given[0]} {''.join(family)}"[:LONGEST_TERM]
        yield Term(TermKind.FULL_NAME, "name", use, full)
        if not full.isascii() and _is_written_without_blanks(full):
            joined = f"{''.join(family)}{''.join(given)}"[:LONGEST_TERM]
            yield Term(TermKind.NAME, "family_name", use, joined)
    for field in ("given_name", "family_name"):
        yield from _of(TermKind.NAME, sorted(name_terms(name[field] or "")), field, use)
    if name.get("full_name") and not (name["given_name"] or name["family_name"]):
        yield from _of(TermKind.NAME, sorted(name_terms(name["full_name"])), "family_name", use)


def _of(
    kind: TermKind, terms: Iterable[str], field: str | None = None, use: str | None = None
) -> Iterator[Term]:
    return (Term(kind, field or kind, use, term) for term in terms if term)


def _is_written_without_blanks(name: str) -> bool:
    """Return whether family and given name are written as one word, as in Chinese or Japanese."""
    return all(character == " " or character >= FIRST_EAST_ASIAN for character in name)
