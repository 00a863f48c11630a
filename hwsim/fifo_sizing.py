"""FIFO sizing: the smallest depths that cost no throughput, found with the cycle simulator."""

from dataflow import Fifo, InputError, Network
from hwsim.cycle.deadlock import DeadlockError, smallest
from hwsim.cycle.stepper import Stepper
from hwsim.stalls import Stalls

__all__ = ["shrink_depths"]

#: Frames in which the periodic state must show, for depths to be trusted.
search_frames = 1000

#: How often the depths are doubled before the interval is given up.
most_doublings = 12


def shrink_depths(network: Network, *, interval: int | None = None) -> dict[str, int]:
    """Return the smallest depth of every FIFO with which frames still follow each other at `interval`.

    Deeper FIFOs never make anything later. So the smallest depth of one FIFO, the others given, is found by
    bisection; and if the FIFOs are taken in turn, the most expensive first, then in the end none can be lowered by
    one without missing the interval, because those that were taken later only became smaller since.

    Parameters
    ----------
    interval : cycles between frames in the steady state; without, those of FIFOs without bound, which are the
        steps of the slowest node (`Network.interval`)

    Returns
    -------
    dict
        Depths by FIFO name, for ``Network.with_depths``.

    Raises
    ------
    InputError
        No depths reach the interval.
    """
    goal = network.interval if interval is None else interval
    depths = _sufficient_depths(network, goal)
    for fifo in sorted(network.fifos, key=lambda fifo: (-_bits(network, fifo, depths[fifo.name]), fifo.name)):

        def reaches(depth: int, name: str = fifo.name) -> bool:
            return _reaches(network.with_depths({**depths, name: depth}), goal)

        depths[fifo.name] = smallest(reaches, 1, depths[fifo.name])
    return depths


def _bits(network: Network, fifo: Fifo, depth: int) -> int:
    return network.stream(fifo).width * depth


def _sufficient_depths(network: Network, interval: int) -> dict[str, int]:
    """Return the present depths, or as many times as needed doubled."""
    if interval < network.interval:
        raise InputError(
            f"Interval of network {network.name!r} must be at least {network.interval}, the steps of its slowest node, "
            f"not {interval}"
        )
    for doublings in range(most_doublings + 1):
        depths = {fifo.name: fifo.depth << doublings for fifo in network.fifos}
        if _reaches(network.with_depths(depths), interval):
            return depths
    raise InputError(
        f"FIFOs of network {network.name!r} must reach an interval of {interval} when their depths are doubled "
        f"{most_doublings} times, not miss it"
    )


def _reaches(network: Network, interval: int) -> bool:
    """Return whether frames follow each other in `interval` cycles or fewer in the steady state."""
    stepper = Stepper(network, Stalls.none(), 1)
    try:
        while stepper.periodic is None and stepper.frames < search_frames:
            stepper.step()
            assert stepper.rates is not None
            reaches = stepper.rates.reaches(interval)
            if reaches is not None:
                return reaches
    except DeadlockError:
        return False
    return stepper.periodic is not None and stepper.periodic.cycles <= interval * stepper.periodic.frames
