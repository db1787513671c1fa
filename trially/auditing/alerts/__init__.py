"""Alerts: what rules find in the audit log."""
