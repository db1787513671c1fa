"""Keys derived from a data key stay what they are: stored values depend on them."""

import pickle
from uuid import UUID

import pytest

from trially.keys.data_keys import DataKey, DataPurpose, new_data_key

TENANT = UUID("018f0000-0000-7000-8000-000000000001")
KEY = DataKey(TENANT, 1, bytes(range(32)))


def test_each_purpose_and_context_has_a_key_of_its_own() -> None:
    contexts = (b"", b"patient", b"patient\0mrn")
    keys = {KEY.derive(purpose, context=each) for purpose in DataPurpose for each in contexts}

    assert len(keys) == len(DataPurpose) * len(contexts)
    assert {len(key) for key in keys} == {32}
    assert len(KEY.derive(DataPurpose.FIELDS, 64)) == 64


@pytest.mark.parametrize(
    ("purpose", "derived"),
    [
        (DataPurpose.ARCHIVES, "e80ebd87ebe040d23286ea144d651508a69a217bc98da2d618d4288cb5e5651f"),
        (DataPurpose.FIELDS, "691ee8e1587571822317f5dca05571e0c1d8d9c426fa6037e6471cead93c3484"),
        (
            DataPurpose.BLIND_INDEXES,
            "9df62b94d639ef4a508a27023360320b04f7f54f5210654cdceccc273a75f140",
        ),
        (DataPurpose.MASKING, "272b754f093a02ef6edc6f8890f47d4f9cb57fdf820e95e961e96155adf6c6ce"),
        (DataPurpose.JOB_FILES, "a3ef82d6169e97ca49ca8e6f4b4c896a3c5678373a66905e494f87440b9d457b"),
    ],
)
def test_a_purpose_keeps_its_key(purpose: DataPurpose, derived: str) -> None:
    assert KEY.derive(purpose, context=b"context").hex() == derived


def test_new_keys_differ() -> None:
    assert len({new_data_key(TENANT, 1).secret for _ in range(3)}) == 3


def test_a_key_shows_and_leaves_its_process_nowhere() -> None:
    assert KEY.secret.hex() not in repr(KEY)
    assert repr(KEY.secret) not in f"{KEY} {KEY!r}"
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(KEY)
