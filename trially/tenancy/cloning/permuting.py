"""Permute texts of one format: `MRN-0042` becomes `KXA-7719`, and no two texts become one.

A Feistel network over the numbers of the texts of a format, with HMAC-SHA-512 as the function of
its rounds. A result outside of the range is permuted again: cycle walking, as in NIST SP 800-38G.
"""

import string
from collections.abc import Sequence

from trially.keys.throwaway_keys import ThrowawayKey

ROUNDS = 10
_ALPHABETS = (string.digits, string.ascii_uppercase, string.ascii_lowercase)


def permute_text(key: ThrowawayKey, text: str) -> str:
    """Return another text of the same format: digits stay digits, and letters letters.

    A letter that is not in ASCII becomes one that is. All other characters stay.
    """
    alphabets = [_alphabet_of(character) for character in text]
    size, number = 1, 0
    for character, alphabet in zip(text, alphabets, strict=True):
        if alphabet is not None:
            size *= len(alphabet)
            number = number * len(alphabet) + _place(alphabet, character)
    permuted = permute_number(key, number, size, tweak=_shape(text, alphabets))
    written: list[str] = []
    for character, alphabet in zip(reversed(text), reversed(alphabets), strict=True):
        if alphabet is None:
            written.append(character)
        else:
            permuted, place = divmod(permuted, len(alphabet))
            written.append(alphabet[place])
    return "".join(reversed(written))


def permute_number(key: ThrowawayKey, number: int, size: int, tweak: bytes = b"") -> int:
    """Return the number in the place of another one, both from 0 to `size` - 1."""
    if size < 2:
        return number
    half = ((size - 1).bit_length() + 1) // 2
    mask = (1 << half) - 1
    while True:
        left, right = number >> half, number & mask
        for each in range(ROUNDS):
            left, right = right, left ^ (_round(key, each, right, tweak) & mask)
        number = left << half | right
        if number < size:
            return number


def _round(key: ThrowawayKey, number: int, value: int, tweak: bytes) -> int:
    message = number.to_bytes(1) + len(tweak).to_bytes(4) + tweak + value.to_bytes(128)
    return int.from_bytes(key.digest_bytes(message) * 2)


def _alphabet_of(character: str) -> str | None:
    for alphabet in _ALPHABETS:
        if character in alphabet:
            return alphabet
    return string.ascii_letters if character.isalnum() else None


def _place(alphabet: str, character: str) -> int:
    place = alphabet.find(character)
    return place if place >= 0 else ord(character) % len(alphabet)


def _shape(text: str, alphabets: Sequence[str | None]) -> bytes:
    """Return the format of a text. Letters that are not in ASCII belong to it."""
    return "".join(
        character if alphabet is None or not character.isascii() else alphabet[0]
        for character, alphabet in zip(text, alphabets, strict=True)
    ).encode()
