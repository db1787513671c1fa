"""A cursor is one that this list has given out to this tenant, or it is none."""

from itertools import cycle
from typing import Any
from urllib.parse import quote

import pytest
from fuzzing import fuzzed
from hypothesis import given
from hypothesis import strategies as st
from members import Member
from spelling import edits_of

ALL = 7


@pytest.fixture(scope="module")
def sites(shared_member: Member) -> list[str]:
    made = [shared_member.post("/sites", json={"name": f"Site {n}"}).json for n in range(ALL)]
    return [site["id"] for site in made]


@pytest.fixture(scope="module")
def cursor(shared_member: Member, sites: list[str]) -> str:
    return str(shared_member.get("/sites?limit=2").json["page"]["next"])


def ask(member: Member, cursor: bytes) -> Any:
    query = f"limit=2&cursor={quote(cursor, safe='')}"
    return member.get("/sites", environ_overrides={"QUERY_STRING": query})


@fuzzed(100)
@given(made_up=st.binary(min_size=1, max_size=80) | st.text(max_size=80).map(str.encode))
def test_what_was_never_given_out_is_refused(shared_member: Member, made_up: bytes) -> None:
    answer = ask(shared_member, made_up)

    assert answer.status_code == 400
    assert answer.json["type"] == "/problems/bad-request"


@fuzzed(150)
@given(drawn=st.data())
def test_an_edited_cursor_leads_nowhere_else(
    shared_member: Member, cursor: str, drawn: st.DataObject
) -> None:
    answer = ask(shared_member, drawn.draw(edits_of(cursor)).encode("latin-1"))

    # Spare bits of base64 give one signature several spellings.
    assert answer.status_code == 400 or answer.data == ask(shared_member, cursor.encode()).data


@fuzzed(30)
@given(limits=st.lists(st.integers(1, ALL + 1), min_size=1, max_size=4))
def test_pages_of_any_lengths_show_all_once_and_in_order(
    shared_member: Member, sites: list[str], limits: list[int]
) -> None:
    shown, cursor = [], ""
    for limit in cycle(limits):
        page = shared_member.get(f"/sites?limit={limit}{cursor}").json
        assert len(page["data"]) == min(limit, ALL - len(shown))
        shown += [site["id"] for site in page["data"]]
        if not page["page"]["has_more"]:
            break
        cursor = f"&cursor={quote(page['page']['next'])}"

    assert page["page"]["next"] is None
    assert shown == sites


@fuzzed(20)
@given(limit=st.integers(1, ALL - 1))
def test_another_tenants_cursor_is_one_that_was_never_made(
    shared_member: Member, sites: list[str], victim: Any, limit: int
) -> None:
    given_out = shared_member.get(f"/sites?limit={limit}").json["page"]["next"]
    headers = {"X-Request-ID": "same"}

    answers = [
        victim.member.get(f"/sites?cursor={quote(cursor)}", headers=headers)
        for cursor in (given_out, "x")
    ]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].data == answers[1].data
