"""Members of a study's team."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.classes import Copied, Held, choice, classify
from trially.database.model import TenantModel, Timestamped, Versioned
from trially.database.protection import OF_MEMBERS, protect
from trially.database.since import since


class StudyRole(StrEnum):
    """The part of a member in a study. It gives no permissions: the member's role does."""

    PRINCIPAL_INVESTIGATOR = "principal_investigator"
    SUB_INVESTIGATOR = "sub_investigator"
    COORDINATOR = "coordinator"
    RECRUITER = "recruiter"
    NURSE = "nurse"
    PHARMACIST = "pharmacist"
    DATA_MANAGER = "data_manager"
    MONITOR = "monitor"


class TeamMember(Timestamped, Versioned, TenantModel):
    """A member of the tenant who works on a study."""

    __tablename__ = "team_member"

    study_id: Mapped[UUID]
    member_id: Mapped[UUID]
    role: Mapped[StudyRole] = mapped_column(String(30))

    __table_args__ = (
        UniqueConstraint(
            "tenant_id",
            "study_id",
            "member_id",
            info={"pointer": "/member_id", "detail": "This member is in the team already."},
        ),
        ForeignKeyConstraint(
            ["tenant_id", "study_id"], ["study.tenant_id", "study.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["member.tenant_id", "member.id"],
            ondelete="CASCADE",
            info={"pointer": "/member_id", "detail": "There is no such member."},
        ),
        Index("ix_team_member_tenant_id_member_id", "tenant_id", "member_id"),
        {"info": since("0027")},
    )


classify(TeamMember, {Held.ID: "study_id member_id", choice(StudyRole): "role"}, Copied.NEVER)
protect(TeamMember, {}, OF_MEMBERS)
