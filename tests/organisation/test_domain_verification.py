"""A domain brands something only while it is shown to be the tenant's, and is never another's."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from imitation_dns import ImitationDns, imitation_dns
from members import AsMember, Member
from owners import OwnerIn
from sqlalchemy import update

from trially import create_app
from trially.auth.roles import Role
from trially.config import Settings
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db, transaction
from trially.jobs.kinds import JobError
from trially.jobs.model import Job
from trially.jobs.wakeups import wake_after_commit
from trially.jobs.worker import Worker
from trially.organisation.branding import proofs, verifying
from trially.organisation.model import TenantDomain
from trially.organisation.public.branding import DEFAULT, PublicBranding
from trially.state import state_of
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.context import tenant_context

PATH = "/settings/branding"
Verify = Callable[[Member], dict[str, Any]]


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[ImitationDns]:
    monkeypatch.setattr(proofs, "DNS_SECONDS", 0.5)
    monkeypatch.setattr(proofs, "read_text", lambda *_: None)
    with imitation_dns() as server:
        yield server


@pytest.fixture
def worker_app(settings: Settings, dns: ImitationDns) -> Flask:
    """An app whose worker asks the imitation."""
    return create_app(replace(settings, dns_servers=(dns.address,)))


@pytest.fixture
def work(worker_app: Flask, app: Flask) -> Callable[[], int]:
    def run() -> int:
        done = Worker(worker_app, threads=1).run_due()
        state_of(app).public_branding = PublicBranding()
        return done

    return run


@pytest.fixture
def verify(work: Callable[[], int]) -> Verify:
    def run(owner: Member) -> dict[str, Any]:
        asked = owner.post(f"{PATH}/verify-domain")
        assert asked.status_code == 200, asked.json
        work()
        return dict(owner.get(PATH).json["domain_state"])

    return run


def take(owner: Member, domain: str, product_name: str = "Own name") -> dict[str, Any]:
    answer = owner.patch(PATH, json={"domain": domain, "product_name": product_name})
    assert answer.status_code == 200, answer.json
    return dict(answer.json["domain_state"]["proof"])


def name_at(app: Flask, domain: str) -> str:
    answer = app.test_client().get("/api/v1/branding", query_string={"domain": domain})
    return str(answer.json["product_name"])


def test_a_domain_brands_nothing_before_it_is_verified(
    app: Flask, owner_in: OwnerIn, tier: Tier, dns: ImitationDns, verify: Verify
) -> None:
    owner = owner_in(tier)
    domain = f"{owner.tenant.slug}.org"
    proof = take(owner, domain.upper())

    assert verify(owner)["failure"] == "no_proof"
    assert name_at(app, domain) == DEFAULT["product_name"]

    dns.records[proof["record"]] = ["v=spf1 -all", proof["text"]]
    state = verify(owner)
    assert (state["is_verified"], state["failure"]) == (True, None)
    assert proof["record"] == f"_trially.{domain}" == dns.asked[-1]
    assert name_at(app, domain) == name_at(app, f"{domain.upper()}.") == "Own name"
    assert name_at(app, f"www.{domain}") == DEFAULT["product_name"]


def test_a_domain_is_never_given_to_a_second_tenant(
    app: Flask, owner_in: OwnerIn, dns: ImitationDns, verify: Verify, worker_app: Flask
) -> None:
    first, second = owner_in(Tier.POOLED_ROWS), owner_in(Tier.POOLED_ROWS)
    proofs_of = [take(first, "shared.org", "First"), take(second, "shared.org", "Second")]
    dns.records["_trially.shared.org"] = [proof["text"] for proof in proofs_of]
    assert proofs_of[0]["text"] != proofs_of[1]["text"]
    assert verify(first)["is_verified"]

    refused = verify(second)

    assert (refused["is_verified"], refused["failure"]) == (False, "taken")
    assert name_at(app, "shared.org") == "First"
    assert second.get(PATH).json["domain_state"]["expires_at"] is None

    _expire(app, first)
    assert verify(second)["is_verified"]
    assert name_at(app, "shared.org") == "Second"
    assert verify(first)["failure"] == "taken"


def test_a_domain_whose_proof_is_gone_ends(
    app: Flask, owner: Member, dns: ImitationDns, verify: Verify, work: Callable[[], int]
) -> None:
    proof = take(owner, "gone.org")
    dns.records[proof["record"]] = [proof["text"]]
    assert verify(owner)["is_verified"]

    dns.records.clear()
    state = verify(owner)
    assert (state["is_verified"], state["failure"]) == (True, "no_proof")
    assert name_at(app, "gone.org") == "Own name"

    _expire(app, owner)
    work()
    assert name_at(app, "gone.org") == DEFAULT["product_name"]
    state = verify(owner)
    assert (state["is_verified"], state["expires_at"]) == (False, None)


def test_it_is_verified_again_every_day_whoever_leaves(
    app: Flask,
    owner: Member,
    as_member: AsMember,
    dns: ImitationDns,
    verify: Verify,
    work: Callable[[], int],
) -> None:
    admin = as_member(owner.tenant, Role.ADMIN)
    proof = take(admin, "daily.org")
    dns.records[proof["record"]] = [proof["text"]]
    assert verify(admin)["is_verified"]
    before = len(dns.asked)
    assert work() == 0

    _let_a_day_pass(app, owner)
    work()

    assert len(dns.asked) == before + 1
    newest = owner.get("/jobs").json["data"][0]
    assert (newest["kind"], newest["member_id"]) == ("verify_domain", None)
    assert work() == 0


def test_a_verification_that_fails_is_tried_again_on_the_next_day(
    app: Flask,
    owner: Member,
    dns: ImitationDns,
    verify: Verify,
    work: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proof = take(owner, "again.org")
    dns.records[proof["record"]] = [proof["text"]]
    assert verify(owner)["is_verified"]
    asked = len(dns.asked)

    def fail(*_: object) -> None:
        raise JobError("Nothing works today.")

    with monkeypatch.context() as patched:
        patched.setattr(verifying, "find_proof", fail)
        _let_a_day_pass(app, owner)
        work()
    assert owner.get("/jobs").json["data"][0]["state"] == "failed"
    assert work() == 0

    _let_a_day_pass(app, owner)
    work()

    assert len(dns.asked) == asked + 1
    assert owner.get("/jobs").json["data"][0]["state"] == "done"


def test_a_domain_that_was_never_verified_is_not_looked_for_every_day(
    app: Flask, owner: Member, dns: ImitationDns, verify: Verify, work: Callable[[], int]
) -> None:
    take(owner, "never.org")
    assert verify(owner)["failure"] == "no_proof"
    asked = len(dns.asked)

    _let_a_day_pass(app, owner)
    work()

    assert len(dns.asked) == asked


def test_another_domain_is_another_proof(
    app: Flask, owner: Member, dns: ImitationDns, verify: Verify
) -> None:
    first = take(owner, "one.org")
    dns.records[first["record"]] = [first["text"]]
    assert verify(owner)["is_verified"]

    second = take(owner, "two.org")
    assert second["text"] != first["text"]
    assert owner.get(PATH).json["domain_state"]["is_verified"] is False
    dns.records[second["record"]] = [first["text"]]
    assert verify(owner)["failure"] == "no_proof"
    assert name_at(app, "one.org") == name_at(app, "two.org") == DEFAULT["product_name"]


def test_a_silent_server_is_said_to_be_so(owner: Member, dns: ImitationDns, verify: Verify) -> None:
    take(owner, "silent.org")
    dns.is_silent = True

    assert verify(owner)["failure"] == "unreachable"


def test_without_a_domain_nothing_is_verified(owner: Member) -> None:
    refused = owner.post(f"{PATH}/verify-domain")

    assert (refused.status_code, refused.json["code"]) == (409, "no_domain")


def test_asking_twice_waits_for_one_job(owner: Member) -> None:
    take(owner, "twice.org")
    first, second = (owner.post(f"{PATH}/verify-domain").json for _ in range(2))

    assert first["id"] == second["id"]


def _expire(app: Flask, owner: Member) -> None:
    with app.app_context(), catalog_transaction() as session:
        domain = session.get(TenantDomain, owner.tenant.id)
        assert domain is not None
        domain.expires_at = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)


def _let_a_day_pass(app: Flask, owner: Member) -> None:
    with app.app_context(), tenant_context(str(owner.tenant.id)), transaction():
        ended_at = table_of(Job).c.ended_at
        db.session.execute(
            update(table_of(Job))
            .where(of_current_tenant(Job), ended_at.is_not(None))
            .values(ended_at=ended_at - dt.timedelta(days=1, seconds=1))
        )
        wake_after_commit()
