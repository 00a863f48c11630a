"""FIFO sizing: the smallest depths that cost no throughput, found with the cycle simulator."""

from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np

from dataflow import Fifo, InputError, Network
from hwsim.cycle import simulate
from hwsim.cycle.trial import Trial, smallest

__all__ = ["shrink_depths"]

#: How often the depths are doubled before the interval is considered unreachable.
most_doublings = 12


def shrink_depths(
    network: Network,
    *,
    interval: int | None = None,
    slack: Fraction | int = 0,
    fixed: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Return the smallest depth of every FIFO with which frames still follow each other at `interval`.

    Deeper FIFOs never delay anything. So the smallest depth of one FIFO, given the others, is found by bisection. The
    FIFOs are visited in turn, the most expensive first. Those visited later only become smaller, so no depth of the
    result can be reduced by one without missing the interval.

    Parameters
    ----------
    interval : cycles between frames in steady state. The default is that of unbounded FIFOs, the steps of the slowest
        node (`Network.interval`), or the interval that the fixed depths allow, if it is larger
    slack : fraction of the interval by which it may grow, if that saves places
    fixed : depths by FIFO name that are kept

    Returns
    -------
    dict
        Depths by FIFO name, for ``Network.with_depths``, the fixed ones among them.

    Raises
    ------
    InputError
        No depths reach the interval, the slack is negative, or a fixed depth is invalid or causes a deadlock.
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
    """Return the interval to keep, and depths that reach it: the current ones, with the free ones doubled if needed."""
    goal: Fraction | int = network.interval if interval is None else interval
    if goal < network.interval:
        raise InputError(
            f"Interval of network {network.name!r} must be at least {network.interval}, the steps of its slowest node, "
            f"not {goal}"
        )
    present = np.array([fifo.depth for fifo in network.fifos])
    if not free.any():
        simulate(network, 1)  # raises InputError at a deadlock
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
    """Return the interval that is reached with given depths."""
    names = [fifo.name for fifo in network.fifos]
    simulate(network.with_depths(dict(zip(names, depths.tolist(), strict=True))), 1)  # raises InputError at a deadlock
    rate = trial.rate(depths)
    if rate is None:
        raise InputError(
            f"FIFOs of network {network.name!r} must reach a constant interval in the search, not keep changing"
        )
    return rate


def _unbounded(network: Network) -> np.ndarray:
    """Return depths that never limit anything: room for all beats of the frames that can be in the network at once."""
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
