"""Whatever is sent to a route, it is answered, and never with a crash."""

import json
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from examples import (
    PREPARED,
    ROUTES,
    body_for,
    contract_for,
    create_all,
    routes_with_body,
    url_for,
)
from fuzzing import fuzzed
from hypothesis import given
from hypothesis import strategies as st
from members import AsMember, MakeTenant, Member

from trially.auth.roles import Role

bounded = fuzzed(25)

BODIES = {rule.endpoint: rule for rule in routes_with_body()}
READ = {rule.endpoint: rule for rule, method in ROUTES if method == "GET"}

STRANGE = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        1.5,
        1e308,
        2**63,
        -(2**63) - 1,
        10**40,
        "",
        " ",
        "\x00",
        "\ud800",
        "%",
        "_",
        "\\",
        "'",
        '"',
        "0000-00-00",
        "0001-01-01",
        "9999-12-31",
        "2000-01-01",
        "1850-01-01",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2020-02-30T25:61:61Z",
        "2020-01-01T00:00:00+24:00",
        "2020-01-01T00:00:00,5Z",
        "NCT00000001",
        "NaN",
        "Infinity",
        "x" * 5000,
        "female",
        "active",
        "recruiting",
        "phase_1",
        "\u202e",
        "\ufeff",
        "é",
        "😀",
        str(UUID(int=0)),
        str(uuid4()),
        "{" + str(uuid4()) + "}",
        "urn:uuid:" + str(uuid4()),
        [],
        {},
        [[]],
        [None],
        {"": None},
        {"a": {"b": []}},
        [[[[[[[[]]]]]]]],
    ]
)
ANYTHING = st.recursive(
    STRANGE | st.text(max_size=8) | st.integers() | st.dates().map(str) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


def bodies(names: list[str]) -> st.SearchStrategy[Any]:
    known = st.dictionaries(st.sampled_from(names), ANYTHING, max_size=6)
    return (
        known | st.dictionaries(st.sampled_from(names) | st.text(max_size=5), ANYTHING) | ANYTHING
    )


@pytest.fixture(scope="module")
def shared_member(make_tenant: MakeTenant, as_member: AsMember) -> Member:
    """Return an owner, who may do everything."""
    return as_member(make_tenant(), role=Role.OWNER)


@pytest.fixture(scope="module")
def ids(shared_member: Member) -> dict[str, str]:
    return create_all(shared_member)


@pytest.mark.parametrize("endpoint", sorted(BODIES))
@bounded
@given(drawn=st.data())
def test_any_body_is_answered(
    shared_member: Member, ids: dict[str, str], endpoint: str, drawn: st.DataObject
) -> None:
    rule = BODIES[endpoint]
    contract = contract_for(rule)
    assert contract.body is not None
    body = drawn.draw(bodies(sorted(contract.body.fields)))
    if isinstance(body, dict) and drawn.draw(st.booleans()):
        body = body_for(rule, ids) | body
    [method] = (rule.methods or set()) & {"PATCH", "POST", "PUT"}
    if endpoint == "erasures.erase_patient":
        ids = {**ids, **PREPARED[endpoint](shared_member, ids)}

    answer = shared_member.request(
        method,
        url_for(rule, ids),
        data=json.dumps(body),
        headers={"Content-Type": contract.body_types[0], "If-Match": "*"},
    )

    assert answer.status_code in {200, 201, 400, 409, 413, 422}, answer.text


@bounded
@given(body=st.binary(max_size=200))
def test_any_bytes_are_answered(shared_member: Member, body: bytes) -> None:
    answer = shared_member.post("/patients", data=body, content_type="application/json")

    assert answer.status_code in {400, 422}


@pytest.mark.parametrize(
    "endpoint",
    sorted(READ),
)
@bounded
@given(drawn=st.data())
def test_any_query_is_answered(
    shared_member: Member, ids: dict[str, str], endpoint: str, drawn: st.DataObject
) -> None:
    rule = READ[endpoint]
    contract = contract_for(rule)
    names = sorted(contract.query.fields) if contract.query else ["limit"]
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    value = STRANGE.map(str) | text
    pairs = drawn.draw(st.lists(st.tuples(st.sampled_from(names) | text, value), max_size=3))
    query = "&".join(
        f"{quote(name)}={quote(value.encode('utf-8', 'surrogatepass'))}" for name, value in pairs
    )
    raw = drawn.draw(st.just("") | st.text(st.characters(max_codepoint=255), max_size=5))

    answer = shared_member.get(url_for(rule, ids), environ_overrides={"QUERY_STRING": query + raw})

    expected = {200, 400, 404} | ({409} if contract.may_conflict else set())
    assert answer.status_code in expected, answer.text


@bounded
@given(
    path=st.text(st.characters(max_codepoint=0x2FF), max_size=20),
    value=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40),
)
def test_any_path_and_headers_are_answered(shared_member: Member, path: str, value: str) -> None:
    headers = {"X-Request-ID": value, "X-Tenant-ID": value, "Accept": value, "Content-Type": value}

    found = shared_member.get("/api/v1/" + quote(path), headers=headers)
    refused = shared_member.get("/me", headers=headers)
    unauthorized = shared_member.get("/me", headers={"Authorization": value})

    assert found.status_code in ({308, 403, 404} if path else {200})
    assert refused.status_code == 403
    assert unauthorized.status_code == 401
