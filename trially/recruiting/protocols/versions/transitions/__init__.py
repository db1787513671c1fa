"""The way of a version: draft, in review, active, superseded. Each transition is one transaction.

An active or superseded version never changes: `locking.refuse_frozen` says so to clients, and a
trigger of the database to everybody.
"""

from typing import Any
from uuid import UUID

from blinker import Signal
from sqlalchemy import func, select

from trially.auth.identity import current_identity
from trially.database.rows import (
    Item,
    fetch_items,
    of_current_tenant,
    table_of,
    update_item,
)
from trially.http.codes import Code
from trially.http.problems import Conflict
from trially.recruiting.protocols.versions.checking import hindrances_of
from trially.recruiting.protocols.versions.criteria import stored_criteria
from trially.recruiting.protocols.versions.model import ProtocolVersion, VersionStatus
from trially.recruiting.protocols.versions.proposals.undecided import undecided_of
from trially.recruiting.studies.sites.activation import today

protocol_activated = Signal()
"""Sent with the id of a study in the transaction that activates a version of its protocol.

`version_id` is the version, and `former_id` the one that it supersedes, or None. A receiver that
works long enqueues a job.
"""

_columns = table_of(ProtocolVersion).c


def approval_of(version: Item) -> dict[str, Any]:
    """Return the values of a version that the caller activates.

    Answers 409 if its criteria are not ready. The version that was active before is superseded.
    """
    hindrances = [
        *hindrances_of(stored_criteria(version["id"])),
        *undecided_of(version["id"]),
    ]
    if hindrances:
        raise Conflict(
            f"Version {version['number']} cannot be activated.",
            code=Code.VERSION_NOT_READY,
            errors=hindrances,
        )
    return {
        "status": VersionStatus.ACTIVE,
        "effective_on": version["effective_on"] or today(),
        "approved_by": current_identity().subject,
        "approved_at": func.now(),
    }


def supersede_active(study_id: UUID) -> UUID | None:
    """Supersede the active version of a study, and return its id, or None if there is none."""
    statement = select(_columns.id).where(
        of_current_tenant(ProtocolVersion),
        _columns.study_id == study_id,
        _columns.status == VersionStatus.ACTIVE,
    )
    active = next((row["id"] for row in fetch_items(statement)), None)
    if active is not None:
        update_item(ProtocolVersion, active, {"status": VersionStatus.SUPERSEDED}, ("id",))
    return active
