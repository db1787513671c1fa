"""Terms of blind indexes: equal for equal values of one column, and cut to their bits."""

from dataclasses import replace
from uuid import UUID

import pytest

from trially.keys.blind_indexes import BlindIndex, coincidences
from trially.keys.data_keys import DataKey

TENANT = UUID("018f0000-0000-7000-8000-000000000001")
KEY = DataKey(TENANT, 3, bytes(range(32)))


def test_equal_values_have_equal_terms() -> None:
    first, second = (BlindIndex(KEY, "patient.mrn", 128) for _ in range(2))

    assert first.term("4711") == second.term("4711")
    assert first.term("4711") != first.term("4712")


def test_a_value_keeps_its_term() -> None:
    assert BlindIndex(KEY, "patient.mrn", 128).term("4711").hex() == (
        "fbe988237390d79369b174c14dfbbf64"
    )


def test_each_column_tenant_and_version_has_terms_of_its_own() -> None:
    indexes = [
        BlindIndex(KEY, "patient.mrn", 128),
        BlindIndex(KEY, "patient.source_id", 128),
        BlindIndex(KEY, "patient_identifier.mrn", 128),
        BlindIndex(replace(KEY, secret=bytes(32)), "patient.mrn", 128),
    ]

    assert len({index.term("4711") for index in indexes}) == len(indexes)


@pytest.mark.parametrize(("bits", "length"), [(1, 1), (8, 1), (12, 2), (20, 3), (256, 32)])
def test_a_term_has_its_bits_and_no_more(bits: int, length: int) -> None:
    index, whole = (BlindIndex(KEY, "patient.birth_date", n) for n in (bits, 256))
    number, unused = int.from_bytes(index.term("1970-01-01"), "big"), length * 8 - bits

    assert len(index.term("1970-01-01")) == length
    assert number % 2**unused == 0
    assert number >> unused == int.from_bytes(whole.term("1970-01-01"), "big") >> (256 - bits)


def test_few_bits_let_values_share_terms() -> None:
    index = BlindIndex(KEY, "patient.birth_date", 4)

    assert len({index.term(str(number)) for number in range(1000)}) == 16


@pytest.mark.parametrize("bits", [0, 257])
def test_other_lengths_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match="1 to 256 bits"):
        BlindIndex(KEY, "patient.mrn", bits)


def test_coincidences_are_the_values_per_term() -> None:
    assert coincidences(4097, 12) == 1
