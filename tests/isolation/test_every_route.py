"""Every route of the API, asked about what is another tenant's, answers as if there were none."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from examples import (
    API,
    ROUTES,
    contract_for,
    ids_of_nothing,
    new_word,
    options_for,
    url_for,
)
from flask import Flask
from marshmallow import Schema, fields
from members import Member
from platform_rules import is_of_no_tenant
from populated_tenants import PopulatedTenant
from walls import Wall
from werkzeug.routing import Rule, UUIDConverter
from werkzeug.test import TestResponse

from trially.api import API_PREFIX

EMPTY_PAGE = {"data": [], "page": {"next": None, "has_more": False}}
NEVER_MADE = "never.made.cursor"


PARAMETERS = [pytest.param(rule, method, id=f"{method} {rule.rule}") for rule, method in ROUTES]


class Attacks:
    """All that can be named in a request to one route, by someone who knows the others' ids."""

    def __init__(
        self, rule: Rule, method: str, attacker: PopulatedTenant, victim: PopulatedTenant
    ) -> None:
        self.rule = rule
        self.method = method
        self.contract = contract_for(rule)
        self.attacker = attacker
        self.victim = victim
        self.nobodys = ids_of_nothing(victim.ids)
        self.word = new_word()

    def pairs(self) -> Iterator[tuple[str, TestResponse, TestResponse]]:
        """Yield what was attacked, the answer about victim, and the answer about nothing."""
        if any(isinstance(each, UUIDConverter) for each in self.rule._converters.values()):
            yield "path", self.ask(path=self.victim.ids), self.ask(path=self.nobodys)
        for name in self._references(self.contract.query):
            known, unknown = self.victim.ids[name], self.nobodys[name]
            yield f"query {name}", self.ask(query={name: known}), self.ask(query={name: unknown})
        for name in self._references(self.contract.body):
            known, unknown = self.victim.ids[name], self.nobodys[name]
            yield f"body {name}", self.ask(body={name: known}), self.ask(body={name: unknown})
        tenant = self.victim.member.tenant
        for name in ("id", "tenant_id", "tenant"):
            stranger = str(tenant.id)
            yield f"{name} in the query", *self._both(query=name, known=stranger)
            if self.contract.body is not None:
                yield f"{name} in the body", *self._both(body=name, known=stranger)
        for known in (str(tenant.id), tenant.slug):
            yield (
                "header",
                self.ask(headers={"X-Tenant-ID": known}),
                self.ask(headers={"X-Tenant-ID": "there-is-none"}),
            )
        for place in ("query", "body"):
            schema = getattr(self.contract, place)
            if schema is not None and "cursor" in schema.fields:
                cursor = self._their_cursor(place)
                yield (
                    f"cursor in the {place}",
                    self.ask(**{place: {"cursor": cursor}}),
                    self.ask(**{place: {"cursor": NEVER_MADE}}),
                )

    def ask(
        self,
        *,
        member: Member = None,
        path: Any = None,
        query: Any = None,
        body: Any = None,
        headers: Any = None,
    ) -> TestResponse:
        url = url_for(self.rule, path or self.attacker.ids)
        options = options_for(self.rule, self.attacker.ids, word=self.word, **(body or {}))
        options["headers"] = {"X-Request-ID": "fixed", "If-Match": "*", **(headers or {})}
        options["query_string"] = {**options.get("query_string", {}), **(query or {})}
        return (member or self.attacker.member).request(self.method, url, **options)

    def _both(self, *, known: str, query: str = "", body: str = "") -> Iterator[TestResponse]:
        for value in (known, str(uuid4())):
            yield self.ask(
                query={query: value} if query else None, body={body: value} if body else None
            )

    def _references(self, schema: Schema | None) -> list[str]:
        known = schema.fields.items() if schema else ()
        return [
            name for name, field in known if isinstance(field, fields.UUID) and not field.dump_only
        ]

    def _their_cursor(self, place: str) -> str:
        schema = getattr(self.contract, place)
        limit = {schema.fields["limit"].data_key or "limit": 1}
        answer = self.ask(member=self.victim.member, path=self.victim.ids, **{place: limit})
        if self.method == "HEAD":
            return NEVER_MADE
        if "link" in answer.json:  # a Bundle of FHIR
            [url] = [link["url"] for link in answer.json["link"] if link["relation"] == "next"]
            return parse_qs(urlsplit(url).query)["cursor"][0]
        assert answer.json["page"]["has_more"], "Both tenants need two of everything."
        return str(answer.json["page"]["next"])


def headers_of(answer: TestResponse) -> list[tuple[str, str]]:
    """All headers but the trace, which is by chance."""
    return sorted((name, value) for name, value in answer.headers if name != "traceparent")


@pytest.mark.usefixtures("short_refusal_delay")
@pytest.mark.parametrize(("rule", "method"), PARAMETERS)
def test_what_is_another_tenants_is_what_is_not_there(
    rule: Rule,
    method: str,
    attacker: PopulatedTenant,
    victim: PopulatedTenant,
    dump: Callable[[Any], Any],
    record_wall: Callable[..., None],
) -> None:
    before = dump(victim)
    assert before
    attacks = Attacks(rule, method, attacker, victim)

    pairs = list(attacks.pairs())

    if method == "GET":
        assert attacks.ask().status_code == 200
    assert pairs
    for attacked, answer, expected in pairs:
        assert answer.status_code == expected.status_code, attacked
        assert answer.data == expected.data, attacked
        assert headers_of(answer) == headers_of(expected), attacked
        if attacked.startswith(("path", "header")):
            assert answer.status_code == {"path": 404, "header": 403}[attacked]
        elif attacked.startswith("cursor"):
            assert answer.status_code == 400
        elif answer.status_code == 200:
            assert method == "HEAD" or answer.json in ({"count": 0}, EMPTY_PAGE)
        else:
            assert answer.status_code in {400, 404, 422}, attacked
    assert dump(victim) == before
    record_wall("requests another tenant's resources from every route", Wall.FILTER)
    record_wall("sends another tenant's id in a body or query", Wall.CONTRACT)
    if any(attacked.startswith("cursor") for attacked, *_ in pairs):
        record_wall("replays another tenant's cursor", Wall.ENCRYPTION)


def test_the_routes_attacked_are_those_of_the_app(app: Flask) -> None:
    def shape(rules: Any) -> set[tuple[str, str]]:
        return {
            (rule.rule, rule.endpoint)
            for rule in rules
            if rule.rule.startswith(API_PREFIX) and not is_of_no_tenant(rule)
        }

    assert shape(app.url_map.iter_rules()) == shape(API.url_map.iter_rules())


def test_the_same_upload_is_another_tenants_import(
    make_populated_tenant: Callable[[], Any], record_wall: Callable[..., None]
) -> None:
    first, second = make_populated_tenant().member, make_populated_tenant().member
    upload = b'{"resourceType": "Patient", "id": "p1", "name": [{"family": "Same"}]}\n'

    answers = [
        member.post("/imports?source=fhir", data=upload, content_type="application/ndjson")
        for member in (first, second)
    ]

    counts = [answer.json["counts"] for answer in answers]
    assert counts[0] == counts[1]
    assert answers[0].json["id"] != answers[1].json["id"]
    for member in (first, second):
        found = member.post("/patients/search", json={"family_name": "same"}).json["data"]
        assert len(found) == 1
    record_wall("uploads a file that another tenant has uploaded", Wall.FILTER)
