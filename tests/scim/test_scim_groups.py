"""Groups, as identity providers create, find, change and delete them."""

from typing import Any
from uuid import uuid4

from identity_providers import IdentityProvider, created, error_of, group, shown

from trially.scim import group_rows


def members_of(provider: IdentityProvider, group_id: str) -> list[str]:
    found = shown(provider.get(f"/Groups/{group_id}"))
    return [each["value"] for each in found.get("members", ())]


def test_a_group_is_created_found_replaced_and_deleted(provider: IdentityProvider) -> None:
    ann, bob = provider.add_user("ann"), provider.add_user("bob")
    answer = provider.post("/Groups", group("Nurses", ann, externalId="00g1"))
    nurses = created(answer)

    assert (nurses["displayName"], nurses["externalId"]) == ("Nurses", "00g1")
    [member] = nurses["members"]
    assert (member["value"], member["type"]) == (ann, "User")
    assert member["$ref"].endswith(f"/scim/v2/Users/{ann}")
    assert answer.headers["Location"] == nurses["meta"]["location"]
    path = f"/Groups/{nurses['id']}"
    assert shown(provider.get(path)) == nurses
    assert "members" not in shown(
        provider.get(path, query_string={"excludedAttributes": "members"})
    )
    for other in (group("NURSES"), group("nurses")):
        assert error_of(provider.post("/Groups", other)) == (409, "uniqueness")

    filters = {
        'displayName eq "nurses"': 1,
        'externalId eq "00g1"': 1,
        f'members.value eq "{ann}"': 1,
        f'members[value eq "{bob}"]': 0,
        f'id eq "{nurses["id"]}" and members eq "{ann}"': 1,
    }
    for query, count in filters.items():
        found = shown(provider.get("/Groups", query_string={"filter": query}))
        assert found["totalResults"] == count, query
    assert error_of(provider.get("/Groups", query_string={"filter": 'a eq "b"'})) == (
        *(400,),
        "invalidFilter",
    )

    replaced = provider.put(path, group("Sisters", bob), headers={"If-Match": "*"})
    assert shown(replaced)["displayName"] == "Sisters"
    assert members_of(provider, nurses["id"]) == [bob]
    stale = {"If-Match": answer.headers["ETag"]}
    assert error_of(provider.put(path, group("X"), headers=stale)) == (412, None)
    assert error_of(provider.delete(path, headers=stale)) == (412, None)
    assert provider.delete(path).status_code == 204
    for missing in (path, f"/Groups/{uuid4()}"):
        assert error_of(provider.get(missing)) == (404, None)
        assert error_of(provider.delete(missing)) == (404, None)


def test_members_are_added_and_removed(provider: IdentityProvider) -> None:
    ann, bob, eve = (provider.add_user(word) for word in ("ann", "bob", "eve"))
    group_id = provider.add_group("Nurses")
    path = f"/Groups/{group_id}"

    def patch(*operations: Any) -> list[str]:
        shown(provider.patch(path, *operations))
        return members_of(provider, group_id)

    def values(*ids: str) -> list[dict[str, str]]:
        return [{"value": each} for each in ids]

    assert patch({"op": "Add", "path": "members", "value": values(ann, bob)}) == [ann, bob]
    assert patch({"op": "add", "path": "members", "value": values(ann)}) == [ann, bob]
    assert patch({"op": "remove", "path": f'members[value eq "{ann}"]'}) == [bob]
    assert patch({"op": "remove", "path": f'members[value eq "{ann}"]'}) == [bob]
    assert patch({"op": "add", "value": {"members": values(eve)}}) == [bob, eve]
    # Microsoft Entra ID removes members by a value.
    assert patch({"op": "Remove", "path": "members", "value": values(bob)}) == [eve]
    assert patch({"op": "replace", "path": "members", "value": values(ann)}) == [ann]
    both = (
        {"op": "add", "path": "members", "value": values(bob)},
        {"op": "remove", "path": f'members[value eq "{ann}"]'},
    )
    assert patch(*both) == [bob]
    # Okta renames a group by an object with its id.
    renamed = {"op": "replace", "value": {"id": group_id, "displayName": "Sisters"}}
    assert patch(renamed) == [bob]
    assert shown(provider.get(path))["displayName"] == "Sisters"
    assert patch({"op": "remove", "path": "members"}) == []


def test_a_patch_is_applied_as_a_whole(provider: IdentityProvider) -> None:
    ann = provider.add_user("ann")
    group_id = provider.add_group("Nurses", ann)
    path = f"/Groups/{group_id}"
    removed = {"op": "remove", "path": f'members[value eq "{ann}"]'}

    refused = (
        ({"op": "move", "path": "members"}, "invalidValue"),
        ({"op": "add", "path": "members", "value": [{"value": str(uuid4())}]}, "invalidValue"),
        ({"op": "add", "path": "members", "value": [{"value": "no id"}]}, "invalidValue"),
        (
            {"op": "add", "path": "members", "value": [{"value": ann, "type": "Group"}]},
            "invalidValue",
        ),
        ({"op": "remove"}, "noTarget"),
        ({"op": "replace", "path": "id", "value": "x"}, "mutability"),
        ({"op": "remove", "path": "displayName"}, "mutability"),
        ({"op": "replace", "path": "members[", "value": []}, "invalidPath"),
        ({"op": "remove", "path": f"members[{'(' * 900}a pr{')' * 900}]"}, "invalidPath"),
        ({"op": "add", "value": {f"members[{'(' * 11}a pr{')' * 11}]": []}}, "invalidPath"),
        ({"op": "replace", "value": {"id": str(uuid4()), "displayName": "X"}}, "mutability"),
    )
    for operation, keyword in refused:
        assert error_of(provider.patch(path, removed, operation)) == (400, keyword), operation
        assert members_of(provider, group_id) == [ann]
    assert error_of(provider.patch(path, *[removed] * 501)) == (400, "tooMany")
    assert error_of(provider.request("PATCH", path, {})) == (400, "invalidSyntax")
    assert error_of(provider.request("PATCH", path, {"Operations": [1]})) == (400, "invalidSyntax")


def test_a_group_has_a_bounded_number_of_members(
    provider: IdentityProvider, monkeypatch: Any
) -> None:
    monkeypatch.setattr(group_rows, "MOST_MEMBERS", 1)
    ann, bob = provider.add_user("ann"), provider.add_user("bob")
    group_id = provider.add_group("Nurses", ann)

    assert error_of(provider.post("/Groups", group("All", ann, bob))) == (400, "tooMany")
    joined = {"op": "add", "path": "members", "value": [{"value": bob}]}
    assert error_of(provider.patch(f"/Groups/{group_id}", joined)) == (400, "tooMany")


def test_changes_of_members_are_recorded(provider: IdentityProvider) -> None:
    ann = provider.add_user("ann")
    group_id = provider.add_group("Nurses")
    joined = {"op": "add", "path": "members", "value": [{"value": ann}]}
    shown(provider.patch(f"/Groups/{group_id}", joined))

    [entry] = [
        each
        for each in provider.owner.get("/audit").json["data"]
        if each["route"] == "PATCH /api/v1/scim/v2/Groups/{scim_group_id}"
    ]

    [change] = [each for each in entry["changes"] if each["table"] == "scim_group_user"]
    assert change["row_id"] == group_id
    assert ann in str(change)
