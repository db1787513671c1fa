"""Migrate and back up tenants, and examine the installation."""

import datetime as dt
from contextlib import nullcontext
from dataclasses import asdict

from trially.auth.platform.permissions import PlatformPermission
from trially.doctor import CONNECTIONS
from trially.doctor.examining import doctor_of, run_in_parallel
from trially.doctor.findings import Finding, Level
from trially.doctor.fleet import read_fleet
from trially.errors import OperatorError
from trially.platform.kinds import Outcome, Task, kind
from trially.platform.reporting import Report
from trially.tenancy.archives.backup_runs import one_at_a_time, remove_unfinished
from trially.tenancy.archives.backups import Backup, BackupOptions, back_up_many, slugs_to_back_up
from trially.tenancy.archives.places import default_place
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.migrating.planning import RunOptions
from trially.tenancy.migrating.progress import Progress
from trially.tenancy.migrating.running import migrate_tenants
from trially.tenancy.migration_runs import RunState
from trially.terminal import plural

BACKED_UP_AT_ONCE = 2
MOST_FINDINGS = 500
LONGEST_TEXT = 500
"""Characters of a finding. A remedy may be the definition of a function."""


class NotMigratedError(OperatorError):
    """A run of migrations has not migrated all of its tenants."""


class NotBackedUpError(OperatorError):
    """Some tenants could not be backed up."""


@kind("tenants.migrate", PlatformPermission.MIGRATIONS_RUN)
def migrate(task: Task, report: Report) -> Outcome:
    """Migrate the tables of tenants."""
    asked = task.parameters
    options = RunOptions(
        slugs=tuple(asked["tenants"]),
        canaries=tuple(asked["canaries"]),
        wave_size=asked["wave_size"],
        workers=asked["workers"],
        stop_at=asked["stop_at_failures"],
    )

    def watch(progress: Progress) -> None:
        report.say(progress.stage or "check", len(progress.ended), progress.total, "places")

    report.say("check")
    progress = migrate_tenants(options, watch=watch, wait=lambda: report.say("wait"))
    counts = {
        "state": str(progress.state),
        "migrated": len(progress.migrated),
        "at_target": progress.at_target,
        "failed": len(progress.failed),
        "skipped": len(progress.skipped),
    }
    if progress.state is not RunState.DONE:
        raise NotMigratedError(
            f"The run is {progress.state}: {counts['migrated']} places were migrated,"
            f" {counts['failed']} failed, and {counts['skipped']} were left alone. The newest run"
            " of `/migrations` says why."
        )
    return Outcome(counts)


@kind("tenants.back_up", PlatformPermission.BACKUPS_RUN)
def back_up(task: Task, report: Report) -> Outcome:
    """Write an archive of each tenant."""
    named, hours = task.parameters["tenants"], task.parameters["unless_newer_hours"]
    younger = None if hours is None else dt.timedelta(hours=hours)
    options, done = BackupOptions(default_place()), list[Backup]()
    with nullcontext() if named else one_at_a_time():
        slugs = [get_tenant(each).slug for each in named] or slugs_to_back_up(younger)
        remove_unfinished(options.place)
        report.say("back up", 0, len(slugs), "tenants")
        for each in back_up_many(slugs, options, BACKED_UP_AT_ONCE):
            done.append(each)
            report.say("back up", len(done), len(slugs), "tenants")
    if failed := [each for each in done if each.error is not None]:
        raise NotBackedUpError(
            f"{plural(len(failed), 'tenant')} could not be backed up:"
            f" {', '.join(each.slug for each in failed[:20])}. The first one: {failed[0].error}"
        )
    archives = [each.archive for each in done if each.archive is not None]
    return Outcome({"tenants": len(done), "archives": [str(each.id) for each in archives[:1000]]})


@kind("installation.examine", PlatformPermission.DOCTOR_RUN)
def examine(_task: Task, report: Report) -> Outcome:
    """Compare every server and database with a new installation."""
    findings: list[Finding] = []
    report.say("prepare")
    with doctor_of(read_fleet()) as doctor:
        examinations = doctor.examinations()
        for number, found in enumerate(run_in_parallel(examinations, CONNECTIONS), 1):
            findings += found
            report.say("examine", number, len(examinations), "places")
    problems = [each for each in findings if each.level in (Level.ERROR, Level.WARNING)]
    problems.sort(key=lambda each: (each.level is not Level.ERROR, each.where))
    return Outcome(
        {
            "checks": len(findings),
            "errors": sum(each.level is Level.ERROR for each in problems),
            "warnings": sum(each.level is Level.WARNING for each in problems),
            "findings": [_shown(each) for each in problems[:MOST_FINDINGS]],
        }
    )


def _shown(finding: Finding) -> dict[str, str | None]:
    described = {name: value for name, value in asdict(finding).items() if name != "reason"}
    return {
        name: None if value is None else str(value)[:LONGEST_TEXT]
        for name, value in described.items()
    }
