"""How much speaks for two patients being one person, and why.

Each agreement adds points and each contradiction takes some away, as in record linkage by Fellegi
and Sunter. A pair with `LEAST_SCORE` points is worth a look. Name and birth date together are
enough; the same family name and birth date with another given name are not, because of twins.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from enum import StrEnum
from itertools import product
from typing import Any, NamedTuple

from trially.recruiting.search.given_names import related_names
from trially.recruiting.search.normalising import fold, fold_number, reversed_digits, split_words
from trially.recruiting.search.query import SAME_PHONE_DIGITS

LEAST_SCORE = 60
MOST_SCORE = 100
LEAST_LETTERS = 4
"""In shorter words, one other letter makes another name."""


SHARED_BY_FAMILIES = frozenset({"SN", "MB"})
"""Types of identifiers in HL7's table 0203 that relatives share: numbers at an insurance."""


class Reason(StrEnum):
    """What two patients have in common, or what contradicts."""

    SAME_NAME = "same_name"
    SIMILAR_NAME = "similar_name"
    """A typing error, a nickname, a part of a compound name, or the names are swapped."""

    SAME_GIVEN_NAME = "same_given_name"
    SAME_BIRTH_DATE = "same_birth_date"
    SIMILAR_BIRTH_DATE = "similar_birth_date"
    """One digit is different, day and month are swapped, or only a part is known."""

    SAME_SEX = "same_sex"
    SAME_PHONE = "same_phone"
    SAME_EMAIL = "same_email"
    SAME_MRN = "same_mrn"
    SAME_IDENTIFIER = "same_identifier"
    """Another number than the MRN, or the same MRN, of one system."""

    OTHER_NAME = "other_name"
    OTHER_GIVEN_NAME = "other_given_name"
    OTHER_BIRTH_DATE = "other_birth_date"
    OTHER_SEX = "other_sex"


POINTS: Mapping[Reason, int] = {
    Reason.SAME_NAME: 40,
    Reason.SIMILAR_NAME: 30,
    Reason.SAME_GIVEN_NAME: 10,
    Reason.SAME_BIRTH_DATE: 35,
    Reason.SIMILAR_BIRTH_DATE: 20,
    Reason.SAME_SEX: 5,
    Reason.SAME_PHONE: 15,
    Reason.SAME_EMAIL: 20,
    Reason.SAME_MRN: 15,
    Reason.SAME_IDENTIFIER: 40,
    Reason.OTHER_NAME: -40,
    Reason.OTHER_GIVEN_NAME: -20,
    Reason.OTHER_BIRTH_DATE: -30,
    Reason.OTHER_SEX: -15,
}


class Name(NamedTuple):
    """The folded words of one name."""

    given: tuple[str, ...]
    family: tuple[str, ...]


class Person(NamedTuple):
    """A patient as they are compared."""

    names: tuple[Name, ...]
    birth_date: str
    """ISO notation as far as the date is known; empty if nothing is."""
    sex: str
    phone: str
    email: str
    mrn: str
    identifiers: frozenset[tuple[str, str]]
    """Each system with the folded number."""


def describe(patient: Mapping[str, Any], replaced: Iterable[Mapping[str, Any]] = ()) -> Person:
    """Return a patient, with the names and identifiers of all records, as they are compared.

    `replaced` are the records that the patient's own record replaces.
    """
    records = [patient, *replaced]
    names = [_name_of(name) for each in records for name in (each, *(each["names"] or ()))]
    known = {"year": 4, "month": 7}.get(patient["birth_date_precision"])
    birth_date: dt.date | None = patient["birth_date"]
    return Person(
        names=tuple(dict.fromkeys(name for name in names if any(name))),
        birth_date=birth_date.isoformat()[:known] if birth_date else "",
        sex=patient["sex"] if patient["sex"] in {"female", "male"} else "",
        phone=reversed_digits(patient["phone"] or "")[:SAME_PHONE_DIGITS],
        email=fold(patient["email"] or "").strip(),
        mrn=fold_number(patient["mrn"] or ""),
        identifiers=frozenset(
            (identifier["system"], fold_number(identifier["value"]))
            for each in records
            for identifier in each["identifiers"] or ()
            if identifier["system"] and identifier["type"] not in SHARED_BY_FAMILIES
        ),
    )


def compare(one: Person, other: Person) -> tuple[int, list[Reason]]:
    """Return the points that speak for one person, from 0 to 100, and the reasons."""
    reasons = [
        reason
        for reason in (
            _compare_names(one.names, other.names),
            _compare_birth_dates(one.birth_date, other.birth_date),
            _agree(one.sex, other.sex, Reason.SAME_SEX, Reason.OTHER_SEX),
            _agree(one.phone, other.phone, Reason.SAME_PHONE),
            _agree(one.email, other.email, Reason.SAME_EMAIL),
            _agree(one.mrn, other.mrn, Reason.SAME_MRN),
            Reason.SAME_IDENTIFIER if one.identifiers & other.identifiers else None,
        )
        if reason is not None
    ]
    points = sum(POINTS[reason] for reason in reasons)
    return max(0, min(points, MOST_SCORE)), reasons


def are_alike(one: Name, other: Name) -> bool:
    """Return whether two names may be those of one person."""
    return _compare_name(one, other) in (Reason.SAME_NAME, Reason.SIMILAR_NAME)


def _name_of(name: Mapping[str, Any]) -> Name:
    return Name(
        tuple(split_words(name["given_name"] or "")),
        tuple(split_words(name["family_name"] or name.get("full_name") or "")),
    )


def _compare_names(some: Iterable[Name], others: Iterable[Name]) -> Reason | None:
    """Return the reason of the two names that are most alike."""
    reasons = {_compare_name(one, other) for one, other in product(some, others)}
    return max(reasons, key=lambda reason: POINTS[reason], default=None)


def _compare_name(one: Name, other: Name) -> Reason:
    if one.family == other.family and one.given == other.given:
        return Reason.SAME_NAME
    given, family = (
        _likeness(one.given, other.given, are_given=True),
        _likeness(one.family, other.family),
    )
    if given == family == 2:
        return Reason.SAME_NAME
    if given and family:
        return Reason.SIMILAR_NAME
    if one.family and one.given and (one.family, one.given) == (other.given, other.family):
        return Reason.SIMILAR_NAME
    if family:
        return Reason.OTHER_GIVEN_NAME
    return Reason.SAME_GIVEN_NAME if given else Reason.OTHER_NAME


def _likeness(some: tuple[str, ...], others: tuple[str, ...], *, are_given: bool = False) -> int:
    """Return 2 for the same words, 1 for similar ones, 0 for others and for unknown ones.

    Further given names are often left out, so the first ones alone make names the same.
    """
    if not some or not others:
        return 0
    if "".join(some) == "".join(others) or (are_given and some[0] == others[0]):
        return 2
    if are_given:
        return int(_are_similar(some[0], others[0]) or others[0] in related_names(some[0]))
    shared = {word for word in some if len(word) >= LEAST_LETTERS}.intersection(others)
    return int(bool(shared) or _are_similar("".join(some), "".join(others)))


def _are_similar(one: str, other: str) -> bool:
    """Return whether a typing error separates two words, or one is the initial of the other."""
    if len(one) == 1 or len(other) == 1:
        return one[0] == other[0]
    if min(len(one), len(other)) < LEAST_LETTERS:
        return False
    return _differ_by_one(one, other)


def _differ_by_one(one: str, other: str) -> bool:
    """Return whether at most one typing error separates two words."""
    # Imported by the processes that look for duplicates, not at the start of each.
    from rapidfuzz.distance import OSA

    return bool(OSA.distance(one, other, score_cutoff=1) <= 1)


def _compare_birth_dates(one: str, other: str) -> Reason | None:
    if not one or not other:
        return None
    if one == other:
        is_day = len(one) == len("1961-07-23")
        return Reason.SAME_BIRTH_DATE if is_day else Reason.SIMILAR_BIRTH_DATE
    if one.startswith(other) or other.startswith(one):
        return Reason.SIMILAR_BIRTH_DATE
    if len(one) == len(other) and (
        _differ_by_one(one, other)
        or (one[:4] == other[:4] and one[5:7] == other[8:] and one[8:] == other[5:7])
    ):
        return Reason.SIMILAR_BIRTH_DATE
    return Reason.OTHER_BIRTH_DATE


def _agree(one: str, other: str, same: Reason, different: Reason | None = None) -> Reason | None:
    if not one or not other:
        return None
    return same if one == other else different
