"""Routes of the versions of protocols."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Blueprint
from uuid_utils.compat import uuid7

from trially.auth.identity import current_identity
from trially.auth.permissions import Permission, requires
from trially.database.rows import Item, table_of
from trially.http.contract import (
    accepts,
    accepts_merge_patch,
    matches_versions,
    may_conflict,
    only_reads,
    queries,
    returns,
    returns_page,
    returns_version,
)
from trially.http.etags import Versions
from trially.http.pages import Page
from trially.http.problems import validation_failed
from trially.recruiting.protocols.versions.checking import counts_of, hindrances_of, warnings_of
from trially.recruiting.protocols.versions.criteria import (
    Author,
    hash_of,
    insert_criteria,
    read_body,
    replace_criteria,
    shown_criteria,
    stored_criteria,
)
from trially.recruiting.protocols.versions.criteria_schema import (
    CriteriaBodySchema,
    CriteriaSchema,
    DifferenceSchema,
    ValidationBodySchema,
    ValidationSchema,
)
from trially.recruiting.protocols.versions.differences import answer_of, difference_of
from trially.recruiting.protocols.versions.evaluating import evaluation_of, evaluations_of
from trially.recruiting.protocols.versions.expressions import errors_of
from trially.recruiting.protocols.versions.locking import lock_study, refuse_frozen
from trially.recruiting.protocols.versions.model import Proposer, ProtocolVersion
from trially.recruiting.protocols.versions.numbering import id_of, next_number
from trially.recruiting.protocols.versions.proposals.undecided import undecided_of
from trially.recruiting.protocols.versions.schema import (
    ProtocolVersionPatchSchema,
    ProtocolVersionQuerySchema,
    ProtocolVersionSchema,
    StoredVersionSchema,
)
from trially.recruiting.studies.routes import STUDIES
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT

bp = Blueprint("protocol_versions", __name__, url_prefix="/studies/<uuid:study_id>/versions")

columns = table_of(ProtocolVersion).c

VERSIONS = Resource(
    ProtocolVersion,
    StoredVersionSchema(),
    scope=WHOLE_TENANT,
    filters={"study_id": equals(columns.study_id), "status": equals(columns.status)},
)


@bp.get("")
@requires(Permission.STUDIES_READ)
@queries(ProtocolVersionQuerySchema())
@returns_page(ProtocolVersionSchema())
def list_versions(study_id: UUID, query: dict[str, Any]) -> Page:
    """List the versions of a study's protocol, oldest first.

    At most one is `active`: its criteria select patients. `evaluation` says how many criteria the
    machine evaluates.
    """
    STUDIES.get(study_id)
    page = VERSIONS.page(query, study_id=study_id)
    evaluations = evaluations_of([item["id"] for item in page["data"]])
    for item in page["data"]:
        item["evaluation"] = evaluations[item["id"]]
    return page


@bp.post("")
@requires(Permission.STUDIES_WRITE)
@accepts(ProtocolVersionSchema())
@returns_version(ProtocolVersionSchema(), HTTPStatus.CREATED, located_by="number")
def create_version(study_id: UUID, body: dict[str, Any]) -> Item:
    """Create a draft of a version of a study's protocol.

    `copied_from` names a version of the study whose criteria the draft begins with. They keep their
    `key`, their review and who proposed them. Versions are numbered from 1.
    """
    STUDIES.get(study_id)
    lock_study(study_id)
    copied = body.get("copied_from")
    rows: list[Item] = []
    if copied is not None:
        origin = id_of(study_id, copied)
        if origin is None:
            detail = "The study has no version of this number."
            raise validation_failed([{"pointer": "/copied_from", "detail": detail}])
        rows = [{**row, "id": uuid7()} for row in stored_criteria(origin)]
    values = {**body, "study_id": study_id, "number": next_number(study_id)}
    version = VERSIONS.create({**values, "criteria_hash": hash_of(rows)})
    insert_criteria(version["id"], rows)
    return shown_version(version)


@bp.get("/<int:version>")
@requires(Permission.STUDIES_READ)
@returns_version(ProtocolVersionSchema())
def show_version(study_id: UUID, version: int) -> Item:
    """Show a version of a study's protocol, and how many of its criteria the machine evaluates.

    The `ETag` changes with each change of the version or of its criteria.
    """
    return shown_version(find_version(study_id, version))


@bp.patch("/<int:version>")
@requires(Permission.STUDIES_WRITE)
@matches_versions
@may_conflict
@accepts_merge_patch(ProtocolVersionPatchSchema(partial=True))
@returns_version(ProtocolVersionSchema())
def change_version(
    study_id: UUID, version: int, versions: Versions | None, body: dict[str, Any]
) -> Item:
    """Change the label or the date of a version that is a draft or in review.

    An active or superseded version never changes: the answer is 409 `version_frozen`.
    """
    found = find_locked(study_id, version)
    refuse_frozen(found)
    return shown_version(VERSIONS.change(found["id"], versions, body))


@bp.get("/<int:version>/criteria")
@requires(Permission.STUDIES_READ)
@returns_version(CriteriaSchema())
def show_criteria(study_id: UUID, version: int) -> Item:
    """Show the criteria of a version, in their order.

    `place` says where a statement is in a document of the study: characters of its whole text.
    """
    return _criteria(find_version(study_id, version))


@bp.put("/<int:version>/criteria")
@requires(Permission.STUDIES_WRITE)
@matches_versions
@may_conflict
@accepts(CriteriaBodySchema())
@returns_version(CriteriaSchema())
def replace_list(
    study_id: UUID, version: int, versions: Versions | None, body: dict[str, Any]
) -> Item:
    """Replace the whole list of criteria of a version that is a draft or in review.

    A criterion with an `id` stays, with its `key`, at its new position. The others of the present
    list are removed. A list that breaks a rule of the language of criteria changes nothing: the
    answer is 422, with a pointer to each mistake. `review_state` says whether a person has accepted
    the criterion as it is in this list.
    """
    found = find_locked(study_id, version)
    refuse_frozen(found)
    stored = stored_criteria(found["id"])
    rows = read_body(study_id, body["criteria"], stored)
    changed = VERSIONS.change(found["id"], versions, {"criteria_hash": hash_of(rows)})
    replace_criteria(found["id"], rows, stored, Author(Proposer.PERSON, _subject()))
    return _criteria(changed)


@bp.post("/<int:version>/validate")
@requires(Permission.STUDIES_READ)
@only_reads
@accepts(ValidationBodySchema())
@returns(ValidationSchema())
def validate_criteria(study_id: UUID, version: int, body: dict[str, Any]) -> Item:
    """Say what is wrong with a list of criteria, and change nothing.

    Without `criteria`, the list of the version is validated. `errors` would be refused when the
    list is stored, `hindrances` when the version is activated; `warnings` are allowed.
    """
    found = find_version(study_id, version)
    stored = stored_criteria(found["id"])
    criteria = [_with_defaults(each) for each in body.get("criteria", stored)]
    errors = list(errors_of(criteria))
    return {
        "errors": errors,
        "hindrances": [] if errors else [*hindrances_of(criteria), *undecided_of(found["id"])],
        "warnings": list(warnings_of(criteria)),
    }


@bp.get("/<int:version>/diff/<int:other_version>")
@requires(Permission.STUDIES_READ)
@returns(DifferenceSchema())
def compare_versions(study_id: UUID, version: int, other_version: int) -> Item:
    """Compare the criteria of two versions: from the first to the second.

    A criterion that was copied is the same, also if it was changed. Their order does not count.
    """
    former, latter = find_version(study_id, version), find_version(study_id, other_version)
    return answer_of(
        former["number"],
        latter["number"],
        difference_of(
            shown_criteria(stored_criteria(former["id"])),
            shown_criteria(stored_criteria(latter["id"])),
        ),
    )


def find_version(study_id: UUID, version: int) -> Item:
    """Return a version of a study, or answer 404."""
    STUDIES.get(study_id)
    version_id = id_of(study_id, version)
    if version_id is None:
        raise VERSIONS.not_found()
    return VERSIONS.get(version_id)


def shown_version(version: Item) -> Item:
    """Return a version as clients see it: with how much of it is evaluated."""
    return {**version, "evaluation": evaluation_of(version["id"])}


def find_locked(study_id: UUID, version: int) -> Item:
    """Return a version of a study whose versions no other transaction changes meanwhile."""
    STUDIES.get(study_id)
    lock_study(study_id)
    return find_version(study_id, version)


def _criteria(version: Item) -> Item:
    rows = stored_criteria(version["id"])
    shown = ("number", "status", "criteria_hash", "version")
    return {
        **{name: version[name] for name in shown},
        "criteria": shown_criteria(rows),
        "counts": counts_of(rows),
    }


def _with_defaults(criterion: Mapping[str, Any]) -> dict[str, Any]:
    """Return a criterion of a body, or of a stored list, with what can be left out."""
    evaluation = "not_expressed" if criterion["expression"] is None else "expressed"
    return {"evaluation": evaluation, "statement": "", **criterion}


def _subject() -> str:
    return current_identity().subject
