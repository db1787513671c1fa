"""Routes of the doctor."""

from sqlalchemy import select

from trially.auth.platform.permissions import PlatformPermission, requires_platform
from trially.http.contract import returns, returns_later
from trially.platform.asking import Item, ask
from trially.platform.findings.schema import FindingsSchema
from trially.platform.operations.schema import OperationSchema
from trially.platform.paths import OPERATIONS
from trially.platform.routes import bp
from trially.request_cycle.platform import reading
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.tasks.model import PlatformTask, TaskState

EXAMINE = "installation.examine"
NOTHING = {"checks": 0, "errors": 0, "warnings": 0, "findings": []}


@bp.get("/doctor")
@requires_platform(PlatformPermission.PLATFORM_READ)
@returns(FindingsSchema())
def show_findings() -> Item:
    """Show what the doctor has found when this API last let it examine the installation.

    Findings do not change by themselves: examine again after a repair.
    """
    return reading(_last_findings)


@bp.post("/doctor")
@requires_platform(PlatformPermission.DOCTOR_RUN)
@returns_later(OperationSchema(), OPERATIONS)
def examine_installation() -> Item:
    """Let the doctor compare every server and database with a new installation.

    The operation is done also if problems were found: `GET` on the same path shows them.
    """
    return ask(EXAMINE, {})


def _last_findings() -> Item:
    statement = (
        select(PlatformTask)
        .where(PlatformTask.kind == EXAMINE, PlatformTask.state == TaskState.DONE)
        .order_by(PlatformTask.id.desc())
        .limit(1)
    )
    with catalog_transaction() as session:
        task = session.scalar(statement)
    if task is None:
        return {"examined_at": None, "operation": None, **NOTHING}
    return {"examined_at": task.ended_at, "operation": task.id, **(task.result or NOTHING)}
