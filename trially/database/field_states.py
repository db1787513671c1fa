"""Whether a tenant's fields are encrypted, and under which version of its data key."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class FieldState:
    """How a tenant's fields are written, and in which other form some still are."""

    version: int | None = None
    """The version of the data key that seals what is written. None: values are readable."""

    is_changing: bool = False
    """Some rows are in the form of `former`, until the backfill has changed all."""

    former: int | None = None
    opens_as: UUID | None = None
    """Another tenant whose keys may have sealed the rows, while a copy adopts them."""

    @property
    def is_sealed(self) -> bool:
        """Whether some rows of the tenant are encrypted."""
        return self.version is not None or (self.is_changing and self.former is not None)

    @property
    def forms(self) -> tuple[int | None, ...]:
        """The versions under which a value can be stored: the one of writers comes first."""
        return (self.version, self.former) if self.is_changing else (self.version,)


READABLE = FieldState()
"""The state of a tenant that has never encrypted fields."""
