"""Every figure that is published, re-runnable: `python -m benchmarks.<name>`."""
