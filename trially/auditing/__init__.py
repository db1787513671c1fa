"""Read the audit log: lists, reports for patients, and alerts."""
