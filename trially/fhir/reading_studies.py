"""Read what resources of studies are written from, within what the caller may see."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select

from trially.database.rows import Item, fetch_items, of_current_tenant, table_of
from trially.database.session import db
from trially.exports.fhir.elements import Json
from trially.fhir.studies import write_study
from trially.recruiting.protocols.versions.criteria import stored_criteria
from trially.recruiting.protocols.versions.model import ProtocolVersion, VersionStatus
from trially.recruiting.protocols.versions.numbering import id_of
from trially.recruiting.protocols.versions.routes import VERSIONS
from trially.recruiting.sites.model import Site
from trially.recruiting.studies.model import Study
from trially.recruiting.studies.routes import STUDIES
from trially.recruiting.studies.sites.model import StudySite
from trially.recruiting.studies.sites.routes import STUDY_SITES

_study, _version = table_of(Study).c, table_of(ProtocolVersion).c
_study_site, _site = table_of(StudySite).c, table_of(Site).c


def write_studies(studies: Sequence[Item]) -> list[Json]:
    """Return the ResearchStudies of studies, with their active versions and sites."""
    ids = [study["id"] for study in studies]
    versions, sites = _active_versions(ids), _sites_of(ids)
    return [
        write_study(study, versions.get(study["id"]), sites.get(study["id"], ()))
        for study in studies
    ]


def read_version(study_id: UUID, number: int) -> tuple[Item, Item, list[Item]]:
    """Return a study, a version of its protocol and the version's criteria, or answer 404."""
    study = STUDIES.get(study_id)
    version_id = id_of(study_id, number)
    if version_id is None:
        raise VERSIONS.not_found()
    return study, VERSIONS.get(version_id), stored_criteria(version_id)


def has_condition(text: str) -> ColumnElement[bool]:
    """Return the condition that a name of a study's conditions contains a text, in any case."""
    names = func.jsonb_array_elements_text(_study.conditions).table_valued("name")
    return exists(
        select(1)
        .select_from(names)
        .where(func.lower(names.c.name).contains(text.lower(), autoescape=True))
    )


def has_status(statuses: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that a study has one of some statuses."""
    return _study.status.in_(list(statuses))


def _active_versions(study_ids: Sequence[UUID]) -> dict[UUID, int]:
    rows = fetch_items(
        select(_version.study_id, _version.number).where(
            of_current_tenant(ProtocolVersion),
            _version.study_id.in_(study_ids),
            _version.status == VersionStatus.ACTIVE,
        )
    )
    return {row["study_id"]: row["number"] for row in rows}


def _sites_of(study_ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    """Return the names of the sites of studies that the caller may see."""
    rows = db.session.execute(
        select(_study_site.study_id, _site.name)
        .join(
            table_of(Site),
            (_site.tenant_id == _study_site.tenant_id) & (_site.id == _study_site.site_id),
        )
        .where(
            of_current_tenant(StudySite),
            _study_site.study_id.in_(study_ids),
            *STUDY_SITES.conditions({}),
        )
        .order_by(_study_site.study_id, _site.name)
    )
    found: defaultdict[UUID, list[str]] = defaultdict(list)
    for study_id, name in rows:
        found[study_id].append(name)
    return found
