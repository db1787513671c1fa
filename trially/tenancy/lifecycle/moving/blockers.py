"""What stops a move before it begins."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Blocker:
    """Why a tenant cannot be moved now."""

    code: str
    """What kind of blocker it is, for programs."""

    what: str
    """What is wrong, as a sentence."""

    advice: str
    """What to do about it, as a sentence."""

    def __str__(self) -> str:
        return f"{self.what} {self.advice}"
