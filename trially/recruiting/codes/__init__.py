"""Codes of the loaded terminologies: autocomplete and look-up, and the operator's commands."""
