"""Possible duplicates among patients of whom very many have the same birth date."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from members import MakeTenant

from tests.recruiting.imports.importing import Importer
from trially.recruiting.duplicates import candidates, finding
from trially.recruiting.duplicates.scoring import compare
from trially.tenancy.catalog_choices import Tier

UNKNOWN = "1900-01-01"
OTHERS = candidates.MOST_OF_A_KEY + 20


def person(source_id: str, given: str, family: str) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": source_id,
        "name": [{"given": [given], "family": family}],
        "birthDate": UNKNOWN,
    }


def letters(number: int) -> str:
    """Return a word of its own, which is not like the words of other numbers."""
    return "".join("abcdefghijklmnop"[number >> shift & 15] * 3 for shift in (0, 4))


def crowd(first: int = 0) -> list[dict[str, Any]]:
    numbers = range(first, first + OTHERS)
    return [person(f"p{each}", letters(each), letters(each + 1)) for each in numbers]


PAIRS = [
    (person("a1", "Mei", "Lindqvist"), person("a2", "Mei", "Lindqvits")),
    (person("b1", "Jonathan", "Okonkwo"), person("b2", "Nathaniel", "Okonkwo")),
    (person("c1", "Robert", "Featherstone"), person("c2", "Bob", "Featherstone")),
]


def test_patients_with_one_name_or_none_are_imported_and_are_nobodys_duplicates(
    app: Flask, make_tenant: MakeTenant
) -> None:
    importer = Importer(app, make_tenant(Tier.POOLED_ROWS))
    few_names = [person("n1", "", "0"), person("n2", "0", ""), person("n3", "", "")]

    importer(*crowd(), *few_names, person("m1", "", "Only"), person("m2", "", "Onyl"))

    assert importer.query("SELECT count(*) FROM patient") == [(OTHERS + 5,)]
    assert importer.query("SELECT id FROM possible_duplicate") == []


def test_similar_names_with_a_frequent_birth_date_are_found_on_every_tier(
    app: Flask, make_tenant: MakeTenant, tier: Tier, run_command: Callable[..., Any]
) -> None:
    importer, other = Importer(app, make_tenant(tier)), Importer(app, make_tenant(tier))
    importer(*crowd(), *(each for pair in PAIRS for each in pair))
    other(person("a1", "Mei", "Lindqvist"))

    found = importer.query(
        "SELECT one.source_id, other.source_id FROM possible_duplicate AS pair"
        " JOIN patient AS one ON one.id = pair.patient_id"
        " JOIN patient AS other ON other.id = pair.other_patient_id"
    )

    assert sorted(tuple(sorted(pair)) for pair in found) == [("a1", "a2"), ("c1", "c2")]
    assert other.query("SELECT id FROM possible_duplicate") == []
    said = run_command("patients", "duplicates", importer.tenant.slug)
    assert "1 value of birth_date: more than 100 patients have the same" in said.stderr
    assert "more than" not in run_command("patients", "duplicates", other.tenant.slug).stderr


def test_the_patients_of_a_frequent_key_are_compared_with_few(
    app: Flask, make_tenant: MakeTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    importer, compared = Importer(app, make_tenant(Tier.POOLED_ROWS)), []

    def count(one: Any, other: Any) -> Any:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(finding, "compare", count)
    importer(*crowd(), *(each for pair in PAIRS for each in pair))

    assert 0 < len(compared) < OTHERS
