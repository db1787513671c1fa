"""What an audit record says of its kind: route, action, purpose, PHI level and fields."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from uuid import UUID

import orjson


class Action(StrEnum):
    """What was done; after the interactions of FHIR's REST API where it has one."""

    READ = "read"
    """One record was shown."""
    SEARCH = "search"
    """A list was shown, or searched."""
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    IMPORT = "import"
    EXPORT = "export"
    REFUSE = "refuse"
    """A request was refused."""
    OPERATE = "operate"
    """A command or job worked with records."""


class Purpose(StrEnum):
    """Why, as a code of HL7's PurposeOfUse."""

    RESEARCH = "CLINTRCH"
    """Clinical trial research: what members use trially for."""
    OPERATION = "HSYSADMIN"
    """System administration: commands, jobs and support."""
    COMPLIANCE = "HCOMPL"
    """Health compliance: someone reads the audit log."""
    PATIENT_REQUEST = "PATRQT"
    """A patient asked who saw the patient's data."""


@dataclass(frozen=True)
class Form:
    """What records of one kind have in common."""

    route: str
    action: Action
    purpose: Purpose
    phi_level: str | None = None
    fields: tuple[str, ...] = ()

    @cached_property
    def id(self) -> UUID:
        """A digest of the form as a UUID of version 8: equal forms have the same id everywhere."""
        digest = bytearray(hashlib.sha256(self.content.encode()).digest()[:16])
        digest[6] = digest[6] & 0x0F | 0x80  # version 8: custom
        digest[8] = digest[8] & 0x3F | 0x80
        return UUID(bytes=bytes(digest))

    @cached_property
    def id_text(self) -> str:
        """The id as text, which each record holds."""
        return str(self.id)

    @cached_property
    def content(self) -> str:
        """The form as JSON."""
        return orjson.dumps(
            [self.route, self.action, self.purpose, self.phi_level, self.fields]
        ).decode()

    @cached_property
    def fields_json(self) -> str:
        """The fields as a JSON array."""
        return orjson.dumps(self.fields).decode()
