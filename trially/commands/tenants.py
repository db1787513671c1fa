"""Commands about tenants themselves."""

from trially.commands.building import group, lazy

LIFECYCLE = "trially.tenancy.lifecycle"
API_KEYS = "trially.auth.api_keys.commands"
MEMBERS = "trially.auth.members.commands"
AUTH = "trially.auth.commands"
TENANTS = f"{LIFECYCLE}.tenant_commands"
LISTING = f"{LIFECYCLE}.listing_commands"
MOVING = f"{LIFECYCLE}.moving.move_commands"
ERASING = "trially.tenancy.erasing.commands"
RECOVERY = "trially.tenancy.recovery"
MIGRATING = "trially.tenancy.migrating.commands"
ARCHIVES = "trially.tenancy.archives"
ZONES = "trially.recruiting.imports.zone_commands"
BACKFILLS = "trially.backfills.commands"

members = group(
    "members",
    "Manage the members of a tenant.",
    lazy("add", f"{MEMBERS}:add", "Add a member to the tenant SLUG."),
    lazy("change", f"{MEMBERS}:change", "Change a member's role, PHI level or sites."),
    lazy("list", f"{MEMBERS}:list_", "List the members of the tenant SLUG."),
    lazy("reindex", f"{MEMBERS}:reindex", "Rebuild the catalog's member index for SLUG."),
    lazy("remove", f"{MEMBERS}:remove", "Remove a member from the tenant SLUG."),
)

api_keys = group(
    "api-keys",
    "List and revoke the API keys of a tenant.",
    lazy("list", f"{API_KEYS}:list_", "List the API keys of the tenant SLUG."),
    lazy("revoke", f"{API_KEYS}:revoke", "Revoke API keys of the tenant SLUG."),
)

connections = group(
    "connections",
    "Map identity-provider connections to a tenant.",
    lazy("add", f"{AUTH}:add_connection", "Map the connection CONNECTION_ID to the tenant SLUG."),
    lazy("list", f"{AUTH}:list_connections", "List the connections of the tenant SLUG."),
    lazy(
        "remove",
        f"{AUTH}:remove_connection",
        "Remove the connection CONNECTION_ID of the tenant SLUG.",
    ),
)

backfill = group(
    "backfill",
    "Run the backfills of tenants' rows, and show how far they are.",
    lazy(
        "run",
        f"{BACKFILLS}:run",
        "Run the backfills of the tenants SLUG, or of all, in batches.",
    ),
    lazy(
        "status",
        f"{BACKFILLS}:status",
        "List the tenants whose backfills are not done, and how far they are.",
    ),
)

tenants = group(
    "tenants",
    "Create and manage tenants.",
    lazy(
        "create", f"{LIFECYCLE}.create_commands:create", "Create the tenant SLUG and its storage."
    ),
    lazy("list", f"{LISTING}:list_", "List the tenants, or those with TEXT in their slug or name."),
    lazy(
        "show",
        "trially.tenancy.show_command:show",
        "Show the tenant SLUG, its placement, members, size and revision.",
    ),
    lazy("rename", f"{TENANTS}:rename", "Change the slug of the tenant SLUG to NEW_SLUG."),
    lazy(
        "set",
        f"{ZONES}:set_",
        "Change the name, the plan, the limits, the features or the time zone of the tenant SLUG.",
    ),
    lazy("suspend", f"{TENANTS}:suspend", "Suspend the tenant SLUG."),
    lazy("resume", f"{TENANTS}:resume", "Resume the suspended tenant SLUG."),
    lazy(
        "erase",
        f"{ERASING}:erase_",
        "Erase the tenant SLUG from every store, and certify what was searched.",
    ),
    lazy(
        "erased",
        f"{ERASING}:erased",
        "List the tenants that were erased, or print the certificate of TENANT_ID.",
    ),
    lazy(
        "move",
        f"{MOVING}:move",
        "Move the tenant SLUG to another tier or server while it works.",
    ),
    lazy(
        "move-back",
        f"{MOVING}:move_back_",
        "Move the tenant SLUG back to the placement that it left last.",
    ),
    lazy(
        "export",
        "trially.exports.commands:export_tenant",
        "Export what the tenant SLUG stores.",
    ),
    lazy(
        "encrypt",
        "trially.tenancy.encrypting.commands:encrypt",
        "Encrypt the fields of the tenant SLUG that identify patients.",
    ),
    lazy(
        "clone",
        "trially.tenancy.cloning.clone_commands:clone",
        "Copy the tenant SLUG as the new tenant NEW_SLUG.",
    ),
    lazy(
        "settle-moves",
        f"{MOVING}:settle_moves",
        "Finish interrupted switches, and remove placements whose time to be kept is over.",
    ),
    lazy(
        "ready",
        f"{LIFECYCLE}.ready_commands:ready",
        "Keep as many tenants ready as TRIALLY_READY_TENANTS says.",
    ),
    lazy(
        "run",
        f"{LIFECYCLE}.run_commands:run",
        "Run a command for many tenants: `flask tenants run … -- COMMAND`.",
    ),
    lazy(
        "call",
        f"{LIFECYCLE}.run_commands:call",
        "Call the Python function MODULE:FUNCTION in the context of the tenant SLUG.",
    ),
    lazy(
        "psql",
        "trially.auth.support.psql_commands:psql",
        "Open psql in the data of the tenant SLUG, as the tenant's own role.",
    ),
    lazy(
        "top",
        f"{LIFECYCLE}.top_commands:top",
        "Show the busiest tenants: requests, time, waits, connections and rows.",
    ),
    lazy(
        "advise",
        "trially.advice.commands:advise_",
        "Show which tenants should move where, and why.",
    ),
    lazy(
        "downgrade",
        "trially.tenancy.migrating.downgrade_commands:downgrade",
        "Migrate the tenants SLUG back to a revision.",
    ),
    lazy("migrate", f"{MIGRATING}:migrate", "Migrate the tables of the tenants SLUG, or of all."),
    lazy(
        "status",
        "trially.tenancy.migrating.status_commands:status",
        "List the tenants whose tables are not at this version's revision, and why.",
    ),
    lazy(
        "diff",
        "trially.doctor.diff_commands:diff",
        "Compare the tables of the tenant SLUG with those of a new tenant at its revision.",
    ),
    lazy(
        "diff-data",
        "trially.taking_back.commands:diff_data",
        "Compare the rows of the tenant SLUG with those of NEW, a restored copy of it.",
    ),
    lazy("silo", f"{TENANTS}:silo", "Write the files that run a silo for the tenant SLUG."),
    lazy("revoke", f"{AUTH}:revoke", "Revoke the tokens for the tenant SLUG."),
    lazy("token", f"{AUTH}:token", "Print a development token for the tenant SLUG."),
    lazy(
        "prove",
        "trially.proving.commands:prove_tenants",
        "Verify that tenants cannot reach each other's rows.",
    ),
    lazy(
        "dossier",
        "trially.dossier.commands:dossier",
        "Write a signed report about the tenant SLUG, for its customer.",
    ),
    lazy(
        "backup",
        f"{ARCHIVES}.backup_commands:backup",
        "Write an encrypted archive of each tenant SLUG.",
    ),
    lazy(
        "restore",
        f"{RECOVERY}.restore_commands:restore",
        "Restore an archive, given by its id, URL or path; or a tenant as it was at a time.",
    ),
    members,
    api_keys,
    connections,
    backfill,
)
