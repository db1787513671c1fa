"""Matches, runs and decisions, as routes list them."""

from sqlalchemy import func

from trially.database.rows import table_of
from trially.recruiting.study_matching.model import Match, MatchDecision, MatchRun
from trially.recruiting.study_matching.ranks import kinds_of_undecided
from trially.recruiting.study_matching.schema import (
    MatchDecisionSchema,
    MatchRunSchema,
    MatchSchema,
)
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT, of_patient

_match, _run, _decision = table_of(Match).c, table_of(MatchRun).c, table_of(MatchDecision).c

_undecided = func.jsonb_build_object(
    *(part for pair in kinds_of_undecided(_match.rank).items() for part in pair)
)

MATCHES = Resource(
    Match,
    MatchSchema(),
    scope=of_patient(_match.patient_id),
    order={"rank": "asc", "id": "asc"},
    hidden=[_match.rank],
    computed=[_undecided.label("undecided")],
    filters={"study_id": equals(_match.study_id), "verdict": equals(_match.verdict)},
)
RUNS = Resource(
    MatchRun,
    MatchRunSchema(),
    scope=WHOLE_TENANT,
    order={"id": "desc"},
    filters={
        "study_id": equals(_run.study_id),
        "trigger": equals(_run.trigger),
        "state": equals(_run.state),
    },
)
DECISIONS = Resource(
    MatchDecision,
    MatchDecisionSchema(),
    scope=of_patient(_decision.patient_id),
    filters={
        "study_id": equals(_decision.study_id),
        "patient_id": equals(_decision.patient_id),
    },
)
