"""The definitions of custom fields. The values are in a column of the rows that have them."""

from typing import Any

from sqlalchemy import CheckConstraint, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, MappedColumn, mapped_column

from trially.database.classes import REMOVED, Copied, Held, choice, classify
from trially.database.model import TenantModel, Timestamped, Versioned
from trially.database.protection import OF_MEMBERS, protect
from trially.database.since import since
from trially.recruiting.custom_fields.choices import CustomPhi, CustomResource, CustomType

REVISION = "0039"
"""The migration that adds the table, and the columns of values."""

LONGEST_NAME = 40
NAME = f"[a-z][a-z0-9_]{{0,{LONGEST_NAME - 1}}}"
"""The pattern of the name of a custom field."""

LONGEST_DESCRIPTION = 1_000


class CustomField(Timestamped, Versioned, TenantModel):
    """A tenant's own field of patients, studies or sites."""

    __tablename__ = "custom_field"

    resource: Mapped[CustomResource] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    """The key of the field's values. It never changes."""
    label: Mapped[str] = mapped_column(String(100))
    type: Mapped[CustomType] = mapped_column(String(10))
    choices: Mapped[list[str]] = mapped_column(server_default=text("'[]'::jsonb"))
    """What a value may be, if the type is `choice`."""
    description: Mapped[str | None] = mapped_column(Text)
    phi: Mapped[CustomPhi] = mapped_column(String(10))
    is_archived: Mapped[bool] = mapped_column(server_default=text("false"))
    """The field takes no new values. Those that are stored stay."""
    is_used: Mapped[bool] = mapped_column(server_default=text("false"))
    """A row has had a value, so the field cannot be deleted any more."""

    __table_args__ = (
        UniqueConstraint(
            "tenant_id",
            "resource",
            "name",
            info={"pointer": "/name", "detail": "There is a custom field of this name already."},
        ),
        CheckConstraint("resource IN ('patient', 'study', 'site')", name="resource"),
        CheckConstraint("type IN ('text', 'number', 'boolean', 'date', 'choice')", name="type"),
        CheckConstraint("phi IN ('none', 'identifier')", name="phi"),
        CheckConstraint("phi = 'none' OR resource = 'patient'", name="identifier"),
        {"info": since(REVISION)},
    )


def readable_values() -> MappedColumn[dict[str, Any]]:
    """Return the column of the values of rows that are not about patients, by field."""
    return mapped_column(JSONB, server_default=text("'{}'::jsonb"), info=since(REVISION))


classify(
    CustomField,
    {
        choice(CustomResource): "resource",
        choice(CustomType): "type",
        choice(CustomPhi): "phi",
        REMOVED: "name label choices description",
        Held.TECHNICAL: "is_archived is_used",
    },
    # The values of a masked clone are removed, and words of a tenant may say anything.
    Copied.UNMASKED,
)
protect(CustomField, {}, OF_MEMBERS)
