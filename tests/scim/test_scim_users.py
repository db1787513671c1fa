"""Users, as identity providers create, find, change and delete them."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from identity_providers import IdentityProvider, created, error_of, shown, user
from members import Member

LONG_FILTER = " or ".join(['userName eq "a"'] * 80)


def test_a_user_is_created_and_shown(provider: IdentityProvider) -> None:
    sent = user(
        "Ann",
        externalId="00u1",
        displayName="Ann Lee",
        name={"givenName": "Ann", "familyName": "Lee"},
        title="Nurse",
    )
    answer = provider.post("/Users", sent)

    ann = created(answer)
    assert answer.mimetype == "application/scim+json"
    assert {name: ann[name] for name in sent} == sent
    assert ann["meta"]["resourceType"] == "User"
    assert ann["meta"]["location"].endswith(f"/api/v1/scim/v2/Users/{ann['id']}")
    assert answer.headers["Location"] == ann["meta"]["location"]
    assert answer.headers["ETag"] == ann["meta"]["version"]
    assert shown(provider.get(f"/Users/{ann['id']}")) == ann


def test_a_location_keeps_the_tenant_of_the_path(provider: IdentityProvider) -> None:
    slug = provider.member.tenant.slug
    client = provider.member.app.test_client()
    answer = client.post(
        f"/{slug}/api/v1/scim/v2/Users",
        json=user("ann"),
        headers={"Authorization": f"Bearer {provider.member.token}"},
    )

    assert f"/{slug}/api/v1/scim/v2/Users/" in created(answer)["meta"]["location"]


def test_what_is_not_kept_is_ignored(provider: IdentityProvider) -> None:
    enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    ann = created(
        provider.post(
            "/Users",
            user(
                "ann",
                **{enterprise: {"department": "Oncology"}},
                password="secret-4711",
                phoneNumbers=[{"value": "+1 608 555 0117"}],
                groups=[],
                id="mine",
            ),
        )
    )

    assert not {enterprise, "password", "phoneNumbers"} & ann.keys()
    assert ann["id"] != "mine"


def test_names_and_external_ids_are_unique(provider: IdentityProvider) -> None:
    provider.add_user("ann", externalId="00u1")
    bob_id = provider.add_user("bob")

    for other in (user("ANN"), user("eve", externalId="00u1")):
        assert error_of(provider.post("/Users", other)) == (409, "uniqueness")
        assert error_of(provider.put(f"/Users/{bob_id}", other)) == (409, "uniqueness")


FOUND = {
    'userName eq "ANN@clinic.example"': {"ann"},
    'USERNAME EQ "ann@clinic.example"': {"ann"},
    'urn:ietf:params:scim:schemas:core:2.0:User:userName eq "ann@clinic.example"': {"ann"},
    'externalId eq "00u2"': {"bob"},
    'externalId eq "00U2"': set(),
    'emails.value eq "Bob@Clinic.example"': {"bob"},
    'emails[value eq "bob@clinic.example"]': {"bob"},
    'emails eq "bob@clinic.example"': {"bob"},
    "active eq false": {"eve"},
    'externalId eq "00u1" or externalId eq "00u2"': {"ann", "bob"},
    'externalId eq "00u1" and active eq false': set(),
    '(externalId eq "00u1" or active eq false) and userName eq "eve@clinic.example"': {"eve"},
    'id eq "no-id"': set(),
    'userName eq "a\\u0000b"': set(),
    "userName eq 3": set(),
}
"""Filters, and the names of the users whom they find."""

REFUSED = (
    "",
    "userName",
    'userName co "a"',
    'not (userName eq "a")',
    "userName pr",
    'password eq "a"',
    'emails[type eq "work" and value eq "a"]',
    "(" * 21 + 'userName eq "a"' + ")" * 21,
    " or ".join(['userName eq "a"'] * 21),
    'id eq "a" and (id eq "b" or ' * 6 + 'id eq "c"' + ")" * 6,
)


def test_users_are_found_by_filters(provider: IdentityProvider) -> None:
    provider.add_user("ann", externalId="00u1")
    provider.add_user("bob", externalId="00u2")
    provider.add_user("eve", active=False)

    for query, names in FOUND.items():
        found = shown(provider.get("/Users", query_string={"filter": query}))

        assert {each["userName"].partition("@")[0] for each in found["Resources"]} == names, query
        assert found["totalResults"] == found["itemsPerPage"] == len(names)
    for query in REFUSED:
        answer = provider.get("/Users", query_string={"filter": query})

        assert error_of(answer) == (400, "invalidFilter"), query


def test_a_filter_has_a_bounded_length(provider: IdentityProvider) -> None:
    answer = provider.get("/Users", query_string={"filter": LONG_FILTER})

    assert error_of(answer) == (400, "invalidValue")


def test_lists_have_pages(provider: IdentityProvider) -> None:
    ids = [provider.add_user(name) for name in ("ann", "bob", "eve")]

    def page(**query: int) -> tuple[list[str], int, int]:
        body = shown(provider.get("/Users", query_string=query))
        assert body["totalResults"] == 3
        found = [each["id"] for each in body["Resources"]]
        return found, body["startIndex"], body["itemsPerPage"]

    assert page() == (ids, 1, 3)
    assert page(startIndex=2, count=1) == (ids[1:2], 2, 1)
    assert page(startIndex=-5, count=2) == (ids[:2], 1, 2)
    assert page(startIndex=9) == ([], 9, 0)
    assert page(count=0) == ([], 1, 0)
    assert page(count=-1) == ([], 1, 0)
    assert page(count=1_000_000) == (ids, 1, 3)
    for query in ({"count": "many"}, {"startIndex": 10**9}, {"unknown": "1"}):
        assert error_of(provider.get("/Users", query_string=query)) == (400, "invalidValue")


def test_answers_show_the_requested_attributes(provider: IdentityProvider) -> None:
    ann_id = provider.add_user("ann", externalId="00u1")

    def keys(**query: str) -> set[str]:
        return set(shown(provider.get(f"/Users/{ann_id}", query_string=query)))

    assert keys(attributes="userName") == {"schemas", "id", "userName"}
    assert keys(excludedAttributes="emails,meta,groups,active") == {
        *("schemas", "id", "userName", "externalId")
    }
    both = {"attributes": "userName", "excludedAttributes": "emails"}
    assert provider.get(f"/Users/{ann_id}", query_string=both).status_code == 400


def test_a_user_is_replaced(provider: IdentityProvider) -> None:
    ann_id = provider.add_user("ann", externalId="00u1", title="Nurse")

    answer = provider.put(f"/Users/{ann_id}", user("anna", active="False"))

    anna = shown(answer)
    assert (anna["userName"], anna["active"]) == ("anna@clinic.example", False)
    assert not {"externalId", "title"} & anna.keys()
    assert shown(provider.get(f"/Users/{ann_id}")) == anna


def test_versions_protect_changes(provider: IdentityProvider) -> None:
    ann_id = provider.add_user("ann")
    path = f"/Users/{ann_id}"
    version = provider.get(path).headers["ETag"]
    rename = {"op": "replace", "path": "displayName", "value": "Ann"}

    assert version.startswith('W/"')
    assert provider.get(path, headers={"If-None-Match": version}).status_code == 304
    changed = provider.patch(path, rename, headers={"If-Match": version})
    assert changed.headers["ETag"] not in (version, None)
    for answer in (
        provider.patch(path, rename, headers={"If-Match": version}),
        provider.put(path, user("ann"), headers={"If-Match": version}),
        provider.delete(path, headers={"If-Match": version}),
    ):
        assert error_of(answer) == (412, None)
    newest = changed.headers["ETag"]
    group_id = provider.add_group("Nurses", ann_id)
    assert error_of(provider.delete(path, headers={"If-Match": newest})) == (412, None)
    assert shown(provider.get(path))["groups"][0]["value"] == group_id
    assert provider.delete(path, headers={"If-Match": "*"}).status_code == 204


def test_a_deleted_user_is_gone(provider: IdentityProvider) -> None:
    ann_id = provider.add_user("ann")
    group_id = provider.add_group("Nurses", ann_id)
    version = provider.get(f"/Groups/{group_id}").headers["ETag"]

    assert provider.delete(f"/Users/{ann_id}").status_code == 204

    for path in (f"/Users/{ann_id}", f"/Users/{uuid4()}"):
        assert error_of(provider.get(path)) == (404, None)
        assert error_of(provider.put(path, user("ann"))) == (404, None)
        assert error_of(provider.delete(path)) == (404, None)
    group = provider.get(f"/Groups/{group_id}")
    assert "members" not in shown(group)
    assert group.headers["ETag"] != version
    provider.add_user("ann")


INVALID: Sequence[tuple[Any, str]] = (
    ([], "invalidSyntax"),
    ({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"]}, "invalidValue"),
    (user("ann", userName=""), "invalidValue"),
    (user("ann", userName="a" * 256), "invalidValue"),
    (user("ann", userName="a\u202eb"), "invalidValue"),
    (user("ann", userName=3), "invalidValue"),
    (user("ann", externalId="a\nb"), "invalidValue"),
    (user("ann", title="t" * 201), "invalidValue"),
    (user("ann", active="perhaps"), "invalidValue"),
    (user("ann", emails=[{"value": "no address"}]), "invalidValue"),
    (user("ann", emails=[{"value": f"a{n}@b.example"} for n in range(11)]), "tooMany"),
)


def test_invalid_users_are_refused(provider: IdentityProvider) -> None:
    for body, keyword in INVALID:
        assert error_of(provider.post("/Users", body)) == (400, keyword), body
    assert shown(provider.get("/Users"))["totalResults"] == 0


def test_bodies_have_a_media_type_of_json(provider: IdentityProvider) -> None:
    created(provider.post("/Users", user("ann"), content_type="application/json"))
    answer = provider.post("/Users", user("bob"), content_type="text/plain")
    assert error_of(answer) == (415, None)
    answer = provider.member.post("/scim/v2/Users", data=b"{", content_type="application/scim+json")
    assert error_of(answer) == (400, "invalidSyntax")


def test_errors_before_the_view_are_scim_too(provider: IdentityProvider, owner: Member) -> None:
    client = owner.app.test_client()

    for token in ("", "Bearer wrong", f"Bearer {provider.member.token[:-4]}aaaa"):
        answer = client.get("/api/v1/scim/v2/Users", headers={"Authorization": token})
        assert error_of(answer) == (401, None)
        assert "WWW-Authenticate" in answer.headers
    assert error_of(provider.get("/Bulk")) == (404, None)
    assert error_of(provider.request("PUT", "/Users", {})) == (405, None)


def test_changes_are_recorded(provider: IdentityProvider, owner: Member) -> None:
    ann_id = provider.add_user("ann")
    provider.patch(f"/Users/{ann_id}", {"op": "replace", "path": "title", "value": "Nurse"})

    records = owner.get("/audit").json["data"]
    by_route = {each["route"]: each for each in records if each["change_count"]}

    patched = by_route["PATCH /api/v1/scim/v2/Users/{scim_user_id}"]
    assert [(each["table"], each["row_id"]) for each in patched["changes"]] == [
        ("scim_user", ann_id)
    ]
    assert by_route["POST /api/v1/scim/v2/Users"]["changes"][0]["row_id"] == ann_id
