"""Derived keys stay what they are: installations have stored values that depend on them."""

from uuid import UUID

import orjson
import pytest
from flask import Flask
from sqlalchemy import make_url

from trially.http.read_after import HEADER, read_position
from trially.keys import (
    Purpose,
    SecretKeys,
    UnsealError,
    derive_key,
    pseudonym,
    role_password,
    seal,
    unseal,
)
from trially.proving.reports import sign, verify
from trially.state import state_of
from trially.tenancy.servers.access import ServerAccess
from trially.tenancy.servers.sealing import UnsealableError, unseal_password

URL = make_url("postgresql+psycopg2://admin@db/postgres")
SECRET = "a secret of the test vectors, 32 characters or more"
OTHER_SECRET = "another secret of the vectors, 32 characters or more"
TENANT = UUID("018f0000-0000-7000-8000-000000000001")
REPORT = {"format": "trially-proof/1", "seed": 7}
SIGNATURE = {
    "algorithm": "Ed25519",
    "over": "the report as JSON with sorted keys and no spaces, in UTF-8",
    "public_key": "5D6YBAqyzr1FscYXJkBCuiQC6HOXfgnRf0hynjfX384=",
    "value": "btCy1tOwu1aHYmDermYG38BC9qZIUiL17stk2YerXw8ida2V1QUfknx9yhPgTGQ"
    "/1oluwj3hpgmKer+23MIwAQ==",
}
SEALED_PASSWORD = bytes.fromhex(
    "000102030405060708090a0b3efa4f3d88965ccd03c852bc487e8776329340ef7fc99fd533639893"
)
READ_AFTER_TOKEN = "AAECAwQFBgcICQoLxBL-TIcHpR9g8dIUBwdET_fySfY8sQF4FidkK6BdMFE="


@pytest.mark.parametrize(
    ("server", "password"),
    [
        ("default", "80h5L6JLZ8VukPY6IgdTyOkx0J2sT3HQUwV6FeiTrFc"),
        ("frankfurt", "qt2wnP6ci8VSkwUl1WdpmfMjtWoLQhsdtR2fci5fODQ"),
    ],
)
def test_a_role_keeps_its_password(server: str, password: str) -> None:
    access = ServerAccess(server, URL, SecretKeys(SECRET))

    assert role_password(SECRET, server, "t_0190_login") == password
    assert access.role_password("t_0190_login") == password
    assert role_password(OTHER_SECRET, server, "t_0190_login") != password


def test_a_stored_server_password_is_still_decrypted() -> None:
    assert unseal_password(SecretKeys(SECRET), "frankfurt", SEALED_PASSWORD) == "pass word ü"


@pytest.mark.parametrize(
    ("secret", "server", "sealed"),
    [
        (OTHER_SECRET, "frankfurt", SEALED_PASSWORD),
        (SECRET, "dublin", SEALED_PASSWORD),
        (SECRET, "frankfurt", SEALED_PASSWORD[:-1]),
        (SECRET, "frankfurt", b""),
    ],
)
def test_another_secret_server_or_value_is_refused(secret: str, server: str, sealed: bytes) -> None:
    with pytest.raises(UnsealableError, match=f"flask servers change {server} --url"):
        unseal_password(SecretKeys(secret), server, sealed)


def test_a_read_after_token_is_still_read(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_of(app), "keys", SecretKeys(OTHER_SECRET, SECRET))

    with app.test_request_context(headers={HEADER: READ_AFTER_TOKEN}):
        assert read_position(TENANT, 3) == 500


def test_a_proof_is_signed_with_the_same_key() -> None:
    signed = sign(REPORT, SECRET)

    assert signed["signature"] == SIGNATURE
    assert verify(orjson.dumps({"report": REPORT, "signature": SIGNATURE}), SECRET) == REPORT


def test_each_purpose_has_a_key_of_its_own() -> None:
    keys = {derive_key(SECRET, purpose) for purpose in Purpose}

    assert len(keys) == len(Purpose)
    assert {len(key) for key in keys} == {32}
    assert derive_key(SECRET, Purpose.PAGE_CURSORS).hex() == (
        "135d58d730acadd6950592ba788ec289a9051744fe6fc38310355087adae33fb"
    )
    assert derive_key(SECRET, Purpose.JOB_FILES).hex() == (
        "6aceed35fa56f942539237e17a5e33962aa7b32edbe468c69f8a651017662100"
    )


def test_an_erased_patient_has_another_pseudonym_in_each_tenant() -> None:
    tenants = UUID(int=1), UUID(int=2)

    assert pseudonym(SECRET, tenants[0], 4711) == "a70989c5b5f6e4e4"
    assert len({pseudonym(SECRET, tenant, n) for tenant in tenants for n in (1, 2)}) == 4


def test_a_sealed_value_is_bound_to_purpose_and_context() -> None:
    purpose = Purpose.READ_AFTER_TOKENS
    sealed = seal(SECRET, purpose, b"position", b"tenant")

    assert unseal(SECRET, purpose, sealed, b"tenant") == b"position"
    assert seal(SECRET, purpose, b"position", b"tenant") != sealed
    for secret, other_purpose, context in (
        (OTHER_SECRET, purpose, b"tenant"),
        (SECRET, Purpose.SERVER_PASSWORDS, b"tenant"),
        (SECRET, purpose, b"another tenant"),
    ):
        with pytest.raises(UnsealError):
            unseal(secret, other_purpose, sealed, context)
