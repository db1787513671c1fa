"""Routes of a tenant's settings."""

from typing import Any

from flask import Blueprint

from trially.auth.permissions import Permission, requires
from trially.database.rows import Item
from trially.http.contract import accepts_merge_patch, matches_versions, returns_version
from trially.http.etags import Versions
from trially.organisation.schema import SettingsSchema
from trially.organisation.settings import change_settings, read_settings

bp = Blueprint("settings", __name__, url_prefix="/settings")


@bp.get("")
@requires(Permission.SETTINGS_READ)
@returns_version(SettingsSchema())
def show_settings() -> Item:
    """Show the settings of the tenant.

    `name` and `time_zone` are also part of `GET /me`, which every member may read.
    """
    return read_settings()


@bp.patch("")
@requires(Permission.SETTINGS_WRITE)
@matches_versions
@accepts_merge_patch(SettingsSchema(partial=True))
@returns_version(SettingsSchema())
def change_tenant_settings(versions: Versions | None, body: dict[str, Any]) -> Item:
    """Change settings of the tenant.

    The body is a merge patch (RFC 7396): null removes a value. `If-Match` must name the version
    that the caller has seen. A worker writes a changed `name` or `time_zone` into the catalog, and
    every process knows it within seconds after that. In a new time zone it also reads the times of
    stored records again that have no offset, unless their source has a zone of its own.
    """
    return change_settings(versions, body)
