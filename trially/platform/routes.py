"""The blueprint of the platform API, and the route that describes the caller."""

from typing import Any

from flask import Blueprint
from marshmallow import Schema, fields

from trially.auth.platform.callers import current_caller
from trially.auth.platform.permissions import PlatformPermission, requires_platform
from trially.http.contract import returns
from trially.http.fields import EXAMPLE, Choice
from trially.platform.paths import PREFIX
from trially.state import app_state
from trially.tenancy.operators.model import PlatformRole

bp = Blueprint("platform", __name__, url_prefix=PREFIX)


class CallerSchema(Schema):
    """The operator who sends the request."""

    issuer = fields.String(required=True, metadata={EXAMPLE: "https://login.example.org"})
    subject = fields.String(required=True, metadata={EXAMPLE: "operator-7"})
    role = Choice(PlatformRole, required=True)
    permissions = fields.List(Choice(PlatformPermission), required=True)


@bp.get("/me")
@requires_platform(PlatformPermission.PLATFORM_READ)
@returns(CallerSchema())
def show_caller() -> dict[str, Any]:
    """Show which operator sends the request.

    A control panel asks this first. `permissions` says which of its controls work.
    """
    caller = current_caller()
    return {
        "issuer": app_state().platform_verifier.current_name(caller.issuer),
        "subject": caller.subject,
        "role": caller.role,
        "permissions": sorted(caller.permissions),
    }
