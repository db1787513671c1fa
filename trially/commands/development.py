"""Commands for development."""

from trially.commands.building import group, lazy

DEMO = "trially.demo.commands"

demo = group(
    "demo",
    "Create and serve demo tenants (development only).",
    lazy("seed", f"{DEMO}:seed_command", "Create the demo tenants and their records."),
    lazy("serve", f"{DEMO}:serve", "Create the demo tenants and serve the API on this machine."),
    lazy(
        "status", f"{DEMO}:status", "Show addresses, client ids, tokens and a web app's settings."
    ),
    lazy(
        "load",
        "trially.demo.load.commands:load_command",
        "Load the tenant SLUG over HTTP, and check that no acknowledged write is lost.",
    ),
    lazy(
        "add-server",
        f"{DEMO}:add_server",
        "Add a local PostgreSQL server to the demo, as the server NAME.",
    ),
    lazy(
        "reset",
        f"{DEMO}:reset_command",
        "Delete the embedded PostgreSQL with all tenants, and seed again.",
    ),
)

openapi = lazy("openapi", "trially.openapi.commands:openapi", "Print the OpenAPI document.")
