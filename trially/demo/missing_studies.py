"""What a demo tenant lacks of its studies."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from trially.database.rows import fetch_items, of_current_tenant, table_of
from trially.demo.studies import DemoStudy
from trially.recruiting.protocols.versions.locking import EDITABLE
from trially.recruiting.protocols.versions.model import ProtocolVersion, VersionStatus
from trially.recruiting.sites.model import Site
from trially.recruiting.studies.model import Study
from trially.recruiting.studies.sites.model import StudySite

LABEL = "1.0 (demo)"
"""Of the version of a protocol that is set up. Versions of other labels are those of people."""

_study, _site = table_of(Study).c, table_of(Site).c
_study_site, _version = table_of(StudySite).c, table_of(ProtocolVersion).c


@dataclass(frozen=True)
class PresentStudies:
    """What a tenant has of its studies."""

    sites: frozenset[tuple[str, str]]
    """Protocol numbers with names of sites."""
    versions: Mapping[str, list[tuple[str | None, VersionStatus]]]
    """Labels and statuses of versions, by protocol number."""

    def lack(self, study: DemoStudy) -> bool:
        """Return whether a study, one of its sites or its protocol is missing or unfinished.

        A protocol that people have begun to write is theirs, and not unfinished.
        """
        if any((study.protocol_number, each.site) not in self.sites for each in study.sites):
            return True
        versions = self.versions.get(study.protocol_number, [])
        is_begun = any(label == LABEL and status in EDITABLE for label, status in versions)
        return bool(study.criteria) and (not versions or is_begun)


def present_studies() -> PresentStudies:
    """Return what the current tenant has of its studies."""
    sites = fetch_items(
        select(_study.protocol_number, _site.name).where(
            of_current_tenant(Study),
            of_current_tenant(StudySite),
            of_current_tenant(Site),
            _study_site.study_id == _study.id,
            _study_site.site_id == _site.id,
        )
    )
    versions = fetch_items(
        select(_study.protocol_number, _version.label, _version.status).where(
            of_current_tenant(Study),
            of_current_tenant(ProtocolVersion),
            _version.study_id == _study.id,
        )
    )
    by_study = defaultdict(list)
    for row in versions:
        by_study[row["protocol_number"]].append((row["label"], VersionStatus(row["status"])))
    return PresentStudies(
        frozenset((row["protocol_number"], row["name"]) for row in sites), by_study
    )
