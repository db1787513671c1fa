"""SQL of the dates of records, of which some are known to the month or the year only.

Each is a template for the name of a date, `start` or `end`.
"""

UTC_DAY = "({0}_at AT TIME ZONE 'UTC')::date"

DAY = f"""(CASE WHEN {{0}}_precision = 'instant' THEN ({{0}}_at AT TIME ZONE %(zone)s)::date
    ELSE {UTC_DAY} END)"""
"""The day of a date that is known to the day, in the zone of the parameter `zone`."""

IS_ROUGH = """({0}_precision IS NOT NULL
    AND {0}_precision::text <> ALL (ARRAY['day'::text, 'instant'::text]))"""
"""Whether a date is not known to the day."""

LAST_AT = f"""(CASE WHEN start_at IS NULL OR {IS_ROUGH.format("start")}
    OR (end_at IS NOT NULL AND {IS_ROUGH.format("end")})
    THEN 'infinity'::timestamptz ELSE greatest(start_at, end_at) END)"""
"""The last moment of a record, which is infinity if it is not known to the day.

`ix_clinical_fact_visited` has encounters in this order. PostgreSQL uses it only for the same text;
the migration has its own copy.
"""

BEGINS_SINCE = f"""(start_at >= %(begun_since)s OR start_at IS NULL
    OR {IS_ROUGH.format("start")})"""
"""Whether a record may have begun at the parameter `begun_since` or later."""
