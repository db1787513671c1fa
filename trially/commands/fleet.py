"""Commands about plans, bills, archives and interrupted operations."""

from trially.commands.building import group, lazy

LIFECYCLE = "trially.tenancy.lifecycle"
PLANS = f"{LIFECYCLE}.plans.plan_commands"
OPERATIONS = "trially.tenancy.operation_commands"
ARCHIVES = "trially.tenancy.archives"
BACKUPS = f"{ARCHIVES}.commands"
USAGE = "trially.usage.commands"

plans = group(
    "plans",
    "List, create and change plans: tiers, limits and features.",
    lazy("list", f"{PLANS}:list_", "List the plans, with the number of their tenants."),
    lazy("show", f"{PLANS}:show", "Show the plan NAME: its tiers, features and limits."),
    lazy("create", f"{PLANS}:create", "Create the plan NAME."),
    lazy(
        "change", f"{PLANS}:change", "Change the plan NAME for all its tenants, within 5 seconds."
    ),
    lazy("delete", f"{PLANS}:delete", "Delete the plan NAME, which no tenant may have."),
)

usage = group(
    "usage",
    "Report and export what tenants use, for their bills.",
    lazy("report", f"{USAGE}:report", "Show what tenants used in a month, meter by meter."),
    lazy("export", f"{USAGE}:export", "Print the days of a month as CloudEvents, one in a line."),
    lazy("count", f"{USAGE}:count", "Count the days that have ended and are not counted yet."),
)

backups = group(
    "backups",
    "List, verify and remove the archives of tenants.",
    lazy(
        "list",
        f"{BACKUPS}:list_",
        "List the archives of all tenants or of each SLUG, newest first.",
    ),
    lazy("show", f"{BACKUPS}:show", "Show what the catalog knows of an archive."),
    lazy(
        "verify",
        f"{BACKUPS}:verify",
        "Restore the newest archives for a test, and compare all rows.",
    ),
    lazy("prune", f"{BACKUPS}:prune", "Remove the archives that --keep does not keep."),
    lazy("key", f"{BACKUPS}:key", "Print the age key that opens ARCHIVE, and no other archive."),
)

operations = group(
    "operations",
    "List, resume and undo lifecycle operations.",
    lazy("list", f"{OPERATIONS}:list_", "List lifecycle operations, newest first."),
    lazy("resume", f"{OPERATIONS}:resume", "Finish OPERATION_ID, or all interrupted operations."),
)
