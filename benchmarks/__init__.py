"""Figures, not tests: how fast things are on this machine. ``python -m benchmarks`` prints them as a table."""
