"""Scripts for all published figures. Run one with `python -m benchmarks.<name>`."""
