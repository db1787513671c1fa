"""Check whether the catalog is at the revision of this version, without loading Alembic."""

from sqlalchemy import text

from trially.config import current_settings
from trially.errors import OperatorError
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.schema.databases import database_exists
from trially.tenancy.schema.revision_files import CATALOG_LINEAGE, newest_revision
from trially.tenancy.schema.revisions import Revision, compare
from trially.tenancy.servers.access import server_access


class CatalogBehindError(OperatorError):
    """The catalog does not exist, or is not at the revision that this version needs."""


class CatalogNewerError(OperatorError):
    """A newer version has migrated the catalog."""


def check_catalog() -> None:
    """Raise an error unless the catalog is at the head of its lineage.

    The error is `CatalogBehindError` if `install` can bring it there, else `CatalogNewerError`.
    """
    with server_access().administer() as raw:
        exists = database_exists(raw, current_settings().catalog_database)
    found = compare(_catalog_revision() if exists else None, newest_revision(CATALOG_LINEAGE))
    if found is Revision.NEWER:
        raise CatalogNewerError(
            "A newer version of trially has migrated the catalog. Run this command in that version."
        )
    if found is not Revision.CURRENT:
        raise CatalogBehindError(
            "The catalog is not at the revision that this version needs. Run "
            "`flask db --directory migrations/catalog upgrade`."
        )


def require_catalog() -> None:
    """Install the catalog in development; elsewhere raise `CatalogBehindError` if it is behind."""
    try:
        check_catalog()
    except CatalogBehindError:
        if not current_settings().development:
            raise
        from trially.tenancy.schema.installing import install

        install()


def _catalog_revision() -> str | None:
    with control_engine().connect() as catalog:
        if catalog.scalar(text("SELECT to_regclass('alembic_version')")) is None:
            return None
        revision: str | None = catalog.scalar(text("SELECT version_num FROM alembic_version"))
        return revision
