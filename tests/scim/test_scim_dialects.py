"""What Okta and Microsoft Entra ID send, word for word."""

from identity_providers import IdentityProvider, created, shown

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def test_entra_id(provider: IdentityProvider) -> None:
    """As Microsoft's tutorial "Develop and plan provisioning for a SCIM endpoint" shows."""
    ann = created(
        provider.post(
            "/Users",
            {
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
                "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
                "userName": "Test_User_ab6490ee@clinic.example",
                "active": True,
                "emails": [{"primary": True, "type": "work", "value": "Test_User@clinic.example"}],
                "meta": {"resourceType": "User"},
                "name": {
                    "formatted": "givenName familyName",
                    "familyName": "familyName",
                    "givenName": "givenName",
                },
                "roles": [],
                ENTERPRISE: {"department": "Oncology"},
            },
        )
    )
    path = f"/Users/{ann['id']}"
    query = {"filter": 'userName eq "Test_User_ab6490ee@clinic.example"'}
    assert shown(provider.get("/Users", query_string=query))["totalResults"] == 1

    changed = shown(
        provider.patch(
            path,
            {
                "op": "Replace",
                "path": 'emails[type eq "work"].value',
                "value": "updated@clinic.example",
            },
            {"op": "Replace", "path": "name.familyName", "value": "updated"},
            {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "Nursing"},
            {"op": "Add", "path": 'phoneNumbers[type eq "work"].value', "value": "+1 555"},
        )
    )
    assert changed["emails"] == [
        {"primary": True, "type": "work", "value": "updated@clinic.example"}
    ]
    assert changed["name"]["familyName"] == "updated"
    assert ENTERPRISE not in changed
    home = {"op": "Add", "path": 'emails[type eq "home"].value', "value": "home@clinic.example"}
    assert len(shown(provider.patch(path, home))["emails"]) == 2
    assert (
        shown(provider.patch(path, {"op": "Replace", "path": "active", "value": "False"}))["active"]
        is False
    )
    assert shown(provider.patch(path, {"op": "Replace", "value": {"active": "True"}}))["active"]
    several = {"op": "replace", "value": {"displayName": "Ann", "name.givenName": "Ann"}}
    found = shown(provider.patch(path, several))
    assert (found["displayName"], found["name"]["givenName"]) == ("Ann", "Ann")

    group = created(
        provider.post(
            "/Groups",
            {
                "schemas": [
                    "urn:ietf:params:scim:schemas:core:2.0:Group",
                    "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group",
                ],
                "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159",
                "displayName": "displayName",
                "meta": {"resourceType": "Group"},
            },
        )
    )
    path = f"/Groups/{group['id']}"
    member = [{"$ref": None, "value": ann["id"]}]
    provider.patch(path, {"op": "Add", "path": "members", "value": member})
    assert [each["value"] for each in shown(provider.get(path))["members"]] == [ann["id"]]
    provider.patch(path, {"op": "Remove", "path": "members", "value": member})
    assert "members" not in shown(provider.get(path))
    provider.patch(path, {"op": "Remove", "path": "members", "value": member})
    nameless = provider.patch(path, {"op": "Remove", "path": "members", "value": [{"value": None}]})
    assert (nameless.status_code, nameless.json["scimType"]) == (400, "invalidValue")
    renamed = {"op": "Replace", "path": "displayName", "value": "Renamed"}
    assert shown(provider.patch(path, renamed))["displayName"] == "Renamed"


def test_okta(provider: IdentityProvider) -> None:
    """As Okta's reference of the SCIM protocol shows."""
    query = {"filter": 'userName eq "ann@clinic.example"', "startIndex": 1, "count": 100}
    empty = shown(provider.get("/Users", query_string=query))
    assert (empty["totalResults"], empty["Resources"]) == (0, [])
    sent = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "ann@clinic.example",
        "name": {"givenName": "Ann", "familyName": "Lee"},
        "emails": [{"primary": True, "value": "ann@clinic.example", "type": "work"}],
        "displayName": "Ann Lee",
        "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [],
        "password": "1mz050nq",
        "active": True,
    }
    ann = created(provider.post("/Users", sent))
    path = f"/Users/{ann['id']}"

    replaced = shown(provider.put(path, {**ann, "active": False}))
    assert replaced["active"] is False
    assert shown(provider.patch(path, {"op": "replace", "value": {"active": True}}))["active"]

    group = created(
        provider.post(
            "/Groups",
            {
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                "displayName": "Test SCIMv2",
                "members": [],
            },
        )
    )
    path = f"/Groups/{group['id']}"
    renamed = {"op": "replace", "value": {"id": group["id"], "displayName": "Test SCIMv20"}}
    assert shown(provider.patch(path, renamed))["displayName"] == "Test SCIMv20"
    members = [{"value": ann["id"], "display": "ann@clinic.example"}]
    shown(provider.patch(path, {"op": "add", "path": "members", "value": members}))
    shown(
        provider.patch(
            path,
            {"op": "remove", "path": f'members[value eq "{ann["id"]}"]'},
            {"op": "add", "path": "members", "value": members},
        )
    )
    assert len(shown(provider.get(path))["members"]) == 1
    filtered = {"filter": 'displayName eq "Test SCIMv20"'}
    assert shown(provider.get("/Groups", query_string=filtered))["totalResults"] == 1
