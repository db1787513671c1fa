"""Where the sites of studies are, for criteria about distance."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import select

from trially.database.rows import fetch_items, of_current_tenant, table_of
from trially.recruiting.criteria.facts import Place
from trially.recruiting.sites.model import Site, SiteStatus
from trially.recruiting.studies.sites.model import StudySite, StudySiteStatus

_site, _study_site = table_of(Site).c, table_of(StudySite).c


def places_of(study_ids: Collection[UUID]) -> Mapping[UUID, tuple[Place, ...]]:
    """Return by study where its sites are. Closed and inactive ones see no patients.

    The locations that a registry names are of all organisations, so they do not count.
    """
    found = defaultdict[UUID, tuple[Place, ...]](tuple)
    if not study_ids:
        return found
    rows = fetch_items(
        select(_study_site.study_id, _site.latitude, _site.longitude)
        .join(
            table_of(Site),
            (_site.tenant_id == _study_site.tenant_id) & (_site.id == _study_site.site_id),
        )
        .where(
            of_current_tenant(StudySite),
            _study_site.study_id.in_(study_ids),
            _study_site.status != StudySiteStatus.CLOSED,
            _site.status == SiteStatus.ACTIVE,
            _site.latitude.is_not(None),
            _site.longitude.is_not(None),
        )
        .order_by(_study_site.study_id, _site.id)
    )
    for row in rows:
        found[row["study_id"]] += (Place(row["latitude"], row["longitude"]),)
    return found
