"""Routes of the teams of studies."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from trially.auth.permissions import Permission, requires
from trially.database.rows import Item, table_of
from trially.http.contract import (
    accepts,
    accepts_merge_patch,
    matches_versions,
    queries,
    returns_nothing,
    returns_page,
    returns_version,
)
from trially.http.etags import Versions
from trially.http.pages import Page
from trially.recruiting.studies.routes import STUDIES, bp
from trially.recruiting.studies.team.model import TeamMember
from trially.recruiting.studies.team.schema import (
    TeamMemberPatchSchema,
    TeamMemberSchema,
    TeamQuerySchema,
)
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT

columns = table_of(TeamMember).c

TEAM_MEMBERS = Resource(
    TeamMember,
    TeamMemberSchema(),
    scope=WHOLE_TENANT,
    filters={"study_id": equals(columns.study_id), "role": equals(columns.role)},
)


@bp.get("/<uuid:study_id>/team")
@requires(Permission.STUDIES_READ)
@queries(TeamQuerySchema())
@returns_page(TeamMemberSchema())
def list_team(study_id: UUID, query: dict[str, Any]) -> Page:
    """List the team of a study, oldest first.

    `GET /members` has the names of members. A part in a study gives no permission.
    """
    STUDIES.get(study_id)
    return TEAM_MEMBERS.page(query, study_id=study_id)


@bp.post("/<uuid:study_id>/team")
@requires(Permission.STUDIES_WRITE)
@accepts(TeamMemberSchema())
@returns_version(TeamMemberSchema(), HTTPStatus.CREATED)
def create_team_member(study_id: UUID, body: dict[str, Any]) -> Item:
    """Add a member of the tenant to the team of a study.

    The part in the study gives no permission: the member's role and PHI level do. A member who
    leaves the tenant leaves its teams.
    """
    STUDIES.get(study_id)
    return TEAM_MEMBERS.create({"study_id": study_id, **body})


@bp.get("/<uuid:study_id>/team/<uuid:team_member_id>")
@requires(Permission.STUDIES_READ)
@returns_version(TeamMemberSchema())
def show_team_member(study_id: UUID, team_member_id: UUID) -> Item:
    """Show a member of the team of a study.

    The `ETag` is the version of this membership in the team.
    """
    return _find(study_id, team_member_id)


@bp.patch("/<uuid:study_id>/team/<uuid:team_member_id>")
@requires(Permission.STUDIES_WRITE)
@matches_versions
@accepts_merge_patch(TeamMemberPatchSchema(partial=True))
@returns_version(TeamMemberSchema())
def change_team_member(
    study_id: UUID, team_member_id: UUID, versions: Versions | None, body: dict[str, Any]
) -> Item:
    """Change the part of a member in a study.

    `If-Match` must name the version that the caller has seen, or the answer is 412.
    """
    _find(study_id, team_member_id)
    return TEAM_MEMBERS.change(team_member_id, versions, body)


@bp.delete("/<uuid:study_id>/team/<uuid:team_member_id>")
@requires(Permission.STUDIES_WRITE)
@matches_versions
@returns_nothing
def delete_team_member(study_id: UUID, team_member_id: UUID, versions: Versions | None) -> None:
    """Take a member out of the team of a study.

    The member stays a member of the tenant, with the same permissions.
    """
    _find(study_id, team_member_id)
    TEAM_MEMBERS.delete(team_member_id, versions)


def _find(study_id: UUID, team_member_id: UUID) -> Item:
    STUDIES.get(study_id)
    found = TEAM_MEMBERS.get(team_member_id)
    if found["study_id"] != study_id:
        raise TEAM_MEMBERS.not_found()
    return found
