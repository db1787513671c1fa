"""Commands about migrations and deployments."""

from trially.commands.building import lazy

migrations = lazy(
    "db",
    "trially.tenancy.linting.commands:migrations",
    "Write migrations, and migrate the databases.",
)

deploy = lazy(
    "deploy",
    "trially.deploying:deploy",
    "Migrate all databases, replace the workers, and wait until the new ones serve.",
)
