"""The table of what tenants with limits have used, in the tenant's own database."""

import datetime as dt

from sqlalchemy import BigInteger, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.changes import unaudited
from trially.database.classes import Copied, Held, classify
from trially.database.model import TenantModel
from trially.database.protection import WORK, protect
from trially.database.since import since

REVISION = "0033"
"""The migration that creates the table, and the triggers that count."""


class QuotaUse(TenantModel):
    """How much of a quota is used. The triggers `count_rows` keep it, and nothing else writes it.

    A row with a limit is the count; the rows without one say what was removed since. The sum is
    exact. All of them may be deleted together at any time: the next row that counts makes the
    trigger count all rows again.
    """

    __tablename__ = "quota_use"

    quota: Mapped[str] = mapped_column(String(40))
    used: Mapped[int] = mapped_column(BigInteger)
    most: Mapped[int | None] = mapped_column(BigInteger)
    """The limit with which it was counted last."""
    counted_from: Mapped[dt.datetime | None]
    """From when on it is counted, if the quota is one of a day."""

    __table_args__ = (
        Index(
            "uq_quota_use_tenant_id_quota",
            "tenant_id",
            "quota",
            unique=True,
            postgresql_where=text("most IS NOT NULL"),
        ),
        Index("ix_quota_use_removed", "tenant_id", "quota", postgresql_where=text("most IS NULL")),
        {"info": unaudited("It only counts.") | since(REVISION)},
    )


classify(
    QuotaUse,
    {Held.TECHNICAL: "quota", Held.NUMBER: "used most", Held.MOMENT: "counted_from"},
    Copied.NEVER,
)
protect(QuotaUse, {}, WORK)
