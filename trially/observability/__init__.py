"""Logs, metrics and traces for operators. None of them holds PHI."""
