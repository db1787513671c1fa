"""The text of an API key."""

import re
from uuid import uuid4

import pytest

from trially.keys.api_keys import (
    DIGITS,
    LENGTH,
    PREFIX,
    MalformedKeyError,
    PresentedKey,
    new_api_key,
    read_api_key,
)


def test_a_key_is_read_as_it_was_written() -> None:
    key = new_api_key(uuid4(), uuid4())

    assert re.fullmatch(rf"{PREFIX}[0-9A-Za-z]{{{LENGTH}}}", key.text)
    assert read_api_key(key.text) == key
    assert len(key.digest) == 32


def test_the_length_is_the_least_that_holds_all_bytes() -> None:
    assert len(DIGITS) ** (LENGTH - 1) < 1 << 8 * 68 < len(DIGITS) ** LENGTH


def test_two_keys_differ() -> None:
    tenant_id, key_id = uuid4(), uuid4()

    assert new_api_key(tenant_id, key_id) != new_api_key(tenant_id, key_id)


def test_a_digest_is_of_one_tenant_and_one_row() -> None:
    key = new_api_key(uuid4(), uuid4())
    others = (
        PresentedKey(uuid4(), key.key_id, key.secret),
        PresentedKey(key.tenant_id, uuid4(), key.secret),
        PresentedKey(key.tenant_id, key.key_id, bytes(32)),
    )

    assert key.has_digest(key.digest)
    for other in others:
        assert not other.has_digest(key.digest)


def test_the_secret_is_not_shown_by_accident() -> None:
    key = new_api_key(uuid4(), uuid4())

    assert key.text not in repr(key)
    assert repr(key.secret) not in repr(key)


def test_every_single_mistake_is_found() -> None:
    text = new_api_key(uuid4(), uuid4()).text

    for position in range(len(PREFIX), len(text)):
        digit = DIGITS[(DIGITS.index(text[position]) + 1) % len(DIGITS)]
        with pytest.raises(MalformedKeyError):
            read_api_key(text[:position] + digit + text[position + 1 :])


@pytest.mark.parametrize(
    "text",
    [
        "",
        PREFIX,
        PREFIX + "0" * (LENGTH - 1),
        PREFIX + "0" * (LENGTH + 1),
        PREFIX + "z" * LENGTH,
        PREFIX + "é" * LENGTH,
        PREFIX + "٣" * LENGTH,
        PREFIX + " " * LENGTH,
        "0" * (LENGTH + len(PREFIX)),
        "TRK_" + "0" * LENGTH,
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(MalformedKeyError):
        read_api_key(text)
