"""PostgreSQL's type `xid8`: ids of transactions that never repeat within a cluster."""

from typing import Any

from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType


class Xid8(UserDefinedType[str]):
    """An id of a transaction, as text."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Return the name of the type."""
        return "xid8"


ischema_names["xid8"] = Xid8
