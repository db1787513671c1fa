"""Examine one place of a fleet, and name what is there."""

from collections.abc import Callable
from dataclasses import dataclass, field

from fleets import Fleet

from trially.doctor.examining import Doctor
from trially.doctor.findings import Finding, Level


@dataclass(frozen=True)
class Examined:
    """The places of a fleet, as tests examine them."""

    fleet: Fleet
    doctor: Callable[[], Doctor]

    known: dict[str, list[str]] = field(default_factory=dict)

    found_last: dict[str, set[str]] = field(default_factory=dict)
    """What the last hole at each place gave. It is mended, but no examination has confirmed it."""

    def problems_before(self, place: str) -> list[str]:
        """Return what is found at a place that no test has changed."""
        if place not in self.known:
            self.known[place] = [finding.what for finding in self.problems(place)]
        return self.known[place]

    def problems(self, *places: str) -> list[Finding]:
        """Return what is found at some places: tenants' databases, "server" or "catalog"."""
        doctor = self.doctor()
        findings: list[Finding] = []
        for place in places:
            if place == "server":
                findings += doctor.examine_server("default")
            elif place == "catalog":
                findings += doctor.examine_installation() + doctor.examine_catalog()
                findings += doctor.examine_server("default")
            else:
                name = self.fleet.database(place)
                [database] = [each for each in doctor.fleet.databases if each.name == name]
                findings += doctor.examine_database(database)
        return [finding for finding in findings if finding.level is not Level.OK]

    def errors(self, *places: str) -> list[Finding]:
        """Return the errors at some places."""
        return [finding for finding in self.problems(*places) if finding.level is Level.ERROR]

    def spell(self, text: str, at: str) -> str:
        """Fill the names of the tenant `at`, and those of its neighbour, into a text."""
        catalog = self.fleet.catalog
        names = {"catalog": catalog, "owner": f"{catalog}_owner", "reader": f"{catalog}_reader"}
        if at in self.fleet.tenants:
            names |= {"slug": at, **_names(self.fleet, at, "")}
            names |= _names(self.fleet, at.replace("-one", "-two"), "other_")
        for name, value in names.items():
            text = text.replace(f"{{{name}}}", value)
        return text


def _names(fleet: Fleet, slug: str, prefix: str) -> dict[str, str]:
    placement = fleet.tenants[slug].placement
    return {
        f"{prefix}database": placement.database,
        f"{prefix}schema": placement.schema,
        f"{prefix}role": placement.role,
        f"{prefix}tenant_id": str(placement.tenant_id),
    }
