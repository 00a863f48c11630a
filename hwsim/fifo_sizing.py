"""FIFO sizing: the smallest depths that cost no throughput, found with the cycle simulator."""

from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np

from dataflow import Fifo, InputError, Network
from hwsim.cycle import simulate
from hwsim.cycle.trial import Trial, smallest

__all__ = ["shrink_depths"]

#: How often the depths are doubled before the interval is given up.
most_doublings = 12


def shrink_depths(
    network: Network,
    *,
    interval: int | None = None,
    slack: Fraction | int = 0,
    fixed: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Return the smallest depth of every FIFO with which frames still follow each other at `interval`.

    Deeper FIFOs never make anything later. So the smallest depth of one FIFO, the others given, is found by
    bisection; and if the FIFOs are taken in turn, the most expensive first, then in the end none can be lowered by
    one without missing the interval, because those that were taken later only became smaller since.

    Parameters
    ----------
    interval : cycles between frames in the steady state; without, those of FIFOs without bound, which are the
        steps of the slowest node (`Network.interval`); or what the fixed depths allow, if that is more
    slack : part of the interval by which it may grow, if that saves places
    fixed : depths by name that are not to be chosen

    Returns
    -------
    dict
        Depths by FIFO name, for ``Network.with_depths``, the fixed ones among them.

    Raises
    ------
    InputError
        No depths reach the interval, the slack is negative, a fixed depth is not one, or lets the network stand still.
    """
    if slack < 0:
        raise InputError(f"Interval slack must be at least 0, not {float(slack)}")
    network = network.with_depths(fixed or {})
    free = np.array([fifo.name not in (fixed or {}) for fifo in network.fifos])
    trial = Trial(network)
    kept, depths = _kept_interval(network, trial, free, interval)
    goal = kept * (1 + slack)
    order = sorted(range(len(depths)), key=lambda row: (-_bits(network, network.fifos[row], int(depths[row])), row))
    for row in order:
        if free[row]:
            depths[row] = smallest(_reaching(trial, depths, row, goal), 1, int(depths[row]))
    return {fifo.name: int(depth) for fifo, depth in zip(network.fifos, depths, strict=True)}


def _kept_interval(
    network: Network, trial: Trial, free: np.ndarray, interval: int | None
) -> tuple[Fraction | int, np.ndarray]:
    """Return the interval to keep, and depths that reach it: the present ones, the free ones doubled if needed."""
    goal: Fraction | int = network.interval if interval is None else interval
    if goal < network.interval:
        raise InputError(
            f"Interval of network {network.name!r} must be at least {network.interval}, the steps of its slowest node, "
            f"not {goal}"
        )
    present = np.array([fifo.depth for fifo in network.fifos])
    if not free.any():
        simulate(network, 1)  # tells of a deadlock
        return goal, present
    if interval is None and not free.all():
        goal = _least_interval(network, trial, np.where(free, np.maximum(present, _unbounded(network)), present))
    for doublings in range(most_doublings + 1):
        depths = np.where(free, present << doublings, present)
        if trial.reaches(depths, goal):
            return goal, depths
    raise InputError(
        f"FIFOs of network {network.name!r} must reach an interval of {goal} when their depths are doubled "
        f"{most_doublings} times, not miss it"
    )


def _least_interval(network: Network, trial: Trial, depths: np.ndarray) -> Fraction | int:
    """Return the interval that depths allow."""
    names = [fifo.name for fifo in network.fifos]
    simulate(network.with_depths(dict(zip(names, depths.tolist(), strict=True))), 1)  # tells of a deadlock
    rate = trial.rate(depths)
    if rate is None:
        raise InputError(
            f"FIFOs of network {network.name!r} must show their interval in the search, not go on changing"
        )
    return rate


def _unbounded(network: Network) -> np.ndarray:
    """Return depths that are as good as none: all beats of as many frames as can be on their way at once."""
    steps = sum(node.steps + node.schedule().latency for node in network.nodes)
    flight = 2 + -(-steps // network.interval)
    return np.array([flight * network.stream(fifo).beats for fifo in network.fifos])


def _reaching(trial: Trial, depths: np.ndarray, row: int, goal: Fraction | int) -> Callable[[int], bool]:
    def reaches(depth: int) -> bool:
        changed = depths.copy()
        changed[row] = depth
        return trial.reaches(changed, goal)

    return reaches


def _bits(network: Network, fifo: Fifo, depth: int) -> int:
    return network.stream(fifo).width * depth
