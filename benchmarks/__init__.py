"""Benchmarks of this machine. ``python -m benchmarks`` prints their figures as a table."""
