"""The fields and query parameters that schemas of rows with custom values have."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from marshmallow import Schema, ValidationError, pre_load

from trially.http.fields import EXAMPLE, OpenObject, Scalar, Text
from trially.phi import MEMBERS
from trially.recruiting.custom_fields.choices import CustomResource
from trially.recruiting.custom_fields.definitions import hidden_names
from trially.recruiting.custom_fields.model import NAME
from trially.recruiting.custom_fields.values import LONGEST_TEXT

# Whatever else a client sends is an unknown parameter, whose name no audit record repeats.
_FILTER = re.compile(rf"custom(?:\.(?P<dotted>{NAME})|\[(?P<bracketed>{NAME})\])\Z")
_DESCRIPTION = (
    "Values of the tenant's own fields, by name: see `/custom-fields`. A field that is not set is"
    " absent. In a merge patch, null removes a value."
)
_FILTER_DESCRIPTION = (
    "Values that custom fields must have: `custom.NAME=VALUE`, or `custom[NAME]=VALUE`."
)


def custom_values(resource: CustomResource) -> OpenObject:
    """Return the field of the custom values of a resource. Only those of patients are masked."""
    is_masked = resource is CustomResource.PATIENT
    return OpenObject(
        Scalar(allow_none=True),
        hidden=partial(hidden_names, resource) if is_masked else None,
        metadata={**(MEMBERS if is_masked else {}), "description": _DESCRIPTION, EXAMPLE: {}},
    )


def searched_custom_values() -> OpenObject:
    """Return the member of a search with the custom values that patients must have."""
    description = "Values that custom fields must have."
    return OpenObject(Scalar(), metadata={"description": description, EXAMPLE: {}})


class CustomFiltersSchema(Schema):
    """Filters of a list by custom fields."""

    custom = OpenObject(
        Text(LONGEST_TEXT),
        metadata={"description": _FILTER_DESCRIPTION, EXAMPLE: {"cohort": "A"}},
    )

    @pre_load
    def gather(self, query: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        """Return the query with its custom filters as one object."""
        gathered: dict[str, Any] = {}
        for name, value in query.items():
            found = _FILTER.match(name)
            if found is None:
                gathered[name] = value
            elif isinstance(filters := gathered.setdefault("custom", {}), dict):
                field = found["dotted"] or found["bracketed"]
                if field in filters:
                    raise ValidationError({"custom": {field: ["Must occur once."]}})
                filters[field] = value
        return gathered
