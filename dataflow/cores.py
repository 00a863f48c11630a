"""The processor cores for work that is done side by side."""

import os

__all__ = ["core_count"]


def core_count() -> int:
    """Return how many processor cores this process may use, at least 1: a container or `taskset` may leave it few."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
