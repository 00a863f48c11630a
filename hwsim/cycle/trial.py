"""Trying other FIFO depths on a network, without stalls, no longer than until the question is decided."""

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

#: Frames in which a rate must show.
search_frames = 1000


class Trial:
    """A network whose FIFO depths are tried; depths are (fifos,) int64, in the network's order."""

    def __init__(self, network: Network) -> None:
        self._program = flatten(network, Stalls.none())

    def passes(self, depths: np.ndarray) -> bool:
        """Return whether frames get through, and nothing stands still for ever.

        What passes in which order does not depend on time, and after a frame all FIFOs are empty as they were before.
        So if the first frame gets through, all do.
        """
        try:
            plan_of(with_depths(self._program, depths))
        except StandstillError:
            return False
        return True

    def reaches(self, depths: np.ndarray, interval: Fraction | int) -> bool:
        """Return whether frames follow each other in `interval` cycles or fewer in the end."""
        return self._decide(depths, lambda rates: rates.reaches(interval)) or False

    def rate(self, depths: np.ndarray) -> Fraction | None:
        """Return the cycles between frames in the end, exactly; None if none get through, or it does not show."""
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
    """Return the least of `low` to `high` for which a condition holds that holds for all above it, and for `high`."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return high
