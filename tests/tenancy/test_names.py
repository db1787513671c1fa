import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trially.tenancy.names import RESERVED_SLUGS, InvalidSlugError, check_slug, opaque_name

SLUG = r"[a-z][a-z0-9-]{1,38}[a-z0-9]"


@given(st.from_regex(SLUG, fullmatch=True).filter(lambda slug: slug not in RESERVED_SLUGS))
def test_a_slug_is_accepted_as_it_is(slug):
    assert check_slug(slug) == slug


@given(st.text().filter(lambda text: not re.fullmatch(SLUG, text, re.ASCII)))
def test_anything_else_is_refused(text):
    with pytest.raises(InvalidSlugError):
        check_slug(text)


@pytest.mark.parametrize(
    "slug",
    [
        "ab",
        "a" * 41,
        "-acme",
        "acme-",
        "1acme",
        "Acme",
        "acmé",
        "acme\n",
        "a_b",
        "a b",
        "",
        "\u0430-b-c",
    ],
)
def test_close_misses_are_refused(slug):
    with pytest.raises(InvalidSlugError, match="is invalid"):
        check_slug(slug)


@pytest.mark.parametrize("slug", sorted(slug for slug in RESERVED_SLUGS if len(slug) > 2))
def test_words_of_our_own_are_reserved(slug):
    with pytest.raises(InvalidSlugError, match="is reserved"):
        check_slug(slug)


def test_opaque_names_are_random():
    names = {opaque_name() for _ in range(100)}

    assert len(names) == 100
    assert all(re.fullmatch(r"t_[0-9a-f]{12}", name) for name in names)
