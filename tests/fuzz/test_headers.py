"""Whatever text comes in a header, it is taken for what it says, or refused."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from fuzzing import fuzzed
from hypothesis import given
from hypothesis import strategies as st
from members import Member
from spelling import HEADER_TEXT, edits_of

NO_TOKEN = 'Bearer realm="trially"'
BAD_TOKEN = 'Bearer realm="trially", error="invalid_token"'
HEXADECIMAL = "0123456789abcdef"


def ask(member: Member, headers: Mapping[str, str], path: str = "/me", **options: Any) -> Any:
    """Send headers as they are: the client's own would refuse or mend some."""
    raw = {f"HTTP_{name.upper().replace('-', '_')}": text for name, text in headers.items()}
    return member.request(options.pop("method", "GET"), path, environ_overrides=raw, **options)


@pytest.fixture(scope="module")
def site(shared_member: Member) -> str:
    return f"/sites/{shared_member.post('/sites', json={'name': 'Main'}).json['id']}"


@fuzzed(100)
@given(scheme=st.sampled_from(["Bearer ", "bearer ", "BEARER  ", "Basic ", ""]), text=HEADER_TEXT)
def test_what_is_no_token_is_401(shared_member: Member, scheme: str, text: str) -> None:
    answer = ask(shared_member, {"Authorization": scheme + text})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] in {NO_TOKEN, BAD_TOKEN}


@fuzzed(200)
@given(drawn=st.data())
def test_an_edited_token_is_401(shared_member: Member, drawn: st.DataObject) -> None:
    token = drawn.draw(edits_of(shared_member.token))

    answer = ask(shared_member, {"Authorization": f"Bearer {token}"})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == BAD_TOKEN


@fuzzed(40)
@given(drawn=st.data())
def test_a_tenant_is_named_exactly_or_refused(
    shared_member: Member, victim: Any, drawn: st.DataObject
) -> None:
    names = {shared_member.tenant.slug, str(shared_member.tenant.id)}
    others = {victim.member.tenant.slug, str(victim.member.tenant.id)}
    known = st.sampled_from(sorted(names | others))
    named = drawn.draw(known | known.flatmap(edits_of) | HEADER_TEXT)

    answer = ask(shared_member, {"X-Tenant-ID": named})

    assert answer.status_code == (200 if named in names else 403)
    assert named in names or answer.json["detail"] == "You have no access to this tenant."


NEVER_STRONG = {"W/{etag}", '""', '"0"', '"x"', '"9999999999999999999"'}
TAGS = st.lists(st.sampled_from([*sorted(NEVER_STRONG), "{etag}"]), max_size=4) | st.lists(
    st.sampled_from(["*", "{etag}", "{bare}", "W/", ",", '"', " "]) | HEADER_TEXT, max_size=4
)


@pytest.mark.parametrize("separator", [",", ", ", ""])
@fuzzed(60)
@given(tags=TAGS)
def test_a_change_needs_the_version_that_is_there(
    shared_member: Member, site: str, separator: str, tags: list[str]
) -> None:
    etag = shared_member.get(site).headers["ETag"]
    text = separator.join(tags).replace("{etag}", etag).replace("{bare}", etag.strip('"'))

    answer = ask(
        shared_member,
        {"If-Match": text},
        site,
        method="PATCH",
        json={"city": "Bern"},
        content_type="application/merge-patch+json",
    )

    assert answer.status_code in {200, 412}
    if answer.status_code == 200:
        assert etag in text.replace(f"W/{etag}", "") or "*" in text or etag.strip('"') in text
        assert answer.headers["ETag"] != etag
    else:
        assert shared_member.get(site).headers["ETag"] == etag
    if separator and tags and set(tags) <= NEVER_STRONG | {"{etag}"}:
        assert answer.status_code == (200 if "{etag}" in tags else 412)


@fuzzed(100)
@given(tags=TAGS)
def test_what_is_known_is_not_sent_again(shared_member: Member, site: str, tags: list[str]) -> None:
    etag = shared_member.get(site).headers["ETag"]
    text = ",".join(tags).replace("{etag}", etag).replace("{bare}", etag.strip('"'))

    answer = ask(shared_member, {"If-None-Match": text}, site)

    assert answer.status_code in {200, 304}
    if answer.status_code == 304:
        assert "*" in text or etag.strip('"') in text
    if tags in (["*"], ["{etag}"], ["W/{etag}"]):
        assert answer.status_code == 304


@fuzzed(60)
@given(key=HEADER_TEXT | st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=250))
def test_a_key_is_visible_ascii_and_has_one_effect(shared_member: Member, key: str) -> None:
    body = {"name": str(uuid4())}
    usable = 0 < len(key) <= 255 and all("!" <= letter <= "~" for letter in key)

    # A path of its own keeps the keys of one example from those of another.
    first, second = (
        ask(shared_member, {"Idempotency-Key": key}, "/sites", method="POST", json=body)
        for _ in range(2)
    )

    if usable and first.status_code == 201:
        assert second.data == first.data
        assert second.headers["Idempotency-Replayed"] == "true"
    else:
        # The key came with another name before.
        assert {first.status_code, second.status_code} == {422 if usable else 400}


@fuzzed(200)
@given(drawn=st.data())
def test_a_trace_is_taken_up_if_it_is_one(shared_member: Member, drawn: st.DataObject) -> None:
    good = drawn.draw(
        st.from_regex(
            r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[a-z]*)?", fullmatch=True
        )
    )
    sent = drawn.draw(st.just(good) | edits_of(good) | HEADER_TEXT)

    answer = ask(shared_member, {"traceparent": sent})

    version, trace, span, flags = answer.headers["traceparent"].split("-")
    assert (version, len(trace), len(span), len(flags)) == ("00", 32, 16, 2)
    assert int(trace, 16) * int(span, 16) > 0
    assert (trace == trace_of(sent)) is (trace_of(sent) is not None)


def trace_of(sent: str) -> str | None:
    """Read the trace id of a `traceparent` as W3C Trace Context, section 3.2, says."""
    version, trace, span, flags, *more = [*sent.split("-"), "", "", ""][
        : max(4, sent.count("-") + 1)
    ]
    lengths = [len(part) for part in (version, trace, span, flags)]
    digits = set(version + trace + span + flags) <= set(HEXADECIMAL)
    if lengths != [2, 32, 16, 2] or not digits or version == "ff" or (more and version == "00"):
        return None
    return trace if int(trace, 16) and int(span, 16) else None


@fuzzed(60)
@given(sent=HEADER_TEXT | st.from_regex(r"[A-Za-z0-9._-]{1,66}", fullmatch=True))
def test_a_request_keeps_its_usable_name(shared_member: Member, sent: str) -> None:
    name = ask(shared_member, {"X-Request-ID": sent}).headers["X-Request-ID"]

    usable = re.fullmatch(r"[A-Za-z0-9._-]{1,64}", sent) is not None
    assert (name == sent) is usable
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name)
