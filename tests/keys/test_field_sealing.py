"""Sealed values open only where they were sealed."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trially.keys.data_keys import DataKey
from trially.keys.field_sealing import FieldCipher, key_version_of
from trially.keys.sealing import UnsealError

TENANT = UUID("018f0000-0000-7000-8000-000000000001")
OTHER = UUID("018f0000-0000-7000-8000-000000000002")
KEY = DataKey(TENANT, 3, bytes(range(32)))
PHONE = FieldCipher(KEY, "patient.phone")
VALUE = b"+49 30 901820"


@given(st.binary(max_size=400))
def test_a_sealed_value_opens_in_its_column(value: bytes) -> None:
    assert PHONE.unseal(PHONE.seal(value)) == value


def test_a_value_keeps_its_ciphertext() -> None:
    """Stored values depend on the format: another ciphertext would be another format."""
    assert PHONE.seal(VALUE).hex() == (
        "0100000003d9a7f3652a84b3edd5d088847f62dae8f28c0878ca0e80bb82dff6be2a650899"
    )


def test_the_value_names_the_version_of_its_key() -> None:
    assert key_version_of(PHONE.seal(VALUE)) == 3


@pytest.mark.parametrize(
    "cipher",
    [
        FieldCipher(KEY, "patient.email"),
        FieldCipher(KEY, "patient_name.phone"),
        FieldCipher(replace(KEY, tenant_id=OTHER), "patient.phone"),
        FieldCipher(replace(KEY, version=4), "patient.phone"),
        FieldCipher(replace(KEY, secret=bytes(32)), "patient.phone"),
    ],
    ids=["column", "table", "tenant", "version", "secret"],
)
def test_a_value_does_not_open_elsewhere(cipher: FieldCipher) -> None:
    with pytest.raises(UnsealError):
        cipher.unseal(PHONE.seal(VALUE))


def test_no_bit_can_be_changed() -> None:
    sealed = PHONE.seal(VALUE)
    for place in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(UnsealError):
            PHONE.unseal(bytes(changed))


def test_no_end_can_be_missing() -> None:
    sealed = PHONE.seal(VALUE)
    for length in range(len(sealed)):
        with pytest.raises(UnsealError):
            PHONE.unseal(sealed[:length])


@pytest.mark.parametrize("value", [b"", b"\1\0\0\0\3", b"+49 30 901820"])
def test_a_value_of_no_known_format_has_no_version(value: bytes) -> None:
    with pytest.raises(UnsealError):
        key_version_of(value)


def test_equal_values_have_equal_ciphertexts() -> None:
    """PostgreSQL compares them in unique keys and joins."""
    assert PHONE.seal(VALUE) == FieldCipher(KEY, "patient.phone").seal(VALUE)
    assert PHONE.seal(VALUE) != FieldCipher(KEY, "patient.email").seal(VALUE)


def test_lengths_show_in_blocks_only() -> None:
    assert len({len(PHONE.seal(b"a" * length)) for length in range(16)}) == 1
    assert len(PHONE.seal(b"a" * 16)) == len(PHONE.seal(b"")) + 16
