"""What masking makes of values: without a database, by example and by property."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Table

import trially.request_cycle.idempotency_keys  # noqa: F401  it has a table of its own
from trially.api import find_blueprints
from trially.database.classes import (
    Copied,
    Held,
    class_of,
    copied_to_clones,
    unclassified,
)
from trially.database.model import TenantModel
from trially.keys.throwaway_keys import ThrowawayKey
from trially.tenancy.cloning.errors import UnclassifiedColumnError, UnmaskableValueError
from trially.tenancy.cloning.fictions import Fictions
from trially.tenancy.cloning.masking import Masker, Row
from trially.tenancy.cloning.people import OLDEST, People
from trially.tenancy.cloning.permuting import permute_number, permute_text

list(find_blueprints())
TABLES = TenantModel.metadata.tables
TODAY = dt.date(2026, 11, 27)
KEY = ThrowawayKey.create()
PERSON = "0192b1f2-0000-7000-8000-000000000001"


@pytest.fixture
def masker() -> Masker:
    fictions = Fictions(ThrowawayKey.create())
    return Masker("t", fictions, People(fictions, TODAY), "2026-11-27T00:00:00+00:00")


def columns(masker: Masker, table: Table) -> set[str]:
    names = [each.name for each in table.columns if each.computed is None]
    return set(masker.of_table(table, names).rules)


def mask(masker: Masker, table: str, row: Row) -> Row | None:
    """Mask a row that lacks columns which must not be null."""
    found = masker.of_table(TABLES[table], list(row))
    return replace(found, required=frozenset()).mask(row)


def fact(**values: Any) -> dict[str, str | None]:
    return {"id": PERSON, "patient_id": PERSON, "type": "observation", **values}


def test_each_column_has_a_class_and_each_table_says_whether_it_is_copied() -> None:
    missing = [name for table in TABLES.values() for name in unclassified(table)]
    silent = [name for name in TABLES if copied_to_clones(name) is None]

    assert [name for name in missing if not name.startswith("canary.")] == []
    assert silent == []


def test_the_rules_of_all_copied_columns_are_known(masker: Masker) -> None:
    for table in TABLES.values():
        if copied_to_clones(table.name) is Copied.ALWAYS:
            assert "tenant_id" in columns(masker, table)


def test_a_new_column_stops_the_clone(masker: Masker) -> None:
    with pytest.raises(UnclassifiedColumnError, match="shoe_size has no class"):
        masker.of_table(TABLES["patient"], ["id", "shoe_size"])


def test_a_value_that_this_version_does_not_know_stops_the_clone(masker: Masker) -> None:
    with pytest.raises(UnmaskableValueError) as error:
        mask(masker, "clinical_fact", fact(type="zq-secret"))

    assert "zq-secret" not in str(error.value)


def test_intervals_of_one_patient_are_kept_exactly(masker: Masker) -> None:
    moments = ["2019-03-01 10:00:00+00", "2020-02-29 23:59:59.5+00", "2020-03-01 00:00:00+00"]

    masked = [mask(masker, "clinical_fact", fact(start_at=each)) for each in moments]

    before = [dt.datetime.fromisoformat(each) for each in moments]
    after = [dt.datetime.fromisoformat(str(each and each["start_at"])) for each in masked]
    shifts = {old - new for old, new in zip(before, after, strict=True)}
    assert len(shifts) == 1
    assert dt.timedelta(days=1) <= shifts.pop() <= dt.timedelta(days=365)


def test_patients_have_shifts_of_their_own(masker: Masker) -> None:
    shifts = {masker.fictions.days(str(number)) for number in range(200)}

    assert len(shifts) > 100


def test_a_year_stays_a_year(masker: Masker) -> None:
    row = fact(start_at="2019-01-01 00:00:00+00", start_precision="year")

    masked = mask(masker, "clinical_fact", row)

    assert masked is not None
    assert str(masked["start_at"])[4:10] == "-01-01"


@pytest.mark.parametrize(("born", "is_capped"), [("1930-05-01", True), ("1960-05-01", False)])
def test_nobody_is_older_than_ninety(masker: Masker, born: str, *, is_capped: bool) -> None:
    masker.people._lives[PERSON] = dt.date.fromisoformat(born), None
    row: dict[str, str | None] = {
        "id": PERSON,
        "birth_date": born,
        "birth_date_precision": "day",
        "source_id": "p1",
    }

    masked = mask(masker, "patient", row)
    early = mask(masker, "clinical_fact", fact(start_at="1931-01-01 00:00:00+00"))

    assert masked is not None
    assert early is not None
    shown = dt.date.fromisoformat(str(masked["birth_date"]))
    assert TODAY.year - shown.year <= OLDEST
    assert masked["birth_date_precision"] == ("year" if is_capped else "day")
    if is_capped:
        assert str(early["start_at"])[:10] == str(shown)


def test_ages_are_capped_too(masker: Masker) -> None:
    old = fact(code="30525-0", code_system="http://loinc.org", value_number="97", start_age="P97Y")

    masked = mask(masker, "clinical_fact", old)

    assert masked is not None
    assert (masked["value_number"], masked["start_age"]) == ("90", "P90Y")


def test_codes_of_public_systems_stay_and_others_go(masker: Masker) -> None:
    public = fact(code="44054006", code_system="http://snomed.info/sct", unit="mg/dL")
    own = fact(code="JONES-7", code_system="urn:hospital", unit="as Mr Jones likes")

    kept, gone = mask(masker, "clinical_fact", public), mask(masker, "clinical_fact", own)

    assert kept is not None
    assert gone is not None
    assert (kept["code"], kept["unit"]) == ("44054006", "mg/dL")
    assert (gone["code"], gone["code_system"], gone["unit"]) == (None, None, None)


def test_that_a_record_is_about_somebody_else_stays(masker: Masker) -> None:

    with_focus, without = (
        mask(masker, "clinical_fact", fact(focus=each)) for each in ("the donor", None)
    )

    assert with_focus is not None
    assert without is not None
    assert (with_focus["focus"], without["focus"]) == ("removed", None)


def test_two_people_of_one_name_have_two_names(masker: Masker) -> None:
    names = {masker.fictions.identifier("family_name", "Smith", str(n)) for n in range(50)}

    assert len(names) > 10


def test_names_of_one_person_are_the_same_in_all_tables(masker: Masker) -> None:
    patient: Row = {"id": PERSON, "family_name": "Smith", "source_id": "p1"}
    name: Row = {"id": "9", "patient_id": PERSON, "family_name": "Smith"}

    rows = mask(masker, "patient", patient), mask(masker, "patient_name", name)

    assert rows[0] is not None
    assert rows[1] is not None
    assert rows[0]["family_name"] == rows[1]["family_name"] != "Smith"


@pytest.mark.parametrize("size", [2, 3, 10, 97, 260, 1000])
def test_permuting_loses_no_number(size: int) -> None:
    assert {permute_number(KEY, each, size) for each in range(size)} == set(range(size))


def test_formats_are_kept() -> None:
    for text in ("MRN-00042", "+1 (555) 010-9999", "aB9/x.7", "Ünïcødé-1", "", "---"):
        permuted = permute_text(KEY, text)
        assert len(permuted) == len(text)
        for before, after in zip(text, permuted, strict=True):
            assert before.isdigit() == after.isdigit()
            assert before.isalnum() == after.isalnum()
            assert after == before if not before.isalnum() else after.isascii()


def test_another_key_gives_another_clone() -> None:
    one, other = (Fictions(ThrowawayKey.create()) for _ in range(2))

    assert one.uuid(PERSON) != other.uuid(PERSON)
    assert one.identifier("number", "MRN-0000042", "") != other.identifier(
        "number", "MRN-0000042", ""
    )
    assert "\\x" not in repr(one)


def test_secrets_are_never_copied(masker: Masker) -> None:
    for table in TABLES.values():
        secret = [
            each.name
            for each in table.columns
            if (held := class_of(table, each.name)) is not None and held.held is Held.SECRET
        ]
        if copied_to_clones(table.name) is Copied.ALWAYS:
            assert not set(secret) & columns(masker, table)
