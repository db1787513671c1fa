"""Estimate how hard a secret is to guess, and refuse weak ones.

The estimate is for a guesser who tries what people write: repetitions, sequences, keyboard rows,
common words and published examples. A random secret of the required length always passes.
"""

import math
import re
from collections import Counter

PREDICTABLE = (
    "abcdefghijklmnopqrstuvwxyzabc zyxwvutsrqponmlkjihgfedcbazyx 01234567890123 98765432109876 "
    "qwertyuiopasdfghjklzxcvbnm qwertzuiopasdfghjklyxcvbnm azertyuiopqsdfghjklmwxcvbn "
    "mnbvcxzlkjhgfdsapoiuytrewq 1q2w3e4r5t6y7u8i9o0p 1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p "
    "secret password passwort passwd admin administrator root user login welcome letmein "
    "key token trially test testing example default insecure development production "
    "please change dummy sample placeholder foobar lorem ipsum dolor sit amet monkey dragon "
    "thisis thatis very long strong random string super forour your with"
)
"""What a match of at least `SHORTEST_MATCH` characters costs a guesser as much as one character."""

EXAMPLES = (
    "changeme",
    "changethis",
    "changeit",
    "replaceme",
    "replacethis",
    "replacewith",
    "yoursecret",
    "yourkey",
    "yourtoken",
    "mysecret",
    "supersecret",
    "topsecret",
    "secretkeyhere",
    "secrethere",
    "insertsecret",
    "insertkey",
    "putyour",
    "djangoinsecure",
    "keyboardcat",
    "correcthorsebattery",
    "quickbrownfox",
    "neverusethis",
    "donotuse",
    "notsosecret",
    "thisisasecret",
    "thisisnotasecret",
    "todochange",
    "5f352379324c22463451387a0aec5d2f",
    "192b9bdd22ab9ed4d12e236c78afcb9a",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    "aswagger",
)
"""Published examples, without case and punctuation: of Flask, FastAPI and others."""

FEWEST_CHARACTERS = 8
"""The fewest different characters of a secret."""

SHORTEST_MATCH = 3
ALPHABETS = ((r"[0-9]", 10), (r"[a-f]", 6), (r"[g-z]", 20), (r"[A-F]", 6), (r"[G-Z]", 20))
OTHER_CHARACTERS = 16
"""The characters that a guesser tries besides letters and digits."""


def weakness_of(secret: str, *, min_bits: int) -> str | None:
    """Return what makes a secret weak, as a clause, or None if it is strong enough."""
    if secret != secret.strip() or not secret.isprintable():
        return "begins or ends with white space, or contains control characters"
    if any(example in re.sub(r"[^a-z0-9]", "", secret.lower()) for example in EXAMPLES):
        return "contains a published example"
    if len(set(secret)) < FEWEST_CHARACTERS or estimate_bits(secret) < min_bits:
        return "is easy to guess, because it repeats itself or is made of few characters"
    return None


def estimate_bits(secret: str) -> float:
    """Return the logarithm of the guesses that a secret needs, by a cautious estimate."""
    text = re.sub(r"\s", "", secret)
    if not text:
        return 0.0
    without_doubles = re.sub(r"(.)\1+", r"\1", text.lower())
    units = min(_count_units(text.lower()), _count_units(without_doubles))
    alphabet = sum(size for pattern, size in ALPHABETS if re.search(pattern, text))
    if re.search(r"[^A-Za-z0-9]", text):
        alphabet += OTHER_CHARACTERS
    return units * min(math.log2(max(alphabet, 1)), _entropy_per_character(text) * 1.2)


def _count_units(text: str) -> int:
    """Return the number of characters, counting each match as one.

    A match repeats an earlier part, or is a part of `PREDICTABLE`.
    """
    units = position = 0
    while position < len(text):
        length = 1
        known = PREDICTABLE + " " + text[:position]
        while position + length < len(text) and _is_known(text, position, length + 1, known):
            length += 1
        position += length if length >= SHORTEST_MATCH else 1
        units += 1
    return units


def _is_known(text: str, position: int, length: int, known: str) -> bool:
    part = text[position : position + length]
    # A repetition may overlap itself: `aaaa` repeats its first letter.
    return part in known or part in text[: position + length - 1]


def _entropy_per_character(text: str) -> float:
    """Return the Shannon entropy of a text's characters, in bits."""
    shares = [count / len(text) for count in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares)
