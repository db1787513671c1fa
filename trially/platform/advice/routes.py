"""Routes of the advice where tenants should live."""

from sqlalchemy import select

from trially.auth.platform.permissions import PlatformPermission, requires_platform
from trially.http.contract import returns, returns_later
from trially.platform.advice.schema import AdviceSchema
from trially.platform.asking import Item, ask
from trially.platform.operations.schema import OperationSchema
from trially.platform.paths import OPERATIONS
from trially.platform.routes import bp
from trially.request_cycle.platform import reading
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.tasks.model import PlatformTask, TaskState

ADVISE = "tenants.advise"
NOTHING = {"moves": [], "has_more": False, "refused": [], "unplaced": [], "missing": []}


@bp.get("/advice")
@requires_platform(PlatformPermission.PLATFORM_READ)
@returns(AdviceSchema())
def show_advice() -> Item:
    """Show which tenants should move where, as it was advised last.

    Advice does not change by itself: ask for it again after a move. Each move was checked then.
    """
    return reading(_last_advice)


@bp.post("/advice")
@requires_platform(PlatformPermission.TENANTS_MOVE)
@returns_later(OperationSchema(), OPERATIONS)
def advise_moves() -> Item:
    """Find out which tenants should move where, and check each move.

    No tenant is moved. `GET` on the same path shows what was found.
    """
    return ask(ADVISE, {})


def _last_advice() -> Item:
    statement = (
        select(PlatformTask)
        .where(PlatformTask.kind == ADVISE, PlatformTask.state == TaskState.DONE)
        .order_by(PlatformTask.id.desc())
        .limit(1)
    )
    with catalog_transaction() as session:
        task = session.scalar(statement)
    if task is None:
        return {"advised_at": None, "operation": None, **NOTHING}
    return {"advised_at": task.ended_at, "operation": task.id, **(task.result or NOTHING)}
