import base64
import hashlib
import hmac

import pytest

from trially.tenancy.servers.scram import ITERATIONS, scram_verifier

PASSWORD = "pencil-" * 7


def test_a_verifier_is_what_rfc_5803_says():
    mechanism, parameters, keys = scram_verifier(PASSWORD).split("$")
    iterations, salt = parameters.split(":")
    stored_key, server_key = (base64.b64decode(key) for key in keys.split(":"))
    salted = hashlib.pbkdf2_hmac(
        "sha256", PASSWORD.encode(), base64.b64decode(salt), int(iterations)
    )

    assert mechanism == "SCRAM-SHA-256"
    assert int(iterations) == ITERATIONS
    assert stored_key == hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    assert server_key == hmac.digest(salted, b"Server Key", "sha256")


def test_a_salt_is_used_once_and_the_password_is_not_in_it():
    assert scram_verifier(PASSWORD) != scram_verifier(PASSWORD)
    assert "pencil" not in scram_verifier(PASSWORD)


def test_a_password_that_needs_saslprep_is_refused():
    with pytest.raises(UnicodeEncodeError):
        scram_verifier("Bleistift ß" * 5)


def test_a_password_that_could_be_guessed_is_refused():
    with pytest.raises(ValueError, match="shorter"):
        scram_verifier("pencil")
