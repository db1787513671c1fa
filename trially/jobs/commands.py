"""`flask worker`, and the commands `flask jobs …`."""

import signal
import sys
from typing import Any
from uuid import UUID

import click
from flask import current_app
from sqlalchemy import select

from trially.config import current_settings
from trially.database.engines import engine_registry
from trially.database.rows import Item, columns_named, fetch_items, find_item, of_current_tenant
from trially.database.session import rolled_back, transaction
from trially.jobs.cancelling import NoJobError, cancel, retry
from trially.jobs.enqueuing import SHOWN_COLUMNS
from trially.jobs.model import UNFINISHED, Job, JobState
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import administered_tenant
from trially.tenancy.lifecycle.completing import complete_slug
from trially.terminal import (
    NOTHING,
    Loss,
    json_option,
    plural,
    print_item,
    print_items,
    print_record,
    table_options,
)

JOBS_SHOWN = 100
_NAMES = tuple(name for name in SHOWN_COLUMNS if name != "version")

slug_argument = click.argument("slug", metavar="SLUG", shell_complete=complete_slug)
job_argument = click.argument("job_id", metavar="JOB_ID", type=click.UUID)
dry_run_option = click.option("--dry-run", is_flag=True, help="Show the result, change nothing.")


@catalog_command("worker", loses=NOTHING)
@click.option("--threads", type=click.IntRange(1, 64), help="Jobs to run at the same time.")
@click.option("--once", is_flag=True, help="Run the jobs that are due now, and end.")
@json_option
def worker(*, threads: int | None, once: bool, as_json: bool) -> None:
    """Run the jobs of all tenants, and operators' tasks, until ended.

    Tenants take turns. Each task of the platform API has a process of its own. SIGTERM and Ctrl-C
    end the worker after the steps that are running.

    \b
    Examples:
      flask worker
      flask worker --threads 4
    """  # noqa: D301 - click reads \b
    # Imported here, because the commands below need none of it.
    from trially.jobs.metrics_server import serving_metrics
    from trially.jobs.worker import Worker
    from trially.observability import logs
    from trially.tenancy.tasks.lane import TaskLane, carrying_out_tasks

    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    running = Worker(app, threads)
    if once:
        number, tasks = running.run_due(), TaskLane(app).run_due()
        sentence = f"Ran {plural(number, 'job')} and {plural(tasks, 'task')}."
        print_item({"jobs": number, "tasks": tasks}, sentence, as_json=as_json)
        return
    engine_registry().visit_in_turn()
    settings = current_settings()
    logs.configure(level=settings.log_level, is_for_people=sys.stderr.isatty())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: running.stop())
    with serving_metrics(settings), carrying_out_tasks(app):
        running.run()


@catalog_command("list", loses=NOTHING, only_reads=True, needs_routes=False)
@slug_argument
@click.option("--state", type=click.Choice([str(each) for each in JobState]), help="Only these.")
@table_options
def list_(slug: str, *, state: str | None, as_json: bool) -> None:
    """List the jobs of the tenant SLUG, newest first.

    \b
    Example:
      flask jobs list acme --state failed
    """  # noqa: D301
    with administered_tenant(slug):
        statement = select(*columns_named(Job, _NAMES)).where(of_current_tenant(Job))
        if state is not None:
            statement = statement.where(Job.state == state)
        items = fetch_items(statement.order_by(Job.id.desc()).limit(JOBS_SHOWN))
    columns = ("id", "kind", "state", "step", "attempts", "error", "created_at", "ended_at")
    print_items(
        items, columns, as_json=as_json, optional=("step", "attempts", "created_at", "error")
    )


@catalog_command("show", loses=NOTHING, only_reads=True, needs_routes=False)
@slug_argument
@job_argument
@json_option
def show(slug: str, job_id: UUID, *, as_json: bool) -> None:
    """Show the job JOB_ID of the tenant SLUG."""
    with administered_tenant(slug):
        print_record(_find(job_id), as_json=as_json)


def loss_of_job(slug: str, job_id: UUID, *, dry_run: bool = False, **_: Any) -> Loss | None:
    """Return what is lost with a job that has not ended."""
    with administered_tenant(slug):
        job = _find(job_id)
    if dry_run or job["state"] not in UNFINISHED:
        return None
    return Loss(
        f"The job {job_id} ({job['kind']}) of {slug} will be cancelled. Its completed steps stay."
        " A file that was sent with it is deleted.",
        "Cancel the job?",
    )


@catalog_command("cancel", loses=loss_of_job)
@slug_argument
@job_argument
@dry_run_option
@json_option
def cancel_(slug: str, job_id: UUID, *, dry_run: bool, as_json: bool) -> None:
    """Cancel the job JOB_ID of the tenant SLUG.

    A job that waits is cancelled at once. A running one ends after its step, and an import after
    the batch that is being written.

    \b
    Example:
      flask jobs cancel acme 019bb5ee-3c1d-7d32-a7a8-c3f9b7a1e0aa
    """  # noqa: D301
    job = _change(slug, job_id, cancel, dry_run=dry_run)
    did = "is cancelled" if job["state"] == JobState.CANCELLED else "ends as soon as it can"
    _print(job, f"The job {job_id} {did}.", dry_run=dry_run, as_json=as_json)


@catalog_command("retry", loses=NOTHING)
@slug_argument
@job_argument
@dry_run_option
@json_option
def retry_(slug: str, job_id: UUID, *, dry_run: bool, as_json: bool) -> None:
    """Try a failed or cancelled job once more.

    It continues after its last completed step. The file of a cancelled import is deleted: send it
    again instead.

    \b
    Example:
      flask jobs retry acme 019bb5ee-3c1d-7d32-a7a8-c3f9b7a1e0aa
    """  # noqa: D301
    job = _change(slug, job_id, retry, dry_run=dry_run)
    _print(job, f"The job {job_id} waits for a worker.", dry_run=dry_run, as_json=as_json)


def _find(job_id: UUID) -> Item:
    job = find_item(Job, job_id, _NAMES)
    if job is None:
        raise NoJobError(f"There is no job {job_id}.")
    return job


def _change(slug: str, job_id: UUID, change: Any, *, dry_run: bool) -> Item:
    with administered_tenant(slug):
        if dry_run:
            with rolled_back():
                return change(job_id, _NAMES)  # type: ignore[no-any-return]
        with transaction():
            return change(job_id, _NAMES)  # type: ignore[no-any-return]


def _print(job: Item, sentence: str, *, dry_run: bool, as_json: bool) -> None:
    suffix = " Nothing was changed, because of --dry-run." if dry_run else ""
    print_item({**job, "dry_run": dry_run}, sentence + suffix, as_json=as_json)
