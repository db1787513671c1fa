"""Routes that bring a version of a protocol from draft to activation."""

from uuid import UUID

from trially.auth.permissions import Permission, requires
from trially.database.rows import Item
from trially.http.contract import matches_versions, may_conflict, returns_version
from trially.http.etags import Versions
from trially.recruiting.protocols.versions.locking import refuse_status
from trially.recruiting.protocols.versions.model import VersionStatus
from trially.recruiting.protocols.versions.routes import (
    VERSIONS,
    bp,
    find_locked,
    shown_version,
)
from trially.recruiting.protocols.versions.schema import ProtocolVersionSchema
from trially.recruiting.protocols.versions.transitions import (
    approval_of,
    protocol_activated,
    supersede_active,
)
from trially.webhooks.emitting import emit
from trially.webhooks.model import EventType


@bp.post("/<int:version>/submit")
@requires(Permission.STUDIES_WRITE)
@matches_versions
@may_conflict
@returns_version(ProtocolVersionSchema())
def submit_version(study_id: UUID, version: int, versions: Versions | None) -> Item:
    """Submit a draft for review.

    Its criteria can still be changed, so that reviewers can correct and accept them.
    """
    found = find_locked(study_id, version)
    refuse_status(found, VersionStatus.DRAFT)
    return shown_version(
        VERSIONS.change(found["id"], versions, {"status": VersionStatus.IN_REVIEW})
    )


@bp.post("/<int:version>/reopen")
@requires(Permission.STUDIES_WRITE)
@matches_versions
@may_conflict
@returns_version(ProtocolVersionSchema())
def reopen_version(study_id: UUID, version: int, versions: Versions | None) -> Item:
    """Make a version in review a draft again.

    The criteria stay as they are, with their reviews.
    """
    found = find_locked(study_id, version)
    refuse_status(found, VersionStatus.IN_REVIEW)
    return shown_version(VERSIONS.change(found["id"], versions, {"status": VersionStatus.DRAFT}))


@bp.post("/<int:version>/activate")
@requires(Permission.STUDIES_APPROVE)
@matches_versions
@may_conflict
@returns_version(ProtocolVersionSchema())
def activate_version(study_id: UUID, version: int, versions: Versions | None) -> Item:
    """Activate a version that is in review, and supersede the active one.

    The caller approves it. A person must have reviewed each criterion with an expression, and have
    accepted or rejected each proposal, or the answer is 409 `version_not_ready`. From now on the
    version never changes.
    """
    found = find_locked(study_id, version)
    refuse_status(found, VersionStatus.IN_REVIEW)
    values = approval_of(found)
    former_id = supersede_active(study_id)
    active = VERSIONS.change(found["id"], versions, values)
    protocol_activated.send(study_id, version_id=active["id"], former_id=former_id)
    emit(EventType.VERSION_ACTIVATED, study_id=study_id, version=version)
    return shown_version(active)
