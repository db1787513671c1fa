"""Proposals: what a reader makes of a study's eligibility text, for a person to accept or reject.

No proposal is in force. An accepted one becomes a criterion of its draft.
"""
