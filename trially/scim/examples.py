"""Media types of the SCIM routes, with schemas and examples for the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from trially.scim.answers import LIST_SCHEMA, Json
from trially.scim.problems import ERROR_SCHEMA, SCIM_TYPE

Media = Mapping[str, Mapping[str, Any]]

_CORE = "urn:ietf:params:scim:schemas:core:2.0"
USER_ID = "0192f0c1-7b3e-7cc1-9f53-2f6d2f1d7a10"
_GROUP_ID = "0192f0c1-7b3e-7cc1-9f53-2f6d2f1d7a11"
_NEW_USER: Json = {
    "schemas": [f"{_CORE}:User"],
    "userName": "noor@clinic.example",
    "externalId": "00u1a2b3",
    "name": {"givenName": "Noor", "familyName": "van den Berg"},
    "emails": [{"value": "noor@clinic.example", "type": "work", "primary": True}],
    "active": True,
}
_NEW_GROUP: Json = {
    "schemas": [f"{_CORE}:Group"],
    "displayName": "Coordinators",
    "members": [{"value": USER_ID}],
}
_PATCH: Json = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
    "Operations": [{"op": "replace", "path": "active", "value": False}],
}
_PATCH_OF_GROUP: Json = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
    "Operations": [{"op": "add", "path": "members", "value": [{"value": USER_ID}]}],
}


def _shown(resource: Json, kind: str, resource_id: str) -> Json:
    return resource | {"id": resource_id, "meta": {"resourceType": kind, "version": 'W/"1"'}}


def _media(kind: str, example: Json, *media_types: str) -> Media:
    described = {
        "schema": {
            "type": "object",
            "description": f"A SCIM 2.0 {kind}.",
            "properties": {"schemas": {"type": "array", "items": {"type": "string"}}},
            "required": ["schemas"],
            "additionalProperties": True,
        },
        "example": example,
    }
    return dict.fromkeys((SCIM_TYPE, *media_types), described)


def _list_of(*resources: Json) -> Json:
    return {
        "schemas": [LIST_SCHEMA],
        "totalResults": len(resources),
        "startIndex": 1,
        "itemsPerPage": len(resources),
        "Resources": list(resources),
    }


_JSON = "application/json"
USER_BODY = _media("User", _NEW_USER, _JSON)
GROUP_BODY = _media("Group", _NEW_GROUP, _JSON)
PATCH_BODY = _media("PatchOp", _PATCH, _JSON)
GROUP_PATCH_BODY = _media("PatchOp", _PATCH_OF_GROUP, _JSON)
USER = _media("User", _shown(_NEW_USER, "User", USER_ID))
GROUP = _media("Group", _shown(_NEW_GROUP, "Group", _GROUP_ID))
USERS = _media("ListResponse", _list_of(_shown(_NEW_USER, "User", USER_ID)))
GROUPS = _media("ListResponse", _list_of(_shown(_NEW_GROUP, "Group", _GROUP_ID)))
ERROR = _media(
    "Error",
    {
        "schemas": [ERROR_SCHEMA],
        "status": "409",
        "scimType": "uniqueness",
        "detail": "A record with this value already exists.",
    },
)
CONFIGURATION = _media(
    "ServiceProviderConfig",
    {"schemas": [f"{_CORE}:ServiceProviderConfig"], "patch": {"supported": True}},
)
_TYPE: Json = {"schemas": [f"{_CORE}:ResourceType"], "id": "User", "endpoint": "/Users"}
_SCHEMA: Json = {"schemas": [f"{_CORE}:Schema"], "id": f"{_CORE}:User", "name": "User"}
RESOURCE_TYPE = _media("ResourceType", _TYPE)
RESOURCE_TYPES = _media("ListResponse", _list_of(_TYPE))
SCHEMA = _media("Schema", _SCHEMA)
SCHEMAS = _media("ListResponse", _list_of(_SCHEMA))
