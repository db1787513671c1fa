"""Tenants with many patients, organisations, and their people."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Flask
from members import Member
from platform_rules import API_OF_ORGANISATIONS
from werkzeug.test import TestResponse

from trially.tenancy.catalog import Tenant

Counts = dict[tuple[str, str | None, str | None], tuple[int, int]]
"""At least and at most, by measure, study and value."""

AddPatients = Callable[..., Sequence[str]]
"""`add_patients(tenant, number, **values)` returns the ids of the new patients."""

OwnerOf = Callable[[Tenant], Member]
"""Returns a client of an owner of a tenant."""

RunJobs = Callable[[], int]
"""Runs all jobs that are due, and returns their number."""

Count = Callable[[Tenant], Sequence[str]]
"""Counts a tenant if that is due, and returns what was counted."""

MakeOlder = Callable[[Tenant], None]
"""Moves a tenant's counts eight days into the past."""


@dataclass
class Analyst:
    """An HTTP client of a person of organisations."""

    app: Flask
    token: str

    def get(self, path: str = "", **options: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return self.app.test_client().get(API_OF_ORGANISATIONS + path, headers=headers, **options)


@dataclass
class Network:
    """An organisation, with a client of one of its people."""

    id: str
    short_name: str
    analyst: Analyst

    def answer(self, day: str | None = None) -> TestResponse:
        query = {} if day is None else {"on": day}
        return self.analyst.get(f"/{self.id}/analytics", query_string=query)

    def sums(self, day: str | None = None) -> Counts:
        answer = self.answer(day)
        assert answer.status_code == 200, answer.text
        return counts_of(answer.json["sums"])


MakeNetwork = Callable[..., Network]
"""`make_network(*tenants)` makes an organisation that these tenants have joined."""


def counts_of(items: Sequence[dict[str, Any]]) -> Counts:
    return {
        (each["measure"], each["study"], each["value"]): (each["at_least"], each["at_most"])
        for each in items
    }


def accept(owner: Member, organisation_id: str) -> TestResponse:
    return owner.post(f"/sharing/{organisation_id}/join")
