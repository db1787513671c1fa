"""Move tenants, and drain servers."""

from collections.abc import Iterator
from contextlib import contextmanager

from trially.auth.platform.permissions import PlatformPermission
from trially.platform.kinds import Outcome, Task, kind
from trially.platform.move_options import to_move_options
from trially.platform.reporting import Report
from trially.tenancy.catalog import Operation
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.moving.draining import NotEmptiedError, move_off, tenants_on
from trially.tenancy.lifecycle.moving.moves import move_back, move_tenant
from trially.tenancy.lifecycle.moving.progress import MoveProgress, progressed
from trially.tenancy.servers.registering import drain_server
from trially.terminal import plural


def _outcome_of_moving(operation: Operation) -> Outcome:
    parameters = operation.parameters
    names = ("from", "to", "result")
    return Outcome({name: parameters[name] for name in names if name in parameters})


@kind("tenant.move", PlatformPermission.TENANTS_MOVE, outcome_of=_outcome_of_moving)
def move(task: Task, report: Report) -> Outcome:
    """Move a tenant to another tier or server."""
    asked = task.parameters
    options = to_move_options(asked)
    tier = Tier(asked["tier"]) if asked["tier"] else None
    report.say("check")
    with _reporting_moves(report):
        return _outcome_of_moving(move_tenant(task.tenant, tier, asked["server"], options))


@kind("tenant.move_back", PlatformPermission.TENANTS_MOVE, outcome_of=_outcome_of_moving)
def back(task: Task, report: Report) -> Outcome:
    """Move a tenant back to the placement that it left last."""
    report.say("check")
    with _reporting_moves(report):
        return _outcome_of_moving(move_back(task.tenant, to_move_options(task.parameters)))


@kind("server.drain", PlatformPermission.SERVERS_DRAIN)
def drain(task: Task, report: Report) -> Outcome:
    """Stop placing tenants on a server, and move its tenants if asked."""
    name = task.parameters["server"]
    drain_server(name, is_draining=True)
    if not task.parameters["moves_tenants"]:
        return Outcome({"server": name, "tenants": []})
    tenants, drained = tenants_on(name), []
    report.say("move", 0, len(tenants), "tenants")
    for each in move_off(tenants, to_move_options(task.parameters)):
        drained.append(vars(each))
        report.say("move", len(drained), len(tenants), "tenants")
    failed = [each["tenant"] for each in drained if each["error"] is not None]
    if failed:
        first = next(each["error"] for each in drained if each["error"] is not None)
        raise NotEmptiedError(
            f"{plural(len(failed), 'tenant')} could not be moved: {', '.join(failed[:20])}."
            f" The first one: {first}"
        )
    return Outcome({"server": name, "tenants": drained[:1000]})


@kind("server.resume", PlatformPermission.SERVERS_DRAIN)
def resume(task: Task, report: Report) -> Outcome:
    """Place tenants on a drained server again."""
    report.say("resume")
    drain_server(task.parameters["server"], is_draining=False)
    return Outcome({"server": task.parameters["server"]})


@contextmanager
def _reporting_moves(report: Report) -> Iterator[None]:
    """Say how far a move is while the block runs."""

    def say(progress: MoveProgress) -> None:
        report.say(progress.phase, progress.bytes, progress.expected_bytes, "bytes")

    with progressed.connected_to(say):
        yield
