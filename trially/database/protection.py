"""How each column that can identify a person is to be stored if its tenant encrypts fields.

Each model decides for its columns, beside their classes. `tests/database/test_protection.py` fails
for a column without a decision. docs/field-encryption.md lists the decisions and what they cost.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Table

from trially.database.changes import shows_patients
from trially.database.classes import Held, class_of
from trially.database.model import TenantModel
from trially.database.sealing import TERM_BITS

DECIDED = frozenset(
    {
        Held.IDENTIFIER,
        Held.FREE_TEXT,
        Held.JSON,
        Held.DATE,
        Held.DIGEST,
        Held.SECRET,
        Held.DERIVED,
    }
)
"""Classes of columns that can identify a person, quote an identifier, or confirm a guess."""


@dataclass(frozen=True)
class Sealed:
    """The value is encrypted. Equal values of the column, or of a shared context, are equal."""

    exception: str = ""
    """What of it is stored as it is, if anything: a sentence."""


@dataclass(frozen=True)
class Blinded:
    """The value is not stored: its blind index of so many bits replaces it."""

    bits: int


@dataclass(frozen=True)
class Discarded:
    """The rows only spare work, and are deleted when they hold what must not be stored any longer.

    This is so when a tenant begins to encrypt its fields, when rows are copied to one that does,
    and when a patient is erased.
    """

    reason: str


@dataclass(frozen=True)
class Readable:
    """The value is stored as it is, for a reason."""

    reason: str


Protection = Sealed | Blinded | Discarded | Readable

SEALED = Sealed()
SEALED_REFERENCE = Sealed("A reference by the source's id, and not by an identifier, is readable.")
BLINDED_TERM = Blinded(TERM_BITS)

OF_MEMBERS = Readable("It is about members or work of the tenant, not about its patients.")
OF_ORGANISATIONS = Readable("It describes a site, a study or a source, not a person.")
SOURCES = Readable("It names a source, a server or a numbering system, not a person.")
CLINICAL = Readable("It says what was found, and searches read it. A text can quote a name.")
CLINICAL_DATE = Readable("Ranges of dates select patients, which no blind index can do.")
FULL_TEXT = Readable("The search in documents reads it. A text can quote a name.")
VERSIONS = Readable("It is the source's version of a record, and is compared by its order.")
POSITIONS = Readable("It says where in a resource something is, without a value.")
RULES = Readable("It names the rules that matched, without a value.")
ZONES = Readable("It names a time zone, not a person.")
FOLLOWS = Readable("It follows from columns that are readable.")
CHOSEN_BY_CLIENTS = Readable("A client chooses it for a request. It has to identify no person.")
RECORD_IDS = Readable(
    "It is an id of the source, by which imports find the record. An id that is a patient's MRN, as"
    " in CSV files and HL7 v2 messages, is readable here."
)
DIGESTS = Readable("It is a digest without a key of the tenant: it confirms a guess of the whole.")
COPIES = Discarded(
    "Copies of readable columns are kept, and copies of birth dates are not: all rows are deleted"
    " when a tenant begins to encrypt."
)
RESULTS = Readable(
    "It says whom criteria select. A result about age says that a birth date is within bounds."
)
UNSEALED_PERIODS = Readable("It dates a name or an identifier, and names no person.")
UNUSED = Readable("Nothing writes it any more, and `tenants encrypt` refuses while it has rows.")
WORK = Readable("It says how work of the tenant goes. By rule it names no patient.")
SEALED_ALREADY = Readable("It is encrypted, or a keyed digest, with or without this feature.")

_protections: dict[str, Mapping[str, Protection]] = {}
_rests: dict[str, Readable] = {}


def protect(
    model: type[TenantModel],
    decisions: Mapping[Protection, str],
    rest: Readable | None = None,
) -> None:
    """Declare the protection of columns: the names of the columns of each, with blanks.

    `rest` decides for all other columns of a table. It counts for nothing if the table is about
    patients: there each column needs its own decision. Raises `ValueError` for a name that is no
    column, or that has two decisions.
    """
    table = model.__table__
    assert isinstance(table, Table)  # noqa: S101
    found: dict[str, Protection] = {}
    for protection, names in decisions.items():
        for name in names.split():
            if name not in table.c or name in found:
                raise ValueError(f"{table.name}.{name} is no column, or has two decisions.")
            found[name] = protection
    _protections[table.name] = found
    # Foreign keys are known when all models are imported, so `protection_of` looks at them later.
    if rest is not None:
        _rests[table.name] = rest


def protection_of(table: Table, column: str) -> Protection | None:
    """Return the protection of a column, or None if none is declared or its class needs none."""
    decided = _protections.get(table.name, {}).get(column)
    if decided is not None or not _needs_decision(table, column) or shows_patients(table):
        return decided
    return _rests.get(table.name)


def undecided(table: Table) -> list[str]:
    """Return the columns of a table whose class needs a decision that is missing."""
    return [
        f"{table.name}.{column.name}"
        for column in table.columns
        if _needs_decision(table, column.name) and protection_of(table, column.name) is None
    ]


def _needs_decision(table: Table, column: str) -> bool:
    found = class_of(table, column)
    return found is not None and found.held in DECIDED
