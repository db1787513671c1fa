"""Members of a study's team as clients write and read them."""

from marshmallow import Schema, fields

from trially.http.fields import Choice, EntityTag, PageQuerySchema
from trially.recruiting.studies.team.model import StudyRole


class TeamMemberSchema(Schema):
    """A member of the tenant who works on a study."""

    id = fields.UUID(dump_only=True)
    etag = EntityTag()
    study_id = fields.UUID(dump_only=True)
    member_id = fields.UUID(required=True)
    role = Choice(StudyRole, required=True)
    created_at = fields.AwareDateTime(dump_only=True)
    updated_at = fields.AwareDateTime(dump_only=True)


class TeamMemberPatchSchema(Schema):
    """What can be changed of a member of a team."""

    role = Choice(StudyRole, required=True)


class TeamQuerySchema(PageQuerySchema):
    """Query parameters of a study's team."""

    role = Choice(StudyRole)
