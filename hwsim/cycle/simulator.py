"""Simulating any number of frames: stepping up to the periodic state, and arithmetic from there on."""

import numpy as np

from dataflow import InputError, Network
from hwsim.cycle.deadlock import DeadlockError, remedy_of
from hwsim.cycle.run import FifoUse, NodeActivity, Run
from hwsim.cycle.stepper import Mark, Stepper
from hwsim.stalls import Stalls

__all__ = ["simulate"]

#: Frames stepped beyond the requested ones to find the periodic state.
search_frames = 64


def simulate(network: Network, frames: int, *, stalls: Stalls | None = None, record: bool = False) -> Run:
    """Return the cycles of a run in which `frames` frames pass through a network.

    All figures are exact, by the timing contract. Frames are stepped until the state at the end of a frame is one
    that has occurred before. From then on everything repeats, so the rest of the run follows without stepping.

    Parameters
    ----------
    stalls : gates at the two ends; the default is none
    record : whether to return the cycle of every write and read of every FIFO

    Raises
    ------
    InputError
        The number of frames is not positive, the stalls belong to another network, or the network deadlocks. For a
        deadlock, the message says which node waits for what, and gives the smallest depths that resolve it.
    """
    if isinstance(frames, bool) or not isinstance(frames, int | np.integer):
        raise TypeError(f"Number of frames must be an integer, not {frames!r}")
    if frames < 1:
        raise InputError(f"Number of frames must be at least 1, not {frames!r}")
    frames = int(frames)
    stalls = stalls or Stalls.none()
    stalls.check(network)
    try:
        stepper = Stepper(network, stalls, recorded_frames=frames if record else 0)
    except DeadlockError as deadlock:
        raise InputError(f"{deadlock}{_remedy(network, deadlock)}") from deadlock
    stepper.step()
    latencies = _latencies(stepper)
    while stepper.frames < frames and stepper.periodic is None:
        stepper.leap(frames)
        if stepper.frames < frames:
            stepper.step()
    mark = stepper.mark(frames)
    simulated_frames = stepper.stepped
    fifos = _fifo_uses(stepper, mark)
    recorded = network.fifos if record else ()
    writes = {fifo.name: stepper.writes(fifo, frames).ravel() for fifo in recorded}
    reads = {fifo.name: stepper.reads(fifo, frames).ravel() for fifo in recorded}
    interval, deviation = _interval(stepper, frames + search_frames)
    return Run(
        frames=frames,
        first_beat_latency=latencies[0],
        first_frame_latency=latencies[1],
        interval=interval,
        interval_deviation=deviation,
        total=mark.end,
        cycles=mark.still,
        nodes=_activities(stepper, mark, frames),
        fifos=fifos,
        periodic=stepper.periodic,
        simulated_frames=simulated_frames,
        network=network,
        stalls=stalls,
        writes=writes,
        reads=reads,
    )


def _remedy(network: Network, deadlock: DeadlockError) -> str:
    """Return the smallest depths that resolve a deadlock, as the end of its message."""
    depths = remedy_of(network, deadlock)
    if len(depths) == 1:
        return "".join(f"; a depth of {depth} for {name!r} resolves it" for name, depth in depths.items())
    *others, last = (f"{depth} for {name!r}" for name, depth in depths.items())
    return f"; depths of {', '.join(others)} and {last} resolve it"


def _latencies(stepper: Stepper) -> tuple[int, int]:
    """Return the cycles from the first write to the first frame's first and last beat, after the first frame."""
    network = stepper.network
    starts = [stepper.writes(network.fifos_out_of(t.name)[0], 1)[0, 0] for t in network.inputs]
    ends = [stepper.reads(network.fifos_into(t.name)[0], 1)[0] for t in network.outputs]
    start = min(starts)
    return int(max(times[0] for times in ends) - start), int(max(times[-1] for times in ends) - start)


def _fifo_uses(stepper: Stepper, mark: Mark) -> tuple[FifoUse, ...]:
    uses = zip(stepper.network.fifos, stepper.state.highest.tolist(), mark.residence.tolist(), strict=True)
    return tuple(
        FifoUse(fifo.name, fifo.depth, stored, taken, residence / mark.still)
        for fifo, (stored, taken), residence in uses
    )


def _activities(stepper: Stepper, mark: Mark, frames: int) -> tuple[NodeActivity, ...]:
    actors = stepper.program.nodes
    busy = [frames * stepper.program.actors[actor].steps for actor in actors]
    return tuple(
        NodeActivity(node.name, issued, mark.still - issued - int(blocked), int(blocked))
        for node, issued, blocked in zip(stepper.network.nodes, busy, mark.blocked[actors], strict=True)
    )


def _interval(stepper: Stepper, most_frames: int) -> tuple[int | float, float]:
    """Return the cycles between frames in steady state and their standard deviation.

    It may step further than the requested frames, whose figures are already known. If parts of the network drift apart
    for a long time before the periodic state, the interval is known as soon as they drift evenly.
    """
    while stepper.periodic is None and stepper.frames < most_frames:
        if stepper.rates is not None and stepper.rates.period == 1:
            assert stepper.rates.rate is not None
            return int(stepper.rates.rate), 0.0
        stepper.step()
    first = 2 if stepper.periodic is None else stepper.periodic.start + 1
    ends = {frame: mark.end for frame, mark in stepper.marks.items()}
    gaps = np.array([ends[frame] - ends[frame - 1] for frame in ends if frame >= first and frame - 1 in ends])
    rate = stepper.rate
    interval = float(gaps.mean()) if rate is None else int(rate) if rate.denominator == 1 else float(rate)
    return interval, float(gaps.std())
