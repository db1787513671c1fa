"""A copy of a tenant tells nothing to the addresses of the other one."""

import json
from collections.abc import Callable
from typing import Any

from flask import Flask
from members import Member
from receivers import Receiver, work

from trially.state import state_of
from trially.tenancy.lifecycle.listing import get_tenant


def test_a_restored_copy_sends_nothing(
    app: Flask, owner: Member, receiver: Receiver, run_command: Callable[..., Any]
) -> None:
    body = {"url": receiver.url, "event_types": ["import.finished"]}
    webhook = owner.post("/webhooks", json=body).json
    waiting = owner.post(f"/webhooks/{webhook['id']}/test").json
    slug = f"{owner.tenant.slug}-copy"

    archived = run_command("tenants", "backup", owner.tenant.slug, "--json")
    [archive] = json.loads(archived.stdout)
    restored = run_command("tenants", "restore", archive["archive"], "--as", slug)
    assert restored.exit_code == 0, restored.output
    copy = _owner_of(app, owner, slug)
    work(app)

    shown = copy.get(f"/webhooks/{webhook['id']}").json
    assert (shown["is_enabled"], shown["disabled_reason"]) == (False, "copy")
    path = f"/webhooks/{webhook['id']}/deliveries/{waiting['id']}"
    assert copy.get(path).json["error"] == "endpoint_disabled"
    assert owner.get(path).json["state"] == "delivered"
    assert len(receiver.messages) == 1


def _owner_of(app: Flask, owner: Member, slug: str) -> Member:
    with app.app_context():
        tenant = get_tenant(slug)
    token = state_of(app).dev_issuer.issue_token(subject=owner.subject, tenant=slug)
    return Member(app.test_client(), token, tenant, owner.subject)
