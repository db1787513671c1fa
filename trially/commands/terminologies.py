"""Commands about code systems and value sets."""

from trially.commands.building import group, lazy

TERMINOLOGIES = "trially.recruiting.codes.commands"
VALUE_SETS = "trially.recruiting.valuesets.commands"

terminologies = group(
    "terminologies",
    "Load the code systems that value sets and criteria use.",
    lazy("load", f"{TERMINOLOGIES}:load", "Load a code system from the files of its publisher."),
    lazy("list", f"{TERMINOLOGIES}:list_", "List the loaded code systems, with their versions."),
    lazy("remove", f"{TERMINOLOGIES}:remove", "Remove a loaded code system."),
)

valuesets = group(
    "valuesets",
    "Expand the value sets of tenants.",
    lazy(
        "expand",
        f"{VALUE_SETS}:expand",
        "Expand the value sets of the tenants SLUG, or of all, with the loaded terminologies.",
    ),
)
