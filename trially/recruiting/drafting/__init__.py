"""Drafts of criteria from a study's eligibility text. Plain Python: no text leaves the process.

`splitting` finds the statements and their places, `reading` proposes criteria for them by rules,
`knowledge` holds the names and codes of measurements, conditions and medications.
"""
