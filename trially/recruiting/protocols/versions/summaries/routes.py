"""Routes of what the page of a study shows of its protocol."""

from uuid import UUID

from trially.auth.permissions import Permission, requires
from trially.database.rows import Item
from trially.http.contract import returns
from trially.recruiting.protocols.versions.evaluating import evaluation_of, nothing_to_evaluate
from trially.recruiting.protocols.versions.numbering import find_shown
from trially.recruiting.protocols.versions.schema import StudyEvaluationSchema
from trially.recruiting.studies.routes import STUDIES, bp


@bp.get("/<uuid:study_id>/evaluation")
@requires(Permission.STUDIES_READ)
@returns(StudyEvaluationSchema())
def show_evaluation(study_id: UUID) -> Item:
    """Show how many criteria of a study the machine evaluates, and how many are left to people.

    They are those of the active version of the protocol or, if there is none, of the newest one.
    `share` is the part of the criteria that is evaluated as a whole, from 0 to 1.
    """
    STUDIES.get(study_id)
    found = find_shown(study_id)
    if found is None:
        return {"number": None, "status": None, "evaluation": nothing_to_evaluate()}
    return {
        "number": found["number"],
        "status": found["status"],
        "evaluation": evaluation_of(found["id"]),
    }
