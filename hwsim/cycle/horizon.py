"""The times from which all later ones follow."""

from functools import lru_cache

import numpy as np

from hwsim.cycle.kernel import FIRST_KEPT, Plan, State

__all__ = ["fingerprint", "horizon"]


def horizon(plan: Plan, state: State) -> np.ndarray:
    """Return the times from which all later ones follow, int64, at the end of a frame.

    These are each actor's last event and the latest `depth` reads of each FIFO, buffers included.
    """
    return np.concatenate([state.times[plan.befores], state.times[plan.fifos[0, FIRST_KEPT] :]])


def fingerprint(times: np.ndarray) -> np.ndarray:
    """Return two numbers that identify times, (2,) uint64.

    They are sums with random weights, modulo 2**64. So the fingerprint of a difference is the difference of the
    fingerprints, and different times have the same fingerprint only by chance.

    Parameters
    ----------
    times : (n,) int64
    """
    return _weights(len(times)) @ times.view(np.uint64)


@lru_cache(maxsize=8)
def _weights(count: int) -> np.ndarray:
    """Return odd weights for `count` times, (2, count) uint64."""
    return np.random.default_rng(0).integers(2**64, size=(2, count), dtype=np.uint64) | np.uint64(1)
