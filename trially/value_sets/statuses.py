"""Statuses and categories of records: FHIR's value sets, and those of US Core."""

_STATUSES = (
    "preparation in-progress not-done on-hold stopped completed entered-in-error unknown "
    "registered preliminary final amended corrected cancelled active draft intended not-taken "
    "suspended planned arrived triaged onleave finished aborted in-error not-given declined "
    "discharged discontinued recorded current superseded partial appended"
)
_CLINICAL_STATUSES = "active recurrence relapse inactive remission resolved unknown"
_VERIFICATION_STATUSES = (
    "unconfirmed presumed provisional differential confirmed refuted entered-in-error unknown"
)
_CATEGORIES = (
    # observations, conditions, allergies
    "social-history vital-signs imaging laboratory procedure survey exam therapy activity sdoh "
    "functional-status disability-status cognitive-status clinical-test "
    "problem-list-item encounter-diagnosis health-concern problem diagnosis finding "
    "food medication environment biologic "
    # medications
    "proposal plan directive order original-order reflex-order filler-order instance-order "
    "option inpatient outpatient community patientspecified discharge "
    # encounters
    "AMB EMER FLD HH IMP ACUTE NONAC OBSENC PRENC SS VR "
    "ambulatory emergency field daytime home virtual other wellness urgentcare hospice snf "
    # documents and reports
    "clinical-note discharge-summary RAD LAB PAT CUS NMR CT OUS GE MB HM "
    # procedures, as SNOMED codes
    "24642003 103693007 46947000 409063005 409073007 387713003 410606002 386053000"
)

STATUSES = frozenset(_STATUSES.split())
CLINICAL_STATUSES = frozenset(_CLINICAL_STATUSES.split())
VERIFICATION_STATUSES = frozenset(_VERIFICATION_STATUSES.split())
CRITICALITIES = frozenset({"low", "high", "unable-to-assess"})
CATEGORIES = frozenset(_CATEGORIES.split())
INTENTS = frozenset(
    "proposal plan directive order original-order reflex-order filler-order instance-order "  # noqa: SIM905
    "option".split()
)
INTERPRETATIONS = frozenset(
    "H HH HU L LL LU N A AA D U B W < > S R I MS VS NS POS NEG IND DET ND EXP UNE HX LX HM CAR "  # noqa: SIM905
    "E EX TOX RR WR NR SDD SYN-R SYN-S ABN NCL".split()
)
