"""Commands about jobs."""

from trially.commands.building import group, lazy

JOBS = "trially.jobs.commands"

worker = lazy(
    "worker", f"{JOBS}:worker", "Run the jobs of all tenants, and operators' tasks, until ended."
)

jobs = group(
    "jobs",
    "List, cancel and retry jobs.",
    lazy("list", f"{JOBS}:list_", "List the jobs of the tenant SLUG, newest first."),
    lazy("show", f"{JOBS}:show", "Show the job JOB_ID of the tenant SLUG."),
    lazy("cancel", f"{JOBS}:cancel_", "Cancel the job JOB_ID of the tenant SLUG."),
    lazy("retry", f"{JOBS}:retry_", "Try a failed or cancelled job once more."),
)
