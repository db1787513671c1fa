"""Routes of proposals: let a reader propose criteria for a draft, and decide about each."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from flask import Blueprint
from uuid_utils.compat import uuid7

from trially.auth.identity import current_identity
from trially.auth.permissions import Permission, requires
from trially.database.rows import Item, table_of
from trially.database.session import release_connection
from trially.http.codes import Code
from trially.http.contract import (
    accepts,
    matches_versions,
    may_conflict,
    queries,
    returns,
    returns_page,
    returns_version,
)
from trially.http.etags import Versions
from trially.http.pages import Page
from trially.http.problems import UnprocessableContent, validation_failed
from trially.recruiting.drafting.drafts import DraftError
from trially.recruiting.drafting.reading.readings import Reader
from trially.recruiting.protocols.documents.model import StudyDocumentKind
from trially.recruiting.protocols.documents.storing import store_text
from trially.recruiting.protocols.versions.locking import refuse_status
from trially.recruiting.protocols.versions.model import VersionStatus
from trially.recruiting.protocols.versions.proposals.deciding import (
    append_criterion,
    author_of,
    criterion_of,
    decision,
    refuse_accepted,
    state_of,
)
from trially.recruiting.protocols.versions.proposals.known_codes import with_known_codes
from trially.recruiting.protocols.versions.proposals.model import CriterionProposal, ProposalState
from trially.recruiting.protocols.versions.proposals.proposing import (
    TooManyError,
    read_proposals,
    store_proposals,
)
from trially.recruiting.protocols.versions.proposals.readers import UnknownReaderError, make_reader
from trially.recruiting.protocols.versions.proposals.schema import (
    AcceptanceSchema,
    ProposalQuerySchema,
    ProposalSchema,
    ProposedSchema,
    ProposingBodySchema,
    RejectionSchema,
    StoredProposalSchema,
)
from trially.recruiting.protocols.versions.proposals.showing import shown_proposals
from trially.recruiting.protocols.versions.proposals.texts import (
    NoTextError,
    ReadText,
    document_text,
    registry_text,
    sent_text,
)
from trially.recruiting.protocols.versions.proposals.undecided import count_undecided
from trially.recruiting.protocols.versions.routes import VERSIONS, find_locked, find_version
from trially.recruiting.studies.routes import STUDIES
from trially.recruiting.valuesets.library import names_of_value_sets
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT

bp = Blueprint(
    "criterion_proposals",
    __name__,
    url_prefix="/studies/<uuid:study_id>/versions/<int:version>/proposals",
)

columns = table_of(CriterionProposal).c
TITLE_OF_TEXT = "Eligibility text"

PROPOSALS = Resource(
    CriterionProposal,
    StoredProposalSchema(),
    scope=WHOLE_TENANT,
    order={"position": "asc", "id": "asc"},
    filters={
        "protocol_version_id": equals(columns.protocol_version_id),
        "state": equals(columns.state),
        "document_id": equals(columns.document_id),
    },
)


@bp.get("")
@requires(Permission.STUDIES_READ)
@queries(ProposalQuerySchema())
@returns_page(ProposalSchema())
def list_proposals(study_id: UUID, version: int, query: dict[str, Any]) -> Page:
    """List the proposals of a version, in the order of their texts.

    Decided ones stay in the list, with who decided them and why.
    """
    found = find_version(study_id, version)
    page = PROPOSALS.page(query, protocol_version_id=found["id"])
    return {**page, "data": shown_proposals(page["data"])}


@bp.post("")
@requires(Permission.STUDIES_WRITE)
@may_conflict
@accepts(ProposingBodySchema())
@returns(ProposedSchema())
def propose_criteria(study_id: UUID, version: int, body: dict[str, Any]) -> Item:
    """Let a reader propose criteria for a draft, from a text of the study.

    The text is the eligibility text of the registry, a document of the study, or a text in the
    body. Each statement becomes a proposal, also if the reader proposes no criterion for it. With
    the registry's text, the study's ages and sex are proposed too. No proposal is in force: a
    person accepts or rejects each. Reading a text again changes open proposals only. A version that
    is no draft is answered with 409.
    """
    study = STUDIES.get(study_id)
    refuse_status(find_version(study_id, version), VersionStatus.DRAFT)
    text, reader = _text_of(study_id, body), _reader(body["reader"])
    is_from_registry = body["document_id"] is None and "text" not in body
    release_connection()
    try:
        read = read_proposals(text, reader, study if is_from_registry else None)
    except DraftError as error:
        raise UnprocessableContent(str(error), code=Code.TEXT_NOT_READ) from error
    usable = with_known_codes(read)
    found = find_locked(study_id, version)
    refuse_status(found, VersionStatus.DRAFT)
    document_id = text.document_id or store_text(
        study_id, body["text"], kind=StudyDocumentKind.OTHER, title=TITLE_OF_TEXT
    )
    try:
        proposed = store_proposals(found["id"], document_id, usable)
    except TooManyError as error:
        raise _invalid("document_id", error) from error
    first_page, last_page = text.pages
    return {
        "document_id": document_id,
        "start": text.place.start,
        "end": text.place.end,
        "first_page": first_page,
        "last_page": last_page,
        "reader": reader.name,
        "reader_version": reader.version,
        **asdict(proposed),
        "open": count_undecided(found["id"]),
    }


@bp.get("/<uuid:criterion_proposal_id>")
@requires(Permission.STUDIES_READ)
@returns_version(ProposalSchema())
def show_proposal(study_id: UUID, version: int, criterion_proposal_id: UUID) -> Item:
    """Show a proposal: the statement, its place, and the criterion that a reader proposes.

    Without a criterion, `reason` says why, and `parts` are what was read.
    """
    found = find_version(study_id, version)
    return _shown(_find(found, criterion_proposal_id))


@bp.post("/<uuid:criterion_proposal_id>/accept")
@requires(Permission.STUDIES_WRITE)
@matches_versions
@may_conflict
@accepts(AcceptanceSchema())
@returns_version(ProposalSchema())
def accept_proposal(
    study_id: UUID,
    version: int,
    criterion_proposal_id: UUID,
    versions: Versions | None,
    body: dict[str, Any],
) -> Item:
    """Accept a proposal of a draft, as it is or corrected: it becomes the draft's last criterion.

    The criterion keeps the statement and its place, and counts as reviewed. An `expression` in the
    body replaces the proposed one. Without any, the criterion is `unsupported`, or what
    `evaluation` says. A proposal that was rejected can be accepted.
    """
    found, proposal = _find_undecided(study_id, version, criterion_proposal_id)
    subject, key = current_identity().subject, uuid7()
    criterion = criterion_of(proposal, body)
    state = state_of(proposal, criterion)
    values = decision(state, body["reason"], subject)
    decided = PROPOSALS.change(proposal["id"], versions, {**values, "criterion_key": key})
    author = author_of(proposal, state, subject)
    criteria_hash = append_criterion(found["id"], key, criterion, author)
    VERSIONS.change(found["id"], None, {"criteria_hash": criteria_hash})
    return _shown(decided)


@bp.post("/<uuid:criterion_proposal_id>/reject")
@requires(Permission.STUDIES_WRITE)
@matches_versions
@may_conflict
@accepts(RejectionSchema())
@returns_version(ProposalSchema())
def reject_proposal(
    study_id: UUID,
    version: int,
    criterion_proposal_id: UUID,
    versions: Versions | None,
    body: dict[str, Any],
) -> Item:
    """Reject a proposal of a draft: it becomes no criterion.

    It stays in the list of proposals with who rejected it and why. One that was accepted already is
    answered with 409.
    """
    _, proposal = _find_undecided(study_id, version, criterion_proposal_id)
    values = decision(ProposalState.REJECTED, body["reason"], current_identity().subject)
    return _shown(PROPOSALS.change(proposal["id"], versions, values))


def _find(version: Item, proposal_id: UUID) -> Item:
    """Return a proposal of a version, or answer 404."""
    proposal = PROPOSALS.get(proposal_id)
    if proposal["protocol_version_id"] != version["id"]:
        raise PROPOSALS.not_found()
    return proposal


def _find_undecided(study_id: UUID, version: int, proposal_id: UUID) -> tuple[Item, Item]:
    """Return a draft, locked, and a proposal of it that is no criterion. Answers 404 or 409."""
    found = find_locked(study_id, version)
    proposal = _find(found, proposal_id)
    refuse_status(found, VersionStatus.DRAFT)
    refuse_accepted(proposal)
    return found, proposal


def _shown(proposal: Item) -> Item:
    [shown] = shown_proposals([proposal])
    return shown


def _text_of(study_id: UUID, body: dict[str, Any]) -> ReadText:
    """Return the text that a body names, or answer 422."""
    try:
        if "text" in body:
            return sent_text(body["text"])
        if body["document_id"] is not None:
            pages = body["first_page"], body["last_page"]
            return document_text(study_id, body["document_id"], *pages)
        return registry_text(study_id)
    except NoTextError as error:
        raise _invalid(error.member, error) from error


def _reader(name: str) -> Reader:
    """Return a reader by its name, or answer 422."""
    try:
        return make_reader(name, names_of_value_sets())
    except UnknownReaderError as error:
        raise _invalid("reader", error) from error


def _invalid(member: str, error: Exception) -> UnprocessableContent:
    return validation_failed([{"pointer": f"/{member}" if member else "", "detail": str(error)}])
