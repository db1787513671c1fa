"""The table of contents of the command line: every command's name, help, and where it is.

Commands are imported when they run, so that help and completion are fast. A test compares each
help text here with the command's own.
"""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from trially.terminal.command import CommandGroup
from trially.terminal.lazy import LazyCommand, paused_collector

if TYPE_CHECKING:
    from flask import Flask


LIFECYCLE = "trially.tenancy.lifecycle"
MEMBERS = "trially.auth.members.commands"
AUTH = "trially.auth.commands"
TENANTS = f"{LIFECYCLE}.tenant_commands"
LISTING = f"{LIFECYCLE}.listing_commands"
MOVING = f"{LIFECYCLE}.moving.move_commands"
ERASING = "trially.tenancy.erasing.commands"
RECOVERY = "trially.tenancy.recovery"
MIGRATING = "trially.tenancy.migrating.commands"
OPERATIONS = "trially.tenancy.operation_commands"
ARCHIVES = "trially.tenancy.archives"
BACKUPS = f"{ARCHIVES}.commands"
SERVERS = f"{LIFECYCLE}.server_commands"
KEYS = f"{LIFECYCLE}.key_commands"
MASTER_KEYS = f"{LIFECYCLE}.master_key_commands"
IMPORTS = "trially.recruiting.imports.commands"
TABLES = "trially.recruiting.imports.table_commands"
MESSAGES = "trially.recruiting.imports.message_commands"
BULK = "trially.recruiting.imports.bulk_commands"
PATIENTS = "trially.recruiting.duplicate_reviews.commands"
WAITING = "trially.recruiting.imports.waiting.commands"
ZONES = "trially.recruiting.imports.zone_commands"
AUDIT = f"{LIFECYCLE}.audit_commands"
AUDITING = "trially.auditing.commands"
SEALS = "trially.audit.commands"
BACKFILLS = "trially.backfills.commands"
SUPPORT = "trially.auth.support.commands"
JOBS = "trially.jobs.commands"
DEMO = "trially.demo.commands"

DEVELOPMENT = "TRIALLY_DEVELOPMENT"
OFF = frozenset({"", "0", "f", "false", "n", "no", "off"})
"""As `config.reading` reads the setting, without loading what parses settings."""


def _create_app(*, needs_routes: bool) -> "Flask":
    """Make the app that a command runs in."""
    with paused_collector():
        if needs_routes:
            from trially import create_app

            return create_app()
        from trially.base_app import create_base_app

        return create_base_app()


def _group(name: str, short_help: str, *commands: click.Command) -> CommandGroup:
    return CommandGroup(name, commands=commands, help=short_help)


def _lazy(name: str, target: str, short_help: str) -> LazyCommand:
    return LazyCommand(name, target, short_help, _create_app)


members = _group(
    "members",
    "Manage the members of a tenant.",
    _lazy("add", f"{MEMBERS}:add", "Add a member to the tenant SLUG."),
    _lazy("change", f"{MEMBERS}:change", "Change a member's role, PHI level or sites."),
    _lazy("list", f"{MEMBERS}:list_", "List the members of the tenant SLUG."),
    _lazy("reindex", f"{MEMBERS}:reindex", "Rebuild the catalog's member index for SLUG."),
    _lazy("remove", f"{MEMBERS}:remove", "Remove a member from the tenant SLUG."),
)

connections = _group(
    "connections",
    "Map identity-provider connections to a tenant.",
    _lazy("add", f"{AUTH}:add_connection", "Map the connection CONNECTION_ID to the tenant SLUG."),
    _lazy("list", f"{AUTH}:list_connections", "List the connections of the tenant SLUG."),
    _lazy(
        "remove",
        f"{AUTH}:remove_connection",
        "Remove the connection CONNECTION_ID of the tenant SLUG.",
    ),
)

backfill = _group(
    "backfill",
    "Run the backfills of tenants' rows, and show how far they are.",
    _lazy(
        "run",
        f"{BACKFILLS}:run",
        "Run the backfills of the tenants SLUG, or of all, in batches.",
    ),
    _lazy(
        "status",
        f"{BACKFILLS}:status",
        "List the tenants whose backfills are not done, and how far they are.",
    ),
)

tenants = _group(
    "tenants",
    "Create and manage tenants.",
    _lazy(
        "create", f"{LIFECYCLE}.create_commands:create", "Create the tenant SLUG and its storage."
    ),
    _lazy(
        "list", f"{LISTING}:list_", "List the tenants, or those with TEXT in their slug or name."
    ),
    _lazy(
        "show",
        "trially.tenancy.show_command:show",
        "Show the tenant SLUG, its placement, members, size and revision.",
    ),
    _lazy("rename", f"{TENANTS}:rename", "Change the slug of the tenant SLUG to NEW_SLUG."),
    _lazy("set", f"{ZONES}:set_", "Change the time zone of the tenant SLUG."),
    _lazy("suspend", f"{TENANTS}:suspend", "Suspend the tenant SLUG."),
    _lazy("resume", f"{TENANTS}:resume", "Resume the suspended tenant SLUG."),
    _lazy(
        "erase",
        f"{ERASING}:erase_",
        "Erase the tenant SLUG from every store, and certify what was searched.",
    ),
    _lazy(
        "erased",
        f"{ERASING}:erased",
        "List the tenants that were erased, or print the certificate of TENANT_ID.",
    ),
    _lazy(
        "move",
        f"{MOVING}:move",
        "Move the tenant SLUG to another tier or server while it works.",
    ),
    _lazy(
        "move-back",
        f"{MOVING}:move_back_",
        "Move the tenant SLUG back to the placement that it left last.",
    ),
    _lazy(
        "export",
        "trially.exports.commands:export_tenant",
        "Export what the tenant SLUG stores.",
    ),
    _lazy(
        "encrypt",
        "trially.tenancy.encrypting.commands:encrypt",
        "Encrypt the fields of the tenant SLUG that identify patients.",
    ),
    _lazy(
        "clone",
        "trially.tenancy.cloning.clone_commands:clone",
        "Copy the tenant SLUG as the new tenant NEW_SLUG.",
    ),
    _lazy(
        "settle-moves",
        f"{MOVING}:settle_moves",
        "Finish interrupted switches, and remove placements whose time to be kept is over.",
    ),
    _lazy(
        "ready",
        f"{LIFECYCLE}.ready_commands:ready",
        "Keep as many tenants ready as TRIALLY_READY_TENANTS says.",
    ),
    _lazy(
        "run",
        f"{LIFECYCLE}.run_commands:run",
        "Run a command for many tenants: `flask tenants run … -- COMMAND`.",
    ),
    _lazy(
        "call",
        f"{LIFECYCLE}.run_commands:call",
        "Call the Python function MODULE:FUNCTION in the context of the tenant SLUG.",
    ),
    _lazy(
        "psql",
        "trially.auth.support.psql_commands:psql",
        "Open psql in the data of the tenant SLUG, as the tenant's own role.",
    ),
    _lazy(
        "top",
        f"{LIFECYCLE}.top_commands:top",
        "Show the busiest tenants: requests, time, waits, connections and rows.",
    ),
    _lazy(
        "downgrade",
        "trially.tenancy.migrating.downgrade_commands:downgrade",
        "Migrate the tenants SLUG back to a revision.",
    ),
    _lazy("migrate", f"{MIGRATING}:migrate", "Migrate the tables of the tenants SLUG, or of all."),
    _lazy(
        "status",
        "trially.tenancy.migrating.status_commands:status",
        "List the tenants whose tables are not at this version's revision, and why.",
    ),
    _lazy(
        "diff",
        "trially.doctor.diff_commands:diff",
        "Compare the tables of the tenant SLUG with those of a new tenant at its revision.",
    ),
    _lazy(
        "diff-data",
        "trially.taking_back.commands:diff_data",
        "Compare the rows of the tenant SLUG with those of NEW, a restored copy of it.",
    ),
    _lazy("silo", f"{TENANTS}:silo", "Write the files that run a silo for the tenant SLUG."),
    _lazy("revoke", f"{AUTH}:revoke", "Revoke the tokens for the tenant SLUG."),
    _lazy("token", f"{AUTH}:token", "Print a development token for the tenant SLUG."),
    _lazy(
        "prove",
        "trially.proving.commands:prove_tenants",
        "Verify that tenants cannot reach each other's rows.",
    ),
    _lazy(
        "dossier",
        "trially.dossier.commands:dossier",
        "Write a signed report about the tenant SLUG, for its customer.",
    ),
    _lazy(
        "backup",
        f"{ARCHIVES}.backup_commands:backup",
        "Write an encrypted archive of each tenant SLUG.",
    ),
    _lazy(
        "restore",
        f"{RECOVERY}.restore_commands:restore",
        "Restore an archive, given by its id, URL or path; or a tenant as it was at a time.",
    ),
    members,
    connections,
    backfill,
)

backups = _group(
    "backups",
    "List, verify and remove the archives of tenants.",
    _lazy(
        "list",
        f"{BACKUPS}:list_",
        "List the archives of all tenants or of each SLUG, newest first.",
    ),
    _lazy("show", f"{BACKUPS}:show", "Show what the catalog knows of an archive."),
    _lazy(
        "verify",
        f"{BACKUPS}:verify",
        "Restore the newest archives for a test, and compare all rows.",
    ),
    _lazy("prune", f"{BACKUPS}:prune", "Remove the archives that --keep does not keep."),
    _lazy("key", f"{BACKUPS}:key", "Print the age key that opens ARCHIVE, and no other archive."),
)
operations = _group(
    "operations",
    "List, resume and undo lifecycle operations.",
    _lazy("list", f"{OPERATIONS}:list_", "List lifecycle operations, newest first."),
    _lazy("resume", f"{OPERATIONS}:resume", "Finish OPERATION_ID, or all interrupted operations."),
)

servers = _group(
    "servers",
    "Manage PostgreSQL servers.",
    _lazy("add", f"{SERVERS}:add", "Register the server NAME and prepare it for tenants."),
    _lazy("change", f"{SERVERS}:change", "Change the options of the server NAME."),
    _lazy("list", f"{SERVERS}:list_", "List the servers and their current state."),
    _lazy("show", f"{SERVERS}:show", "Show the server NAME and its current state."),
    _lazy(
        "drain",
        f"{LIFECYCLE}.moving.drain_commands:drain",
        "Stop placing tenants on the server NAME.",
    ),
    _lazy("resume", f"{SERVERS}:resume", "Resume placing tenants on the server NAME."),
    _lazy(
        "backup",
        f"{RECOVERY}.commands:backup",
        "Take a base backup of the server NAME with its tool, on this host.",
    ),
    _lazy(
        "backups",
        f"{RECOVERY}.commands:backups",
        "List the base backups of the server NAME, oldest first.",
    ),
    _lazy(
        "status",
        f"{RECOVERY}.commands:status",
        "Show to which times the tenants of each server can be restored, and what is wrong.",
    ),
    _lazy("remove", f"{SERVERS}:remove", "Remove the server NAME, which must have no tenants."),
)

keys = _group(
    "keys",
    "Rotate the secret key, the master key and data keys, and show their use.",
    _lazy(
        "status", f"{KEYS}:status", "Show which keys passwords, stored values and data keys need."
    ),
    _lazy(
        "rotate",
        f"{KEYS}:rotate",
        "Set all passwords, and encrypt all stored values, with TRIALLY_SECRET_KEY.",
    ),
    _lazy(
        "create-master",
        f"{MASTER_KEYS}:create_master",
        "Create the master key that TRIALLY_MASTER_KEY names.",
    ),
    _lazy(
        "rotate-master",
        f"{MASTER_KEYS}:rotate_master",
        "Wrap all data keys with a new version of the master key.",
    ),
    _lazy(
        "destroy-former-versions",
        f"{MASTER_KEYS}:destroy_former_versions",
        "Destroy all versions of the master key but the newest one.",
    ),
    _lazy(
        "rotate-data",
        f"{MASTER_KEYS}:rotate_data",
        "Create a new version of the data key of TENANT.",
    ),
    _lazy(
        "sign-again",
        "trially.proving.signing_again:sign_again",
        "Verify the REPORTS of `tenants prove`, and sign them with the new secret key.",
    ),
)

imports = _group(
    "imports",
    "Import records, list and delete imports.",
    _lazy("fhir", f"{IMPORTS}:fhir", "Import FHIR R4 records into TENANT."),
    _lazy("csv", f"{TABLES}:csv", "Import CSV files into TENANT."),
    _lazy("hl7v2", f"{MESSAGES}:hl7v2", "Import HL7 v2 messages into TENANT."),
    _lazy("bulk", f"{BULK}:bulk", "Import an export of a Bulk Data server into TENANT."),
    _lazy("list", f"{IMPORTS}:list_", "List the last 100 imports of TENANT, newest first."),
    _lazy("delete", f"{IMPORTS}:delete", "Delete the import IMPORT_ID of TENANT, with its errors."),
    _lazy(
        "withdraw",
        "trially.recruiting.imports.missing_records.commands:withdraw",
        "Withdraw the records that the import IMPORT_ID of TENANT lacks.",
    ),
    _lazy(
        "waiting",
        f"{WAITING}:waiting",
        "List the first 100 records of TENANT that wait for a patient, oldest first.",
    ),
    _lazy(
        "forget",
        f"{WAITING}:forget",
        "Delete the records of SOURCE in TENANT that wait for a patient.",
    ),
)

patients = _group(
    "patients",
    "Index, export and erase patients, and find possible duplicates.",
    _lazy(
        "erase",
        "trially.recruiting.patients.erasures.commands:erase_",
        "Erase the patient PATIENT_ID of TENANT, and print the certificate.",
    ),
    _lazy(
        "export",
        "trially.exports.commands:export_patient",
        "Export all that TENANT stores about the person PATIENT_ID, and who saw it.",
    ),
    _lazy(
        "duplicates",
        f"{PATIENTS}:duplicates",
        "Find the possible duplicates among all patients of TENANT, and list the first 100.",
    ),
    _lazy("index", f"{PATIENTS}:index", "Write the search terms of all patients of TENANT again."),
)

jobs = _group(
    "jobs",
    "List, cancel and retry jobs.",
    _lazy("list", f"{JOBS}:list_", "List the jobs of the tenant SLUG, newest first."),
    _lazy("show", f"{JOBS}:show", "Show the job JOB_ID of the tenant SLUG."),
    _lazy("cancel", f"{JOBS}:cancel_", "Cancel the job JOB_ID of the tenant SLUG."),
    _lazy("retry", f"{JOBS}:retry_", "Try a failed or cancelled job once more."),
)

worker = _lazy("worker", f"{JOBS}:worker", "Run the jobs of all tenants until ended.")

demo = _group(
    "demo",
    "Create and serve demo tenants (development only).",
    _lazy("seed", f"{DEMO}:seed_command", "Create the demo tenants and their records."),
    _lazy("serve", f"{DEMO}:serve", "Create the demo tenants and serve the API on this machine."),
    _lazy(
        "status", f"{DEMO}:status", "Show addresses, client ids, tokens and a web app's settings."
    ),
    _lazy(
        "load",
        "trially.demo.load.commands:load_command",
        "Load the tenant SLUG over HTTP, and check that no acknowledged write is lost.",
    ),
    _lazy(
        "add-server",
        f"{DEMO}:add_server",
        "Add a local PostgreSQL server to the demo, as the server NAME.",
    ),
    _lazy(
        "reset",
        f"{DEMO}:reset_command",
        "Delete the embedded PostgreSQL with all tenants, and seed again.",
    ),
)

audit = _group(
    "audit",
    "Read, seal and verify the logs of who did what.",
    _lazy(
        "list",
        f"{AUDITING}:list_",
        "List the records of the audit log of the tenant SLUG, newest first.",
    ),
    _lazy(
        "report",
        f"{AUDITING}:report",
        "Report who saw and changed the data of PATIENT_ID, to be given to the patient.",
    ),
    _lazy(
        "alerts",
        "trially.auditing.alerts.commands:alerts",
        "Evaluate the alert rules on the new audit records of the tenant SLUG, or of all.",
    ),
    _lazy(
        "operators",
        f"{AUDIT}:operators",
        "List operators' actions, changes of the catalog and sign-ins, newest first.",
    ),
    _lazy("seal", f"{SEALS}:seal", "Seal audit logs, and send the seals to witnesses."),
    _lazy("status", f"{SEALS}:status", "Show how far the seals and witnesses of audit logs are."),
    _lazy(
        "verify", f"{SEALS}:verify", "Verify the audit log of the tenant SLUG, with its witnesses."
    ),
    _lazy(
        "prune",
        "trially.audit.prune_command:prune",
        "Remove the audit records of the tenant SLUG after their retention time.",
    ),
)

support = _group(
    "support",
    "Let operators enter a tenant for a limited time.",
    _lazy("request", f"{SUPPORT}:request", "Request support access to the tenant SLUG."),
    _lazy(
        "approve",
        f"{SUPPORT}:approve",
        "Approve the support grant GRANT_ID, which another person requested.",
    ),
    _lazy(
        "revoke",
        f"{SUPPORT}:revoke",
        "Revoke the support grant GRANT_ID.",
    ),
    _lazy(
        "list",
        f"{SUPPORT}:list_",
        "List the support grants, or those of the tenant SLUG, newest first.",
    ),
)

doctor = _lazy(
    "doctor",
    "trially.doctor.commands:doctor",
    "Compare every server and database with a new installation.",
)
deploy = _lazy(
    "deploy",
    "trially.deploying:deploy",
    "Migrate all databases, replace the workers, and wait until the new ones serve.",
)
migrations = _lazy(
    "db",
    "trially.tenancy.linting.commands:migrations",
    "Write migrations, and migrate the databases.",
)
openapi = _lazy("openapi", "trially.openapi.commands:openapi", "Print the OpenAPI document.")

SECTIONS: Mapping[str, Sequence[click.Command]] = {
    "Tenants": (tenants, imports, patients, backups, operations),
    "Jobs": (worker, jobs),
    "Servers and keys": (servers, keys, doctor),
    "Audit and support": (audit, support),
    "Releases": (migrations, deploy),
    "Development": (demo, openapi),
}
"""The commands of the first level, by what they are for."""

EXAMPLES = (
    'tenants create acme --name "Acme Research"',
    "tenants list --status suspended",
    'tenants members add acme --subject "auth0|123" --role owner',
    "doctor --json",
)


def visible_sections(*, is_development: bool | None = None) -> dict[str, Sequence[click.Command]]:
    """Return the sections; demo commands are in them in development only.

    By default the environment says whether this is development.
    """
    if is_development is None:
        is_development = os.environ.get(DEVELOPMENT, "").lower() not in OFF
    return {
        title: [each for each in commands if is_development or each is not demo]
        for title, commands in SECTIONS.items()
    }


def init_app(app: "Flask", *, is_development: bool | None = None) -> None:
    """Add the commands to the app's own."""
    for commands in visible_sections(is_development=is_development).values():
        for each in commands:
            app.cli.add_command(each)
