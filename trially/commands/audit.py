"""Commands about who did what, and who may enter tenants."""

from trially.commands.building import group, lazy

LIFECYCLE = "trially.tenancy.lifecycle"
AUDIT = f"{LIFECYCLE}.audit_commands"
AUDITING = "trially.auditing.commands"
SEALS = "trially.audit.commands"
SUPPORT = "trially.auth.support.commands"

audit = group(
    "audit",
    "Read, seal and verify the logs of who did what.",
    lazy(
        "list",
        f"{AUDITING}:list_",
        "List the records of the audit log of the tenant SLUG, newest first.",
    ),
    lazy(
        "report",
        f"{AUDITING}:report",
        "Report who saw and changed the data of PATIENT_ID, to be given to the patient.",
    ),
    lazy(
        "alerts",
        "trially.auditing.alerts.commands:alerts",
        "Evaluate the alert rules on the new audit records of the tenant SLUG, or of all.",
    ),
    lazy(
        "operators",
        f"{AUDIT}:operators",
        "List operators' actions, changes of the catalog and sign-ins, newest first.",
    ),
    lazy("seal", f"{SEALS}:seal", "Seal audit logs, and send the seals to witnesses."),
    lazy("status", f"{SEALS}:status", "Show how far the seals and witnesses of audit logs are."),
    lazy(
        "verify", f"{SEALS}:verify", "Verify the audit log of the tenant SLUG, with its witnesses."
    ),
    lazy(
        "prune",
        "trially.audit.prune_command:prune",
        "Remove the audit records of the tenant SLUG after their retention time.",
    ),
)

support = group(
    "support",
    "Let operators enter a tenant for a limited time.",
    lazy("request", f"{SUPPORT}:request", "Request support access to the tenant SLUG."),
    lazy(
        "approve",
        f"{SUPPORT}:approve",
        "Approve the support grant GRANT_ID, which another person requested.",
    ),
    lazy(
        "revoke",
        f"{SUPPORT}:revoke",
        "Revoke the support grant GRANT_ID.",
    ),
    lazy(
        "list",
        f"{SUPPORT}:list_",
        "List the support grants, or those of the tenant SLUG, newest first.",
    ),
)
