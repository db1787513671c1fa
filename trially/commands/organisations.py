"""Commands about organisations above tenants."""

from trially.commands.building import group, lazy

ORGANISATIONS = "trially.auth.organisations.commands"
ANALYTICS = "trially.analytics.commands"

organisations = group(
    "organisations",
    "Manage organisations above tenants, which see sums over them.",
    lazy("create", f"{ORGANISATIONS}:create", "Create ORGANISATION, without tenants and people."),
    lazy(
        "list",
        f"{ORGANISATIONS}:list_",
        "List the organisations, with the numbers of their tenants and people.",
    ),
    lazy("show", f"{ORGANISATIONS}:show", "Show ORGANISATION with its tenants and its people."),
    lazy("delete", f"{ORGANISATIONS}:delete", "Delete ORGANISATION, and keep its tenants."),
    lazy(
        "add-tenant",
        f"{ORGANISATIONS}:add_tenant",
        "Invite the tenant SLUG, whose owner has to accept, to ORGANISATION.",
    ),
    lazy(
        "remove-tenant",
        f"{ORGANISATIONS}:remove_tenant",
        "Remove the tenant SLUG from ORGANISATION, or withdraw its invitation.",
    ),
    lazy("add-person", f"{ORGANISATIONS}:add_person", "Let SUBJECT see the sums of ORGANISATION."),
    lazy(
        "remove-person",
        f"{ORGANISATIONS}:remove_person",
        "Let SUBJECT see the sums of ORGANISATION no longer.",
    ),
    lazy(
        "token",
        f"{ORGANISATIONS}:token",
        "Print a token of the built-in issuer for ORGANISATION (development only).",
    ),
)

analytics = group(
    "analytics",
    "Count tenants for organisations, and show the sums.",
    lazy(
        "count",
        f"{ANALYTICS}:count",
        "Count the tenants that share counts and were not counted for a week.",
    ),
    lazy(
        "show",
        f"{ANALYTICS}:show",
        "Show sums over the tenants of ORGANISATION, as its people see them.",
    ),
)
