"""The limits of an import, and the error of an import that reaches one."""

from dataclasses import dataclass, replace
from typing import Self

from trially.config import Settings

FEWEST_FAULTS = 1_000
"""An import with fewer faults is never stopped because of their share."""


class ImportLimitError(Exception):
    """An import has reached a limit. The message is a sentence with the limit and what to do."""


class ImportTimeError(ImportLimitError):
    """An import has used up its time. If the same input is sent again, the import continues."""


class ImportInterruptedError(Exception):
    """Whoever has started the import has asked it to end. The message is a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportLimits:
    """The limits of one import. None means that there is no limit."""

    most_expansion: int | None = None
    """Bytes of a file after decompression, as a multiple of its bytes as stored."""

    most_expanded_bytes: int | None = None
    """Bytes of a file after decompression, in all layers of compression."""

    most_lines: int | None = None
    most_seconds: float | None = None
    most_line_bytes: int = 2**24
    """Bytes of a line in NDJSON, or of an entry of a large Bundle."""

    most_rows_of_resource: int = 1_001
    most_rows_of_batch: int = 5_000
    most_fault_share: float = 1.0
    most_stored_faults: int = 1_000
    most_waiting_facts: int = 1_000_000
    """Facts of a source that may wait for their patients."""

    most_waiting_days: int = 0
    """Days after which a fact that waits is deleted; 0: never."""

    most_of_tenant: int | None = 2
    """Imports that a tenant may run at the same time. A dry run does not count."""

    @classmethod
    def of_upload(cls, settings: Settings) -> Self:
        """Return the limits of an upload."""
        return cls(
            most_expansion=settings.max_import_expansion,
            most_expanded_bytes=settings.max_import_expanded_bytes,
            most_lines=settings.max_import_lines,
            most_seconds=settings.max_import_seconds,
            most_line_bytes=settings.max_import_line_bytes,
            most_rows_of_resource=settings.max_import_resource_rows,
            most_rows_of_batch=settings.max_import_batch_rows,
            most_fault_share=settings.max_import_fault_share,
            most_stored_faults=settings.max_import_stored_faults,
            most_waiting_facts=settings.max_import_waiting_facts,
            most_waiting_days=settings.max_import_waiting_days,
            most_of_tenant=settings.imports_per_tenant,
        )

    def of_command(self) -> Self:
        """Return these limits for a command, whose operator watches its size and time."""
        return replace(self, most_expanded_bytes=None, most_lines=None, most_seconds=None)

    def of_dry_run(self, most_seconds: float) -> Self:
        """Return these limits for a dry run, which ends after its time at the latest."""
        return replace(self, most_seconds=most_seconds, most_of_tenant=None)

    def refuse_share(self, faults: int, lines: int) -> None:
        """Raise `ImportLimitError` if too many of the lines are faulty."""
        if faults >= FEWEST_FAULTS and faults > self.most_fault_share * lines:
            raise ImportLimitError(
                f"{faults:,} of the first {lines:,} lines cannot be imported, which is more than"
                f" {self.most_fault_share:.0%}. Correct the input: the errors name the reasons."
            )


UNLIMITED_INPUT = ImportLimits()
"""Limits for input that trially itself or a developer has made."""
