"""Which versions can be changed, and how changes of a study's versions take turns."""

from uuid import UUID

from trially.database.rows import Item, lock_item
from trially.http.codes import Code
from trially.http.problems import Conflict
from trially.recruiting.protocols.versions.model import VersionStatus
from trially.recruiting.studies.model import Study

EDITABLE = frozenset({VersionStatus.DRAFT, VersionStatus.IN_REVIEW})


def lock_study(study_id: UUID) -> None:
    """Let other transactions that change versions of a study wait for this one."""
    lock_item(Study, study_id, ("id",))


def refuse_frozen(version: Item) -> None:
    """Answer 409 for a version that never changes."""
    if version["status"] not in EDITABLE:
        raise Conflict(
            f"Version {version['number']} is {version['status']}, so it never changes. Create a"
            " version that is copied from it.",
            code=Code.VERSION_FROZEN,
        )


def refuse_status(version: Item, needed: VersionStatus) -> None:
    """Answer 409 for a version that has another status than the transition begins with."""
    refuse_frozen(version)
    if version["status"] != needed:
        raise Conflict(f"Version {version['number']} is {version['status']}, and not {needed}.")
