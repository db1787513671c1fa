"""SQL of the dates of records, of which some are known to the month or the year only.

Each is a template for the name of a date, `start` or `end`.
"""

UTC_DAY = "({0}_at AT TIME ZONE 'UTC')::date"

DAY = f"""(CASE WHEN {{0}}_precision = 'instant' THEN ({{0}}_at AT TIME ZONE %(zone)s)::date
    ELSE {UTC_DAY} END)"""
"""The day of a date that is known to the day, in the zone of the parameter `zone`."""

IS_ROUGH = "({0}_precision IS NOT NULL AND {0}_precision NOT IN ('day', 'instant'))"
"""Whether a date is not known to the day."""
