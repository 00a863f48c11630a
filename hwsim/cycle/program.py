"""A network as flat arrays, the form in which it is simulated.

Nodes, sources and sinks are all *actors*: things with a token schedule. Only the steps in which beats move are kept,
as *events*; the quiet steps between them are a number, the event's *gap*.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from dataflow import Network, Node, Terminal
from hwsim.stalls import Stalls

__all__ = ["Program", "State", "flatten", "initial_state"]

#: Fields of a row of `State.levels`: beats merged, the slots of the next ones, and the highest level.
merged_writes, merged_reads, write_slot, read_slot, highest = range(5)
level_fields = 5


class Program(NamedTuple):
    """The actors of a network in topological order (sources, nodes, sinks) and its FIFOs in the network's order.

    All arrays are int64, but for `moves`. Each ``..._start`` has one entry per owner, and for those that end where
    the next begins one more.

    Parameters
    ----------
    event_count : (actors,) events in a pattern
    frame_events : (actors,) events in a frame
    event_start : (actors,) place of the first event in `gaps`
    gaps : (events,) steps from the event before to this one
    move_start : (actors,) place of the first event's row in `moves`
    moves : uint8, for each event one flag per input and one per output: does a beat move there?
    input_start, inputs : FIFOs read, by actor
    output_start, outputs : FIFOs written, by actor
    gate_before : (actors,) gate that must be open before anything else may happen (a source), or -1
    gate_after : (actors,) gate that must be open at the event itself (a sink), or -1
    gate_start, gate_length, waits : for each cycle of each gate, the cycles until it is open
    depth : (fifos,) places
    latency : (fifos,) cycles from the writer's event to the write of what it emits
    ring_start : (fifos,) place of the first slot in the rings of times
    frame_beats : (fifos,) beats in a frame
    steps : (actors,) steps in a frame
    first_step, tail : (actors,) quiet steps before a pattern's first event and behind its last
    """

    event_count: np.ndarray
    frame_events: np.ndarray
    event_start: np.ndarray
    gaps: np.ndarray
    move_start: np.ndarray
    moves: np.ndarray
    input_start: np.ndarray
    inputs: np.ndarray
    output_start: np.ndarray
    outputs: np.ndarray
    gate_before: np.ndarray
    gate_after: np.ndarray
    gate_start: np.ndarray
    gate_length: np.ndarray
    waits: np.ndarray
    depth: np.ndarray
    latency: np.ndarray
    ring_start: np.ndarray
    frame_beats: np.ndarray
    steps: np.ndarray
    first_step: np.ndarray
    tail: np.ndarray


class State(NamedTuple):
    """What changes while a program runs; all arrays are int64.

    Parameters
    ----------
    event : (actors,) which event of the pattern comes next
    done : (actors,) events so far
    last : (actors,) cycle of the last event
    blocked : (actors,) cycles in which only a place was missing, so far
    written, read : (fifos,) beats written and read so far
    write_times, read_times : rings of `depth` slots per FIFO, the cycles of the latest writes and reads
    write_slot, read_slot : (fifos,) the next slot of each ring
    residence : (fifos,) cycles that beats were stored, summed over the beats read
    levels : (fifos, 2, level_fields) how full each FIFO was: beats stored, places taken
    """

    event: np.ndarray
    done: np.ndarray
    last: np.ndarray
    blocked: np.ndarray
    written: np.ndarray
    read: np.ndarray
    write_times: np.ndarray
    read_times: np.ndarray
    write_slot: np.ndarray
    read_slot: np.ndarray
    residence: np.ndarray
    levels: np.ndarray


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
    def moves(self) -> np.ndarray:
        """(events, inputs + outputs) uint8: which beats move in each event."""
        return np.concatenate([self.consumes, self.emits])[:, self.event_steps].T.astype(np.uint8)

    @cached_property
    def event_steps(self) -> np.ndarray:
        """(events,) int64, the steps of the pattern in which beats move."""
        return np.flatnonzero(self.consumes.any(axis=0) | self.emits.any(axis=0))

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


def flatten(network: Network, stalls: Stalls) -> Program:
    """Return the program of a network under stalls."""
    actors = _actors(network, stalls)
    number = {fifo.name: index for index, fifo in enumerate(network.fifos)}
    latency = {actor.name: actor.latency for actor in actors}
    inputs = [[number[fifo.name] for fifo in network.fifos_into(actor.name)] for actor in actors]
    outputs = [[number[fifo.name] for fifo in network.fifos_out_of(actor.name)] for actor in actors]
    gates: list[np.ndarray] = []
    gate_before = _gate_numbers(gates, [actor.gate_before for actor in actors])
    gate_after = _gate_numbers(gates, [actor.gate_after for actor in actors])
    depths = [fifo.depth for fifo in network.fifos]
    return Program(
        event_count=_array(len(actor.event_steps) for actor in actors),
        frame_events=_array(len(actor.event_steps) * actor.repeats for actor in actors),
        event_start=_starts(len(actor.event_steps) for actor in actors),
        gaps=np.concatenate([actor.gaps for actor in actors]),
        move_start=_starts(actor.moves.size for actor in actors),
        moves=np.concatenate([actor.moves.ravel() for actor in actors]),
        input_start=_starts(map(len, inputs)),
        inputs=_array(index for each in inputs for index in each),
        output_start=_starts(map(len, outputs)),
        outputs=_array(index for each in outputs for index in each),
        gate_before=gate_before,
        gate_after=gate_after,
        gate_start=_starts(map(len, gates)),
        gate_length=_array(map(len, gates)),
        waits=np.concatenate([np.zeros(0, np.int64), *map(_waits, gates)]),
        depth=_array(depths),
        latency=_array(latency[fifo.source] for fifo in network.fifos),
        ring_start=_starts(depths),
        frame_beats=_array(network.stream(fifo).beats for fifo in network.fifos),
        steps=_array(actor.period * actor.repeats for actor in actors),
        first_step=_array(actor.event_steps[0] for actor in actors),
        tail=_array(actor.period - 1 - actor.event_steps[-1] for actor in actors),
    )


def initial_state(program: Program) -> State:
    """Return the state before cycle 0: nothing has moved."""
    actors, fifos, slots = len(program.event_count), len(program.depth), int(program.ring_start[-1])
    return State(
        event=np.zeros(actors, np.int64),
        done=np.zeros(actors, np.int64),
        # So that the first event is due in the cycle of its step.
        last=program.first_step - program.gaps[program.event_start[:-1]],
        blocked=np.zeros(actors, np.int64),
        written=np.zeros(fifos, np.int64),
        read=np.zeros(fifos, np.int64),
        write_times=np.full(slots, -1, np.int64),
        read_times=np.full(slots, -1, np.int64),
        write_slot=program.ring_start[:-1].copy(),
        read_slot=program.ring_start[:-1].copy(),
        residence=np.zeros(fifos, np.int64),
        levels=_initial_levels(program),
    )


def _initial_levels(program: Program) -> np.ndarray:
    levels = np.zeros((len(program.depth), 2, level_fields), np.int64)
    levels[:, :, write_slot] = levels[:, :, read_slot] = program.ring_start[:-1, None]
    return levels


def _gate_numbers(gates: list[np.ndarray], chosen: list[np.ndarray | None]) -> np.ndarray:
    """Append the gates to the list of all and return the number of each, -1 for none."""
    numbers = []
    for gate in chosen:
        numbers.append(-1 if gate is None else len(gates))
        gates += [] if gate is None else [gate]
    return _array(numbers)


def _waits(gate: np.ndarray) -> np.ndarray:
    """Return, for each cycle of a gate that is open at least once, the cycles until it is open; 0 if it is."""
    opened = np.flatnonzero(gate)
    cycles = np.arange(len(gate))
    nxt = np.append(opened, opened[0] + len(gate))[np.searchsorted(opened, cycles)]
    return (nxt - cycles).astype(np.int64)


def _array(values: Iterable[int]) -> np.ndarray:
    return np.array(list(values), np.int64)


def _starts(sizes: Iterable[int]) -> np.ndarray:
    """Return where each of several neighbours begins, and where the last one ends."""
    return np.cumsum([0, *sizes], dtype=np.int64)
