"""Trying FIFO depths on a network without stalls. A trial ends as soon as its question is decided."""

from collections.abc import Callable
from fractions import Fraction
from typing import TypeVar

import numpy as np

from dataflow import Network
from hwsim.cycle.horizon import horizon
from hwsim.cycle.kernel import advance
from hwsim.cycle.plan import StandstillError, initial_state, plan_of
from hwsim.cycle.program import flatten, with_depths
from hwsim.cycle.rate import RateFinder
from hwsim.stalls import Stalls

__all__ = ["Trial", "smallest"]

Answer = TypeVar("Answer")

#: Frames within which a rate must be found.
search_frames = 1000


class Trial:
    """A network with varying FIFO depths. Depths are (fifos,) int64, in the network's order."""

    def __init__(self, network: Network) -> None:
        self._program = flatten(network, Stalls.none())

    def passes(self, depths: np.ndarray) -> bool:
        """Return whether frames pass without a deadlock.

        What passes in which order does not depend on time, and after a frame all FIFOs are as empty as before it. So
        if the first frame passes, all do.
        """
        try:
            plan_of(with_depths(self._program, depths))
        except StandstillError:
            return False
        return True

    def reaches(self, depths: np.ndarray, interval: Fraction | int) -> bool:
        """Return whether frames are at most `interval` cycles apart in steady state."""
        return self._decide(depths, lambda rates: rates.reaches(interval)) or False

    def rate(self, depths: np.ndarray) -> Fraction | None:
        """Return the exact cycles between frames in steady state; None at a deadlock, or if they are not found."""
        return self._decide(depths, lambda rates: rates.rate)

    def _decide(self, depths: np.ndarray, question: Callable[[RateFinder], Answer | None]) -> Answer | None:
        program = with_depths(self._program, depths)
        try:
            plan = plan_of(program)
        except StandstillError:
            return None
        state, rates = initial_state(program, plan), RateFinder()
        for _ in range(search_frames):
            advance(plan, state, False)
            rates.add(horizon(plan, state))
            answer = question(rates)
            if answer is not None:
                return answer
        return None


def smallest(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return the smallest number from `low` to `high` for which a monotone condition holds; it holds for `high`."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return high
