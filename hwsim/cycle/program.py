"""A network as flat arrays, the form in which it is simulated: see `hwsim.cycle.kernel`."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dataflow import Network, Node, Terminal
from hwsim.cycle import kernel as c
from hwsim.cycle.kernel import Program, State
from hwsim.stalls import Stalls

__all__ = ["flatten", "initial_state"]


@dataclass(frozen=True, eq=False)
class _Actor:
    """A thing with a token schedule; `consumes` and `emits` are (ports, period) bool as in `Schedule`."""

    name: str
    consumes: np.ndarray
    emits: np.ndarray
    latency: int
    repeats: int
    gate_before: np.ndarray | None = None
    gate_after: np.ndarray | None = None

    @cached_property
    def event_steps(self) -> np.ndarray:
        """(events,) int64, the steps of the pattern in which beats move."""
        return np.flatnonzero(self.consumes.any(axis=0) | self.emits.any(axis=0))

    @property
    def moves(self) -> np.ndarray:
        """(events, inputs + outputs) uint8: which beats move in each event."""
        return np.concatenate([self.consumes, self.emits])[:, self.event_steps].T.astype(np.uint8)

    @property
    def period(self) -> int:
        return self.consumes.shape[1]

    @property
    def gaps(self) -> np.ndarray:
        """(events,) int64, steps since the event before, which is in the pattern before for the first one."""
        return np.diff(self.event_steps, prepend=self.event_steps[-1] - self.period)


def _actors(network: Network, stalls: Stalls) -> list[_Actor]:
    once, never = np.ones((1, 1), bool), np.ones((0, 1), bool)

    def node(node: Node) -> _Actor:
        schedule = node.schedule()
        return _Actor(node.name, schedule.consumes, schedule.emits, schedule.latency, schedule.repeats)

    def source(terminal: Terminal) -> _Actor:
        gate = stalls.inputs.get(terminal.name)
        return _Actor(terminal.name, never, once, 0, terminal.stream.beats, gate_before=gate)

    def sink(terminal: Terminal) -> _Actor:
        gate = stalls.outputs.get(terminal.name)
        return _Actor(terminal.name, once, never, 0, terminal.stream.beats, gate_after=gate)

    return [*map(source, network.inputs), *map(node, network.nodes), *map(sink, network.outputs)]


def flatten(network: Network, stalls: Stalls, *, kept_frames: int = 1) -> Program:
    """Return the program of a network under stalls, with room for the times of `kept_frames` frames."""
    actors = _actors(network, stalls)
    number = {fifo.name: index for index, fifo in enumerate(network.fifos)}
    inputs = [[number[fifo.name] for fifo in network.fifos_into(actor.name)] for actor in actors]
    outputs = [[number[fifo.name] for fifo in network.fifos_out_of(actor.name)] for actor in actors]
    gates = [gate for actor in actors for gate in (actor.gate_before, actor.gate_after) if gate is not None]
    events, moves, ports = 0, 0, 0
    before, rows = 0, []
    for actor, into, behind in zip(actors, inputs, outputs, strict=True):
        count = len(actor.event_steps)
        row = {
            c.FIRST_EVENT: events,
            c.END_EVENT: events + count,
            c.FIRST_MOVE: moves,
            c.FIRST_INPUT: ports,
            c.FIRST_OUTPUT: ports + len(into),
            c.END_OUTPUT: ports + len(into) + len(behind),
            c.GATE_BEFORE: -1 if actor.gate_before is None else before,
            c.GATE_AFTER: -1 if actor.gate_after is None else before,
            c.FRAME_EVENTS: count * actor.repeats,
            c.FRAME_STEPS: actor.period * actor.repeats,
            c.HEAD: int(actor.event_steps[0]),
            c.TAIL: actor.period - 1 - int(actor.event_steps[-1]),
        }
        rows.append([row[column] for column in range(len(row))])
        events, moves, ports = row[c.END_EVENT], moves + actor.moves.size, row[c.END_OUTPUT]
        before += (actor.gate_before is not None) + (actor.gate_after is not None)
    return Program(
        actors=np.array(rows, np.int64),
        gaps=np.concatenate([actor.gaps for actor in actors]),
        moves=np.concatenate([actor.moves.ravel() for actor in actors]),
        ports=np.array(
            [fifo for into, behind in zip(inputs, outputs, strict=True) for fifo in into + behind], np.int64
        ),
        fifos=_fifo_rows(network, actors, kept_frames),
        gates=_table([_starts(map(len, gates))[:-1], [len(gate) for gate in gates]]),
        waits=np.concatenate([np.zeros(0, np.int64), *map(_waits, gates)]),
    )


def _fifo_rows(network: Network, actors: list[_Actor], kept_frames: int) -> np.ndarray:
    depths = [fifo.depth for fifo in network.fifos]
    beats = [network.stream(fifo).beats for fifo in network.fifos]
    slots = _starts(kept_frames * count + depth for count, depth in zip(beats, depths, strict=True))
    number = {actor.name: index for index, actor in enumerate(actors)}
    writers = [number[fifo.source] for fifo in network.fifos]
    readers = [number[fifo.target] for fifo in network.fifos]
    latencies = [actors[writer].latency for writer in writers]
    return _table([depths, latencies, beats, slots[:-1], slots[1:], writers, readers])


def _table(columns: Iterable[Iterable[int]]) -> np.ndarray:
    return np.ascontiguousarray(np.array([list(column) for column in columns], np.int64).T)


def initial_state(program: Program) -> State:
    """Return the state before cycle 0: nothing has moved."""
    actors, fifos = program.actors, program.fifos
    doing = np.zeros((len(actors), 5), np.int64)
    doing[:, c.EVENT] = actors[:, c.FIRST_EVENT]
    # So that the first event is due in the cycle of its step.
    doing[:, c.LAST] = actors[:, c.HEAD] - program.gaps[actors[:, c.FIRST_EVENT]]
    doing[:, c.AWAKE] = 1
    filled = np.zeros((len(fifos), 5), np.int64)
    filled[:, c.WRITE_SLOT] = filled[:, c.READ_SLOT] = fifos[:, c.FIRST_SLOT]
    # The places of the first `depth` beats have been there since before cycle 0.
    filled[:, c.PLACE_SLOT] = fifos[:, c.END_SLOT] - fifos[:, c.DEPTH]
    levels = np.zeros((len(fifos), 2, 5), np.int64)
    levels[:, :, c.LEVEL_WRITE_SLOT] = levels[:, :, c.LEVEL_READ_SLOT] = fifos[:, c.FIRST_SLOT, None]
    times = np.full((int(fifos[-1, c.END_SLOT]), 2), -1, np.int64)
    return State(doing, filled, times, levels, np.zeros(len(fifos), np.int64))


def _waits(gate: np.ndarray) -> np.ndarray:
    """Return, for each cycle of a gate that is open at least once, the cycles until it is open; 0 if it is."""
    opened = np.flatnonzero(gate)
    cycles = np.arange(len(gate))
    following = np.append(opened, opened[0] + len(gate))[np.searchsorted(opened, cycles)]
    return (following - cycles).astype(np.int64)


def _starts(sizes: Iterable[int]) -> np.ndarray:
    """Return where each of several neighbours begins, and where the last one ends."""
    return np.cumsum([0, *sizes], dtype=np.int64)
