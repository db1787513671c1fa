"""What matching keeps: numbers of patients and of their changes, and what it has read before."""

import datetime as dt
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Date,
    Index,
    Integer,
    LargeBinary,
    String,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.changes import names_patients, unaudited
from trially.database.classes import Copied, Held, choice, classify, date
from trially.database.model import TenantModel
from trially.database.protection import CLINICAL_DATE, COPIES, DIGESTS, RESULTS, protect
from trially.database.since import since

REVISION = "0025"
"""The migration that creates these tables."""

NEWEST_SINCE = "0044"
"""The migration that adds the newest record of each patient."""

_WORK = "It follows from patients and their records, which are audited."


class MatchSubject(TenantModel):
    """A patient as a bit in the sets of matching, and when the patient last changed.

    A trigger on `patient` and `clinical_fact` writes the row, so no statement can omit it. The row
    of a deleted patient stays without `patient_id`, so that no other patient gets the bit.
    """

    __tablename__ = "match_subject"

    patient_id: Mapped[UUID | None]
    ordinal: Mapped[int | None] = mapped_column(Integer)
    """The position of the patient's bit, from 0; dense, and never used again."""
    change_number: Mapped[int | None] = mapped_column(BigInteger)
    """The tenant's number of the last change. Null if it has no number yet."""
    newest_at: Mapped[dt.datetime | None] = mapped_column(info=since(NEWEST_SINCE))
    """When the newest record that criteria use begins. Null if there is none with a date."""
    newest_precision: Mapped[str | None] = mapped_column(String(7), info=since(NEWEST_SINCE))
    newest_known: Mapped[bool] = mapped_column(server_default=false(), info=since(NEWEST_SINCE))
    """False if that record was changed or deleted. `number_changes` looks for another one."""

    __table_args__ = (
        UniqueConstraint("tenant_id", "patient_id"),
        UniqueConstraint("tenant_id", "ordinal"),
        Index(
            "ix_match_subject_unnumbered",
            "tenant_id",
            postgresql_where=text("change_number IS NULL"),
        ),
        Index("ix_match_subject_change_number", "tenant_id", "change_number"),
        Index(
            "ix_match_subject_newest_unknown",
            "tenant_id",
            postgresql_where=text("NOT newest_known"),
        ),
        {"info": unaudited(_WORK) | names_patients() | since(REVISION)},
    )


PRECISIONS = ("year", "month", "day", "instant")
"""How exactly a record's date is known: the `DatePrecision` of records."""

IS_NUMBERED = "coalesce(subject.ordinal, -1) >= 0"
"""SQL: the patient has an ordinal.

`ordinal IS NOT NULL` would be estimated from statistics, which may be of the time before the first
numbering, when no patient had one: PostgreSQL would then compare each record with each patient.
"""

CLOCK_ID = UUID(int=1)
"""The id of each tenant's counters."""


class MatchClock(TenantModel):
    """The tenant's counters of changes and ordinals: the row with `CLOCK_ID`.

    Rows with other ids mean nothing. No constraint forbids them, so that a canary row can be
    planted beside the counters.
    """

    __tablename__ = "match_clock"

    change_number: Mapped[int] = mapped_column(BigInteger)
    """The last number that was given to changes."""
    next_ordinal: Mapped[int] = mapped_column(Integer)
    matched_number: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """The matches of all studies follow from all changes up to this number."""
    matched_on: Mapped[dt.date | None] = mapped_column(Date)
    """The day for which they were computed."""

    __table_args__ = ({"info": unaudited(_WORK) | since(REVISION)},)


class MatchFrame(TenantModel):
    """What a selector found: the facts of all patients that its criteria look at, packed.

    It is independent of bounds, windows and units, so a changed bound needs no SQL.
    """

    __tablename__ = "match_frame"

    selector: Mapped[bytes] = mapped_column(LargeBinary)
    """Digest of the selector, the versions of its value sets, and of the code that packs."""
    change_number: Mapped[int] = mapped_column(BigInteger)
    """All changes up to this number are in the frame."""
    valid_until: Mapped[dt.datetime | None]
    """When the first of the facts that lie in the future becomes present."""
    content: Mapped[bytes] = mapped_column(LargeBinary)
    used_on: Mapped[dt.date] = mapped_column(Date)

    __table_args__ = (
        UniqueConstraint("tenant_id", "selector"),
        {"info": unaudited(_WORK) | names_patients() | since(REVISION)},
    )


class MatchLeaf(TenantModel):
    """The result of one condition for all patients on one day: two sets of bits."""

    __tablename__ = "match_leaf"

    leaf: Mapped[bytes] = mapped_column(LargeBinary)
    """Digest of the condition, its value sets' versions, the tenant's settings and the engine."""
    as_of: Mapped[dt.date] = mapped_column(Date)
    change_number: Mapped[int] = mapped_column(BigInteger)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    used_on: Mapped[dt.date] = mapped_column(Date)

    __table_args__ = (
        UniqueConstraint("tenant_id", "leaf", "as_of", name="uq_match_leaf_tenant_id_leaf"),
        {"info": unaudited(_WORK) | since(REVISION)},
    )


classify(
    MatchSubject,
    {
        Held.ID: "patient_id",
        Held.NUMBER: "ordinal change_number",
        date("newest_precision"): "newest_at",
        choice(PRECISIONS): "newest_precision",
        Held.TECHNICAL: "newest_known",
    },
    Copied.NEVER,
)
classify(
    MatchClock,
    {
        Held.NUMBER: "change_number next_ordinal matched_number",
        Held.MOMENT: "matched_on",
    },
    Copied.NEVER,
)
classify(
    MatchFrame,
    {
        Held.DIGEST: "selector",
        Held.NUMBER: "change_number",
        Held.MOMENT: "valid_until used_on",
        Held.DERIVED: "content",
    },
    Copied.NEVER,
)
classify(
    MatchLeaf,
    {
        Held.DIGEST: "leaf",
        Held.MOMENT: "as_of used_on",
        Held.NUMBER: "change_number",
        Held.DERIVED: "content",
    },
    Copied.NEVER,
)
protect(MatchSubject, {CLINICAL_DATE: "newest_at"})
protect(MatchFrame, {COPIES: "content", DIGESTS: "selector"})
protect(MatchLeaf, {RESULTS: "content", DIGESTS: "leaf"})
