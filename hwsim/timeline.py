"""A run unrolled over time: what every node does in every cycle, and how full every FIFO is.

The cycle simulator gives the cycle of every write and read. The steps between follow from them, by the timing contract
(`hwsim.cycle.kernel`): step k of a node is issued at

    t[k] = max(t[k - 1] + 1, c[k])

where c[k] is known: the read or the write of the beats that the step moves, or, for a step that only looks into a
buffer, the cycle after the last beat that it needs came in. With u[k] = t[k] - k this is a running maximum.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dataflow import Buffered, Network, Schedule
from hwsim.cycle import Run, simulate
from hwsim.stalls import Stalls

__all__ = ["FifoTrack", "NodeTrack", "Spells", "Timeline", "unroll"]

#: What a node does in a cycle, by the numbers in `Spells.states`.
STATES = ("busy", "starved", "blocked")


@dataclass(frozen=True, eq=False)
class Spells:
    """Neighbouring cycles in which a node does the same, in the order of time and without gaps.

    Parameters
    ----------
    starts, stops : (spells,) int64, the first cycle and the one behind the last
    states : (spells,) int64, indices into `STATES`
    frames : (spells,) int64, the frame of the step that is issued or waited for
    """

    starts: np.ndarray
    stops: np.ndarray
    states: np.ndarray
    frames: np.ndarray


@dataclass(frozen=True, eq=False)
class NodeTrack:
    """When a node issues its steps; of a `Buffered` one the steps of its `drain`.

    Parameters
    ----------
    name : the node
    steps : (frames, steps) int64, the cycle in which each step is issued
    fed : (frames, steps) int64, the first cycle in which the step before is past and all beats are there
    latency : cycles from a step to the write of its beat
    """

    name: str
    steps: np.ndarray
    fed: np.ndarray
    latency: int

    @property
    def starved(self) -> np.ndarray:
        """(frames, steps) int64, cycles before each step in which a beat is missing."""
        flat = self.steps.ravel()
        return self.fed - np.concatenate([[-1], flat[:-1]]).reshape(self.steps.shape) - 1

    @property
    def blocked(self) -> np.ndarray:
        """(frames, steps) int64, cycles before each step in which only a place is missing."""
        return self.steps - self.fed

    def span(self, frame: int) -> tuple[int, int]:
        """Return the cycle of a frame's first step, and the one behind the cycle of its last step."""
        return int(self.steps[frame, 0]), int(self.steps[frame, -1]) + 1

    @cached_property
    def spells(self) -> Spells:
        """What the node does, from cycle 0 to its last step."""
        busy, fed = self.steps.ravel(), self.fed.ravel()
        frames = np.repeat(np.arange(len(self.steps)), self.steps.shape[1])
        # Each step ends up to three pieces: starved until `fed`, blocked until `steps`, busy for one cycle.
        stops = np.stack([fed, busy, busy + 1], axis=1).ravel()
        starts = np.concatenate([[0], stops[:-1]])
        states = np.tile([STATES.index(state) for state in ("starved", "blocked", "busy")], len(busy))
        keep = stops > starts
        starts, stops, states, frames = starts[keep], stops[keep], states[keep], np.repeat(frames, 3)[keep]
        first = np.append(True, (np.diff(states) != 0) | (np.diff(frames) != 0))
        last = np.append(first[1:], True)
        return Spells(starts[first], stops[last], states[first], frames[first])


@dataclass(frozen=True, eq=False)
class FifoTrack:
    """When beats enter and leave a FIFO.

    Parameters
    ----------
    name : the FIFO
    depth : its places
    writes, reads : (frames, beats) int64, the cycle at whose end each beat enters and leaves
    """

    name: str
    depth: int
    writes: np.ndarray
    reads: np.ndarray

    @cached_property
    def levels(self) -> tuple[np.ndarray, np.ndarray]:
        """(n,) int64 cycles, the first one 0, and (n,) int64 beats stored from the start of each to the next one."""
        times = np.concatenate([self.writes.ravel() + 1, self.reads.ravel() + 1])
        changes = np.repeat([1, -1], self.writes.size)
        cycles, place = np.unique(np.append(times, 0), return_inverse=True)
        sums = np.zeros(len(cycles), np.int64)
        np.add.at(sums, place[:-1], changes)
        keep = (sums != 0) | (cycles == 0)
        return cycles[keep], np.cumsum(sums)[keep]


@dataclass(frozen=True, eq=False)
class Timeline:
    """A run unrolled over time.

    Parameters
    ----------
    frames : frames that pass
    cycles : cycles until everything stands still
    nodes : one track for each node, in the network's order
    fifos : one track for each FIFO, in the network's order
    """

    frames: int
    cycles: int
    nodes: tuple[NodeTrack, ...]
    fifos: tuple[FifoTrack, ...]


def unroll(network: Network, frames: int, *, stalls: Stalls | None = None) -> Timeline:
    """Return what happens in every cycle while `frames` frames pass through a network.

    Later frames do not change when earlier ones pass, so this is also the beginning of every longer run.

    Raises
    ------
    InputError
        As `simulate`.
    """
    run = simulate(network, frames, stalls=stalls, record=True)
    fifos = tuple(
        FifoTrack(
            fifo.name, fifo.depth, run.writes[fifo.name].reshape(frames, -1), run.reads[fifo.name].reshape(frames, -1)
        )
        for fifo in network.fifos
    )
    nodes = tuple(_track(network, name, run) for name in (node.name for node in network.nodes))
    return Timeline(frames, run.cycles, nodes, fifos)


def _track(network: Network, name: str, run: Run) -> NodeTrack:
    schedule = network.node(name).schedule()
    actor = schedule.drain if isinstance(schedule, Buffered) else schedule
    taken = [run.reads[fifo.name] for fifo in network.fifos_into(name)]
    entered = [run.writes[fifo.name] for fifo in network.fifos_into(name)]
    given = [run.writes[fifo.name] for fifo in network.fifos_out_of(name)]
    count = run.frames * actor.steps
    known, fed = np.zeros(count, np.int64), np.zeros(count, np.int64)

    def at_least(array: np.ndarray, steps: np.ndarray, cycles: np.ndarray) -> None:
        array[steps] = np.maximum(array[steps], cycles)

    if isinstance(schedule, Buffered):
        steps, cycles = _beats_needed(schedule, run.frames, taken[0])
        at_least(fed, steps, cycles)
    else:
        for port in range(len(taken)):
            steps = _moving(actor, actor.consumes[port], run.frames)
            at_least(fed, steps, entered[port] + 1)
            at_least(known, steps, taken[port])
    for port in range(len(given)):
        at_least(known, _moving(actor, actor.emits[port], run.frames), given[port] - actor.latency)
    order = np.arange(count)
    times = order + np.maximum.accumulate(np.maximum(known, fed) - order)
    due = np.append(0, times[:-1] + 1)
    shape = (run.frames, actor.steps)
    return NodeTrack(name, times.reshape(shape), np.maximum(due, fed).reshape(shape), actor.latency)


def _moving(actor: Schedule, moves: np.ndarray, frames: int) -> np.ndarray:
    """Return the numbers of the steps in which a beat moves at a port."""
    return np.flatnonzero(np.tile(moves, frames * actor.repeats))


def _beats_needed(schedule: Buffered, frames: int, filled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps of `drain` that need a beat, and the cycle from which each one's last beat is there.

    Parameters
    ----------
    filled : (beats,) int64, the cycles in which beats entered the buffer
    """
    patterns = frames * schedule.drain.repeats
    frees, needs = np.tile(schedule.frees, patterns), np.tile(schedule.needs, patterns)
    last = np.cumsum(frees) - frees + needs - 1
    steps = np.flatnonzero(last >= 0)
    return steps, filled[last[steps]] + 1
