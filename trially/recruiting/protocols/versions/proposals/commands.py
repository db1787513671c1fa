"""The command `flask studies propose`."""

from collections import Counter
from dataclasses import asdict
from uuid import UUID

import click
from sqlalchemy import or_, select

from trially.database.rows import Item, fetch_items, insert_item, of_current_tenant, table_of
from trially.database.session import rolled_back, transaction
from trially.errors import OperatorError
from trially.recruiting.drafting.drafts import DraftError
from trially.recruiting.protocols.versions.criteria import hash_of
from trially.recruiting.protocols.versions.locking import lock_study
from trially.recruiting.protocols.versions.model import ProtocolVersion, VersionStatus
from trially.recruiting.protocols.versions.numbering import next_number
from trially.recruiting.protocols.versions.proposals.known_codes import with_known_codes
from trially.recruiting.protocols.versions.proposals.proposing import (
    TooManyError,
    read_proposals,
    store_proposals,
)
from trially.recruiting.protocols.versions.proposals.readers import (
    RULES,
    UnknownReaderError,
    make_reader,
)
from trially.recruiting.protocols.versions.proposals.texts import NoTextError, registry_text
from trially.recruiting.studies.model import Study
from trially.recruiting.valuesets.library import names_of_value_sets
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.completing import complete_slug
from trially.terminal import NOTHING, json_option, plural, print_json

_study, _version = table_of(Study).c, table_of(ProtocolVersion).c


class ProposingError(OperatorError):
    """Criteria cannot be proposed for a study."""


@catalog_command("propose", loses=NOTHING)
@click.argument("slug", metavar="TENANT", shell_complete=complete_slug)
@click.argument("number", metavar="STUDY")
@click.option("--reader", "reader_name", default=RULES, help="Reader. The rules by default.")
@click.option("--dry-run", is_flag=True, help="Show what would be proposed, and change nothing.")
@json_option
def propose(slug: str, number: str, *, reader_name: str, dry_run: bool, as_json: bool) -> None:
    """Propose criteria for a study of TENANT from its registry's text.

    STUDY is the protocol number or the NCT id. The newest draft of the protocol gets the proposals,
    or a new draft if there is none. Members accept or reject each of them.

    \b
    Example:
      flask studies propose acme NCT05512345
    """  # noqa: D301 - click reads \b
    with tenant_context(slug):
        try:
            with transaction():
                study = _find_study(number)
                text = registry_text(study["id"])
                reader = make_reader(reader_name, names_of_value_sets())
            rows = read_proposals(text, reader, study)
            with rolled_back() if dry_run else transaction():
                rows = with_known_codes(rows)
                lock_study(study["id"])
                version = _newest_draft(study["id"]) or _new_draft(study["id"])
                assert text.document_id is not None  # noqa: S101 - the registry's is a document
                proposed = store_proposals(version["id"], text.document_id, rows)
        except (NoTextError, UnknownReaderError, DraftError, TooManyError) as error:
            raise ProposingError(str(error)) from error
    expressed = sum(row["expression"] is not None for row in rows)
    if as_json:
        counts = {**asdict(proposed), "statements": len(rows), "with_criterion": expressed}
        shown = {"is_dry_run": dry_run, "version": version["number"], **counts}
        print_json(
            {**shown, "by_confidence": dict(Counter(str(row["confidence"]) for row in rows))}
        )
        return
    verb = "Would propose" if dry_run else "Proposed"
    click.echo(
        f"{verb} {plural(expressed, 'criterion', 'criteria')} for"
        f" {plural(len(rows), 'statement')} of version {version['number']}:"
        f" {proposed.added} new, {proposed.changed} changed, {proposed.unchanged} unchanged."
    )


def _find_study(number: str) -> Item:
    names = ("id", "minimum_age", "maximum_age", "sex")
    statement = select(*(_study[name] for name in names)).where(
        of_current_tenant(Study), or_(_study.protocol_number == number, _study.nct_id == number)
    )
    found = fetch_items(statement)
    if not found:
        raise ProposingError(f"There is no study {number}. Name a protocol number or an NCT id.")
    if len(found) > 1:
        raise ProposingError(f"Several studies are called {number}. Name the other number.")
    return found[0]


def _newest_draft(study_id: UUID) -> Item | None:
    statement = (
        select(_version.id, _version.number)
        .where(
            of_current_tenant(ProtocolVersion),
            _version.study_id == study_id,
            _version.status == VersionStatus.DRAFT,
        )
        .order_by(_version.number.desc())
        .limit(1)
    )
    return next(iter(fetch_items(statement)), None)


def _new_draft(study_id: UUID) -> Item:
    values = {
        "study_id": study_id,
        "number": next_number(study_id),
        "criteria_hash": hash_of([]),
    }
    return insert_item(ProtocolVersion, values, ("id", "number"))
