"""What operators see: logs, metrics, and nothing of any patient in either."""
