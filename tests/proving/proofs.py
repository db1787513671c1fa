"""Read the report of a run, and count the canaries in a fleet."""

ALL = ("--attackers", "5", "--json")
"""Options with which every other tenant of the fleet attacks."""


def outcome(attempts, path, attacker):
    [found] = [a for a in attempts if (a["path"], a["attacker"]) == (path, attacker)]
    return found["outcome"]


def canaries(fleet):
    places = {
        (slug if tier != "pooled" else "pooled-one", tenant.placement.schema)
        for slug, tenant in fleet.tenants.items()
        for tier in [slug.partition("-")[0]]
    }
    return sum(
        fleet.administer(f"SELECT count(*) FROM {schema}.canary", of=slug)[0][0]
        for slug, schema in places
    )
