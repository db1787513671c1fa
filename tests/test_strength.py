"""Weak secrets stop the start; random ones of the required length never do."""

import secrets
import string

import pytest

from trially.config.safety import SECRET_BITS, TOKEN_BITS
from trially.config.strength import EXAMPLES, PREDICTABLE, weakness_of

WEAK = [
    "x" * 40,
    " " * 40,
    "\t" * 40,
    "ab" * 20,
    "a1" * 32,
    "abcd" * 12,
    "x" * 39 + "y",
    "0" * 39 + "1",
    "f3a1" * 8,
    "abc123" * 8,
    "0123456789abcdef" * 2,
    "1234567890" * 4,
    "9876543210" * 4,
    "abcdefghijklmnopqrstuvwxyz012345",
    "zyxwvutsrqponmlkjihgfedcba543210",
    "qwertyuiopasdfghjklzxcvbnm123456",
    "QWERTYUIOPASDFGHJKLZXCVBNM123456",
    "1q2w3e4r5t6y7u8i9o0p1q2w3e4r5t6y7u8i",
    "aabbccddeeffgghhiijjkkllmmnnoopp",
    "00112233445566778899aabbccddeeff",
    "AAAABBBBCCCCDDDDEEEEFFFFGGGGHHHH",
    "a a a a a a a a a a a a a a a a a a a a",
    "deadbeef" * 4,
    "password" * 5,
    "Passw0rd!" * 4,
    "anotherkey" * 4,
    "changeme-changeme-changeme-changeme",
    "please-change-me-in-production-please",
    "your-secret-key-goes-here-your-secret-key",
    "django-insecure-k3v8s0d9f7g6h5j4k3l2z1x0c9v8b7n6",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    "the quick brown fox jumps over the lazy dog",
    "correct horse battery staple correct horse",
    "trially-production-secret-key-2026",
    "thisisaverylongsecretkeyforproduction",
    "jT0yHq9mVw2xRb7LkZc4Nf8sPd1uGe6A\n",
    " jT0yHq9mVw2xRb7LkZc4Nf8sPd1uGe6A",
    "jT0yHq9mVw2xRb7L\x00kZc4Nf8sPd1uGe6A",
]


@pytest.mark.parametrize("secret", WEAK)
def test_a_weak_secret_is_refused_without_being_quoted(secret):
    weakness = weakness_of(secret, min_bits=SECRET_BITS)

    assert weakness
    assert secret not in weakness


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_published_example_is_refused(example):
    assert weakness_of(f"{example}-{secrets.token_urlsafe(32)}", min_bits=SECRET_BITS)


@pytest.mark.parametrize("word", sorted(set(PREDICTABLE.split())))
def test_a_repeated_word_is_refused(word):
    assert weakness_of(word * (40 // len(word) + 1), min_bits=SECRET_BITS)


@pytest.mark.parametrize(
    ("make", "bits"),
    [
        (lambda: secrets.token_urlsafe(48), SECRET_BITS),
        (lambda: secrets.token_urlsafe(24), SECRET_BITS),
        (lambda: secrets.token_hex(32), SECRET_BITS),
        (lambda: "".join(secrets.choice(string.ascii_letters) for _ in range(32)), SECRET_BITS),
        (lambda: secrets.token_urlsafe(16), TOKEN_BITS),
        (lambda: secrets.token_hex(16), TOKEN_BITS),
    ],
)
def test_random_secrets_pass(make, bits):
    refused = [
        secret for secret in (make() for _ in range(200)) if weakness_of(secret, min_bits=bits)
    ]

    assert refused == []
