"""What this server can do: RFC 7643, sections 5 to 7."""

from flask import Response
from scim2_models import Context

from trially.http.problems import NotFound
from trially.scim.answers import Json, answer, answer_list, url_of
from trially.scim.resources import Group, User
from trially.scim.schema import MOST_COUNT

_CORE = "urn:ietf:params:scim:schemas:core:2.0"
_MODELS = (User, Group)


def show_configuration() -> Response:
    """Answer with the capabilities of this server."""
    supported, unsupported = {"supported": True}, {"supported": False}
    return answer(
        {
            "schemas": [f"{_CORE}:ServiceProviderConfig"],
            "patch": supported,
            "bulk": {**unsupported, "maxOperations": 0, "maxPayloadSize": 0},
            "filter": {**supported, "maxResults": MOST_COUNT},
            "changePassword": unsupported,
            "sort": unsupported,
            "etag": supported,
            "authenticationSchemes": [
                {
                    "type": "oauthbearertoken",
                    "name": "API key",
                    "description": "An API key of the tenant with the scope members:provision.",
                    "primary": True,
                }
            ],
            "meta": {
                "resourceType": "ServiceProviderConfig",
                "location": url_of("ServiceProviderConfig"),
            },
        }
    )


def list_resource_types() -> Response:
    """Answer with the types of resources."""
    types = [_resource_type(each) for each in _MODELS]
    return answer_list(types, len(types), 1)


def show_resource_type(name: str) -> Response:
    """Answer with a type of resources, or 404."""
    for model in _MODELS:
        if model.__name__ == name:
            return answer(_resource_type(model))
    raise NotFound("There is no such resource type.")


def list_schemas() -> Response:
    """Answer with the schemas of the resources."""
    schemas = [_schema(each) for each in _MODELS]
    return answer_list(schemas, len(schemas), 1)


def show_schema(urn: str) -> Response:
    """Answer with a schema, or 404."""
    for model in _MODELS:
        if str(model.__schema__).lower() == urn.lower():
            return answer(_schema(model))
    raise NotFound("There is no such schema.")


def _resource_type(model: type[User | Group]) -> Json:
    name = model.__name__
    return {
        "schemas": [f"{_CORE}:ResourceType"],
        "id": name,
        "name": name,
        "endpoint": f"/{name}s",
        "description": (model.__doc__ or "").partition("\n")[0],
        "schema": str(model.__schema__),
        "meta": {"resourceType": "ResourceType", "location": url_of(f"ResourceTypes/{name}")},
    }


def _schema(model: type[User | Group]) -> Json:
    described: Json = model.to_schema().model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
    return described | {
        "meta": {"resourceType": "Schema", "location": url_of(f"Schemas/{model.__schema__}")}
    }
