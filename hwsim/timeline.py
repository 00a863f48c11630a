"""A run unrolled over time: what every node does in every cycle, and the occupancy of every FIFO.

The cycle simulator returns the cycle of every write and read. The rest follows from the timing contract
(`hwsim.cycle.kernel`): event k of a node, a step in which beats move, is issued at

    t[k] = max(t[k - 1] + gap[k], c[k])

where c[k] is known: the read or the write of the beats that move or, for a step that only reads a buffer, the cycle
after the last beat that it needs has arrived. With the sum G[k] of the gaps, t[k] - G[k] is a running maximum. The
quiet steps between two events are issued directly after the first of them.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from dataflow import Network
from hwsim.cycle import Run, simulate
from hwsim.cycle.actors import Actor, actors_of
from hwsim.stalls import Stalls

__all__ = ["BLOCKED", "BUSY", "STARVED", "STATES", "FifoTrack", "NodeTrack", "Spells", "Timeline", "unroll"]

#: What a node does in a cycle, by the numbers in `Spells.states`.
STATES = ("busy", "starved", "blocked")
BUSY, STARVED, BLOCKED = range(3)


@dataclass(frozen=True, eq=False)
class Spells:
    """Spells of consecutive cycles in which a node does the same, in the order of time and without gaps.

    Parameters
    ----------
    starts, stops : (spells,) int64, the first cycle and the one after the last
    states : (spells,) int64, indices into `STATES`
    frames : (spells,) int64, the frame of the step that is issued or waited for
    """

    starts: np.ndarray
    stops: np.ndarray
    states: np.ndarray
    frames: np.ndarray

    def cycles_between(self, borders: np.ndarray, state: int, frame: int | None = None) -> np.ndarray:
        """Return the number of cycles between consecutive borders in which the node is in a state.

        Parameters
        ----------
        borders : (n + 1,) int64, in ascending order
        frame : count only the steps and waits of one frame

        Returns
        -------
        (n,) int64
        """
        chosen = (self.states == state) & (True if frame is None else self.frames == frame)
        edges = np.stack([self.starts[chosen], self.stops[chosen]], axis=1)
        sums = np.cumsum(np.stack([np.zeros(len(edges), np.int64), edges[:, 1] - edges[:, 0]], axis=1).ravel())
        before = np.interp(borders, edges.ravel(), sums) if len(edges) else np.zeros(len(borders))
        return np.diff(np.rint(before).astype(np.int64))


@dataclass(frozen=True, eq=False)
class NodeTrack:
    """The cycles in which a node issues its steps; for a `Buffered` node, the steps of its `drain`.

    Parameters
    ----------
    name : the node
    steps : steps of each frame
    spells : the node's activity from cycle 0 to its last step
    """

    name: str
    steps: int
    spells: Spells

    @cached_property
    def spans(self) -> np.ndarray:
        """(frames, 2) int64, the cycle of each frame's first step, and the one after the cycle of its last step."""
        busy = np.flatnonzero(self.spells.states == BUSY)
        frames = self.spells.frames[busy]
        first, last = np.searchsorted(frames, np.arange(frames[-1] + 1)), np.append(np.diff(frames) > 0, True)
        return np.stack([self.spells.starts[busy][first], self.spells.stops[busy][last]], axis=1)

    def waits(self, frame: int) -> tuple[int, int]:
        """Return the cycles between a frame's first and last step in which the node is starved, and blocked."""
        borders = self.spans[frame]
        starved, blocked = (int(self.spells.cycles_between(borders, state)[0]) for state in (STARVED, BLOCKED))
        return starved, blocked


@dataclass(frozen=True, eq=False)
class FifoTrack:
    """The cycles in which beats enter and leave a FIFO.

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
        """(n,) int64 cycles, starting with 0, and (n,) int64 beats stored from each of these cycles to the next one."""
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
    cycles : cycles until nothing moves
    nodes : one track for each node, in the network's order
    fifos : one track for each FIFO, in the network's order
    """

    frames: int
    cycles: int
    nodes: tuple[NodeTrack, ...] = field(repr=False)
    fifos: tuple[FifoTrack, ...] = field(repr=False)


def unroll(network: Network, frames: int, *, stalls: Stalls | None = None) -> Timeline:
    """Return the activity in every cycle while `frames` frames pass through a network.

    Later frames do not affect earlier ones, so this is also the beginning of every longer run.

    Raises
    ------
    InputError
        As in `simulate`.
    """
    run = simulate(network, frames, stalls=stalls, record=True)
    fifos = tuple(
        FifoTrack(
            fifo.name, fifo.depth, run.writes[fifo.name].reshape(frames, -1), run.reads[fifo.name].reshape(frames, -1)
        )
        for fifo in network.fifos
    )
    actors = {actor.name: actor for actor in actors_of(network, stalls or Stalls.none())}  # the drain of a buffered one
    nodes = tuple(_track(network, actors[node.name], run) for node in network.nodes)
    return Timeline(frames, run.cycles, nodes, fifos)


def _track(network: Network, actor: Actor, run: Run) -> NodeTrack:
    """Return the track of a node."""
    gaps = np.tile(actor.gaps, run.frames * actor.repeats)
    known, fed = _known(network, actor, run)
    known[0] = max(known[0], actor.head)
    sums = np.cumsum(gaps)
    times = sums + np.maximum.accumulate(np.maximum(known, fed) - sums)
    due = np.append(actor.head, times[:-1] + gaps[1:])
    return NodeTrack(actor.name, actor.steps, _spells(times, due, np.maximum(due, fed), actor))


def _known(network: Network, actor: Actor, run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Return for each event of a node the cycle known from its beats, and the first one in which all are present.

    The cycle is 0 if nothing is known.
    """
    patterns = run.frames * actor.repeats
    known, fed = np.zeros((2, run.frames * actor.events), np.int64)
    inputs = [] if actor.drains is not None else [fifo.name for fifo in network.fifos_into(actor.name)]
    outputs = network.fifos_out_of(actor.name)

    def at_least(array: np.ndarray, port: int, cycles: np.ndarray) -> None:
        events = np.flatnonzero(np.tile(actor.moves[port], patterns))
        array[events] = np.maximum(array[events], cycles)

    for port, fifo in enumerate(inputs):
        at_least(fed, port, run.writes[fifo] + 1)
        at_least(known, port, run.reads[fifo])
    for port, after in enumerate(outputs, len(inputs)):
        at_least(known, port, run.writes[after.name] - actor.latency)
    if actor.drains is not None:
        needed, freed = np.tile(actor.needs, patterns)
        last = np.cumsum(freed) - freed + needed - 1
        filled = run.reads[network.fifos_into(actor.name)[0].name]  # `fill` writes the buffer in the cycle of its read
        fed[last >= 0] = filled[last[last >= 0]] + 1
    return known, fed


def _spells(times: np.ndarray, due: np.ndarray, fed: np.ndarray, actor: Actor) -> Spells:
    """Return a node's activity, from the cycles of its events, and the cycles in which they are due and have beats.

    The quiet steps of the actor's head come before the first event of a frame, and those of its tail after the last.
    """
    frames = np.arange(len(times)) // actor.events
    first = np.append(True, np.diff(frames) > 0)
    begun = np.append(0, times[:-1] + 1)
    begun[first] += np.where(frames[first] > 0, actor.tail, 0)
    # For each event: quiet steps of the previous frame, of its own frame, two waits, and the event itself.
    stops = np.append(np.stack([begun, due, fed, times, times + 1], axis=1).ravel(), times[-1] + 1 + actor.tail)
    starts = np.append(0, stops[:-1])
    states = np.append(np.tile([BUSY, BUSY, STARVED, BLOCKED, BUSY], len(times)), BUSY)
    owners = np.append(np.stack([np.append(0, frames[:-1]), *[frames] * 4], axis=1).ravel(), frames[-1])
    keep = stops > starts
    starts, stops, states, owners = starts[keep], stops[keep], states[keep], owners[keep]
    begins = np.append(True, (np.diff(states) != 0) | (np.diff(owners) != 0))
    return Spells(starts[begins], stops[np.append(begins[1:], True)], states[begins], owners[begins])
