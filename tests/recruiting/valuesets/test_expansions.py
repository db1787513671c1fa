"""Expansions are sets of codes, whatever ranges and single codes they are made of."""

from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trially.recruiting.criteria.code_sets import CodeRange
from trially.recruiting.valuesets.expansions import Expansion, codes_from

SYSTEMS = ("urn:a", "urn:b")
UNIVERSE = [
    (system, code)
    for system in SYSTEMS
    for code in ("E1", "E10", "E11", "E11.0", "E11.6", "E11.65", "E11.9", "E12", "E2", "F", "Z99")
]

codings = st.sets(st.sampled_from(UNIVERSE))
ranges = st.lists(
    st.builds(
        codes_from, st.sampled_from(SYSTEMS), st.sampled_from(["E", "E1", "E11", "E11.6", "Z"])
    ),
    max_size=4,
)
expansions = st.builds(Expansion.of, codings, ranges)

in_any_time = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def members(expansion: Expansion) -> set[tuple[str, str]]:
    return {coding for coding in UNIVERSE if coding in expansion}


@in_any_time
@given(expansions, expansions)
def test_unions_and_differences_are_those_of_sets(one: Expansion, other: Expansion) -> None:
    assert members(one | other) == members(one) | members(other)
    assert members(one - other) == members(one) - members(other)


@in_any_time
@given(codings, ranges, st.randoms())
def test_one_set_has_one_form(
    codes: set[tuple[str, str]], parts: list[CodeRange], random: object
) -> None:
    expansion = Expansion.of(codes, parts)
    shuffled = Expansion.of(sorted(codes, reverse=True), [*reversed(parts), *parts])

    assert shuffled == expansion
    assert shuffled.digest == expansion.digest
    assert Expansion.from_json(expansion.as_json()) == expansion
    assert (expansion | expansion) == expansion
    assert (expansion - expansion).is_empty


@in_any_time
@given(expansions, expansions)
def test_the_digest_tells_sets_apart(one: Expansion, other: Expansion) -> None:
    assert (one.digest == other.digest) == (one == other)


@in_any_time
@given(expansions)
def test_ranges_hold_no_single_code_and_do_not_touch(expansion: Expansion) -> None:
    pairs = zip(expansion.ranges, expansion.ranges[1:], strict=False)
    assert all(a.system < b.system or a.high < b.low for a, b in pairs)
    assert not any(
        each.system == system and each.low <= code < each.high
        for each in expansion.ranges
        for system, code in expansion.codes
    )


@pytest.mark.parametrize(
    ("prefix", "inside", "outside"),
    [
        ("E11", ["E11", "E11.9", "E119", "E11.65"], ["E1", "E10.9", "E12", "e11"]),
        ("E1", ["E10", "E19.9"], ["E0", "E2", "E"]),
        ("C9", ["C90", "C99.ZZ"], ["C8", "D00"]),
        ("I1A", ["I1A.0"], ["I19", "I1B"]),
    ],
)
def test_a_prefix_is_a_range(prefix: str, inside: list[str], outside: list[str]) -> None:
    expansion = Expansion.of(ranges=[codes_from("urn:a", prefix)])

    assert [code for code in inside if ("urn:a", code) not in expansion] == []
    assert [code for code in outside if ("urn:a", code) in expansion] == []


def test_a_code_is_taken_out_of_a_range_alone() -> None:
    rest = Expansion.of(ranges=[codes_from("urn:a", "E11")]) - Expansion.of([("urn:a", "E11.6")])

    assert rest.ranges == (
        CodeRange("urn:a", "E11", "E11.6"),
        CodeRange("urn:a", "E11.6!", "E12"),
    )
    assert ("urn:a", "E11.65") in rest
    assert rest.systems_of("E11.65") == ["urn:a"]
    assert rest.systems_of("E11.6") == []


def test_ranges_are_in_the_order_of_bytes() -> None:
    """PostgreSQL compares codes so, with the collation C of the tenants' databases."""

    def in_bytes(codes: Iterable[str]) -> list[str]:
        return sorted(codes, key=str.encode)

    codes = ["E11", "E11.0", "E11.65", "E11!", "E12", "E119", "e11", "E1é"]
    assert sorted(codes) == in_bytes(codes)
