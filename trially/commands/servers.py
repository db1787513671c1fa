"""Commands about servers, keys and operators."""

from trially.commands.building import group, lazy

LIFECYCLE = "trially.tenancy.lifecycle"
RECOVERY = "trially.tenancy.recovery"
SERVERS = f"{LIFECYCLE}.server_commands"
KEYS = f"{LIFECYCLE}.key_commands"
MASTER_KEYS = f"{LIFECYCLE}.master_key_commands"
OPERATORS = "trially.auth.platform.commands"

servers = group(
    "servers",
    "Manage PostgreSQL servers.",
    lazy("add", f"{SERVERS}:add", "Register the server NAME and prepare it for tenants."),
    lazy("change", f"{SERVERS}:change", "Change the options of the server NAME."),
    lazy("list", f"{SERVERS}:list_", "List the servers and their current state."),
    lazy("show", f"{SERVERS}:show", "Show the server NAME and its current state."),
    lazy(
        "drain",
        f"{LIFECYCLE}.moving.drain_commands:drain",
        "Stop placing tenants on the server NAME.",
    ),
    lazy(
        "rebalance",
        "trially.advice.commands:rebalance",
        "Plan moves that even out the servers of each region.",
    ),
    lazy("resume", f"{SERVERS}:resume", "Resume placing tenants on the server NAME."),
    lazy(
        "backup",
        f"{RECOVERY}.commands:backup",
        "Take a base backup of the server NAME with its tool, on this host.",
    ),
    lazy(
        "backups",
        f"{RECOVERY}.commands:backups",
        "List the base backups of the server NAME, oldest first.",
    ),
    lazy(
        "status",
        f"{RECOVERY}.commands:status",
        "Show to which times the tenants of each server can be restored, and what is wrong.",
    ),
    lazy("remove", f"{SERVERS}:remove", "Remove the server NAME, which must have no tenants."),
)

keys = group(
    "keys",
    "Rotate the secret key, the master key and data keys, and show their use.",
    lazy(
        "status", f"{KEYS}:status", "Show which keys passwords, stored values and data keys need."
    ),
    lazy(
        "rotate",
        f"{KEYS}:rotate",
        "Set all passwords, and encrypt all stored values, with TRIALLY_SECRET_KEY.",
    ),
    lazy(
        "create-master",
        f"{MASTER_KEYS}:create_master",
        "Create the master key that TRIALLY_MASTER_KEY names.",
    ),
    lazy(
        "rotate-master",
        f"{MASTER_KEYS}:rotate_master",
        "Wrap all data keys with a new version of the master key.",
    ),
    lazy(
        "destroy-former-versions",
        f"{MASTER_KEYS}:destroy_former_versions",
        "Destroy all versions of the master key but the newest one.",
    ),
    lazy(
        "rotate-data",
        f"{MASTER_KEYS}:rotate_data",
        "Create a new version of the data key of TENANT.",
    ),
    lazy(
        "sign-again",
        "trially.proving.signing_again:sign_again",
        "Verify the REPORTS of `tenants prove`, and sign them with the new secret key.",
    ),
)

doctor = lazy(
    "doctor",
    "trially.doctor.commands:doctor",
    "Compare every server and database with a new installation.",
)

operators = group(
    "operators",
    "Say who may use the platform API, and what.",
    lazy("add", f"{OPERATORS}:add", "Let SUBJECT use the platform API with a role."),
    lazy("list", f"{OPERATORS}:list_", "List who may use the platform API."),
    lazy("remove", f"{OPERATORS}:remove", "Let SUBJECT use the platform API no longer."),
    lazy(
        "token",
        f"{OPERATORS}:token",
        "Print a token of the built-in issuer for the platform API (development only).",
    ),
)
