"""Every resource has an example, and every example is one that the API accepts."""

from typing import Any

import pytest
from examples import CHANGED, EXAMPLES, MISSING, create_all, create_another, new_word
from flask import Flask
from members import Member
from werkzeug.test import TestResponse

from trially.database.model import TenantModel
from trially.database.rows import table_of
from trially.resources.resource import RESOURCES

WITHOUT_RESOURCE = {
    "api_key_use",
    "audit_alert_position",
    "audit_alert_rule",
    "audit_form",
    "audit_pruning",
    "audit_record",
    "audit_seal",
    "audit_subject",
    "backfill_progress",
    "bulk_export",
    "canary",
    "criterion",
    "daily_usage",
    "document_page",
    "erased_patient",
    "idempotency_key",
    "import_binary",
    "import_deferral",
    "imported_record",
    "job_file_part",
    "match_clock",
    "match_frame",
    "match_leaf",
    "match_subject",
    "medication",
    "member_site",
    "organisation_consent",
    "provisioning_setting",
    "scim_group_user",
    "patient_hold",
    "patient_identifier",
    "patient_search_term",
    "quota_use",
    "record_coding",
    "record_deletion",
    "registry_record",
    "study_document_page",
    "study_document_part",
    "tenant_branding",
    "tenant_logo",
    "tenant_setting",
    "value_set_expansion",
    "webhook_event",
    "webhook_state",
}
"""Tables whose rows the API does not show by themselves."""


def test_every_resource_has_an_example() -> None:
    for resource in RESOURCES:
        assert resource.name in EXAMPLES, MISSING.format(name=resource.name)
    assert {resource.name for resource in RESOURCES} == set(EXAMPLES)


def test_every_table_has_a_resource() -> None:
    reached = {table_of(resource.model).name for resource in RESOURCES}
    for name in TenantModel.metadata.tables.keys() - reached - WITHOUT_RESOURCE:
        pytest.fail(
            f"The table {name} has no Resource. The API finds it only in a module called `routes`."
        )


@pytest.fixture(scope="module")
def ids(shared_member: Member) -> dict[str, str]:
    """One row of each resource. Each test adds one of its own."""
    return create_all(shared_member)


@pytest.mark.parametrize("prefix", ["", "/{slug}"])
@pytest.mark.parametrize("name", [name for name in EXAMPLES if EXAMPLES[name].can_be_posted])
def test_a_creation_says_where_the_record_is(
    app: Flask, shared_member: Member, ids: dict[str, str], name: str, prefix: str
) -> None:
    example, word = EXAMPLES[name], new_word()
    start = prefix.format(slug=shared_member.tenant.slug)
    key = {"Idempotency-Key": new_word().replace(" ", "-")}
    options: dict[str, Any] = (
        {"data": example.upload(word), "content_type": "application/ndjson"}
        if example.upload
        else {"json": example.body and example.body(ids, word)}
    )

    def send(method: str, path: str, **sent: Any) -> TestResponse:
        token = {"Authorization": f"Bearer {shared_member.token}"}
        sent["headers"] = token | sent.get("headers", {})
        return app.test_client().open(path, method=method, **sent)

    path = f"{start}/api/v1{example.path}{example.query}"
    created = send("POST", path, headers=key, **options)
    again = send("POST", path, headers=key, **options)

    where = f"{start}/api/v1{example.path}/{created.json['id']}"
    assert created.status_code == 201, created.text
    assert created.headers["Location"] == where
    found = send("GET", where)
    assert found.json["id"] == created.json["id"]
    if "Idempotency-Replayed" in again.headers:
        assert again.headers["Location"] == where
    else:
        assert name in {"import", "api_key"}


@pytest.mark.parametrize("name", [name for name in EXAMPLES if EXAMPLES[name].can_be_created])
def test_an_example_can_be_created_read_and_changed(
    shared_member: Member, ids: dict[str, str], name: str
) -> None:
    example = EXAMPLES[name]
    ids = create_another(shared_member, ids, name)
    listed = example.path.format(**ids)
    path = f"{listed}/{ids[f'{name}_id']}"

    assert shared_member.get(path).status_code == 200
    assert ids[f"{name}_id"] in shared_member.get(f"{listed}?limit=200").text
    if name in CHANGED:
        changed = shared_member.patch(path, json=example.change)
        assert changed.status_code == 200, changed.text
        assert example.change.items() <= changed.json.items()
