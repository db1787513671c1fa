"""Which encounters were visits that took place, and when a patient was last seen."""

VISITED_STATUSES = frozenset(
    {
        *("arrived", "triaged", "in-progress", "onleave", "on-hold", "finished"),
        *("completed", "discharged"),
    }
)
"""Statuses of encounters that take place or took place: FHIR R4's, and those of R5."""

TOOK_PLACE = (
    "type = 'encounter' AND NOT entered_in_error AND NOT negated AND date_problem IS NULL"
    f" AND status IN ({', '.join(repr(status) for status in sorted(VISITED_STATUSES))})"
)
"""SQL: the condition of facts that count for `last_encounter_on`."""

LOCAL_DAY = "(start_at AT TIME ZONE 'UTC' + make_interval(mins => coalesce(start_offset, 0)))::date"
"""SQL: the day on which an encounter began where the source is."""

LAST_ENCOUNTER = f"""(
    SELECT max({LOCAL_DAY}) FROM clinical_fact
    WHERE clinical_fact.tenant_id = patient.tenant_id AND clinical_fact.patient_id = patient.id
    AND clinical_fact.withdrawn_at IS NULL
    AND {TOOK_PLACE.replace("date_problem", "clinical_fact.date_problem")}
)"""
"""SQL: `last_encounter_on` of a row of `patient`."""
