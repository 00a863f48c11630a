"""A network as flat arrays, the form in which it is simulated: see `hwsim.cycle.kernel`."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from dataflow import Network, Node, Schedule, Terminal
from hwsim.cycle import kernel as c
from hwsim.cycle.kernel import Program
from hwsim.stalls import Stalls

__all__ = ["flatten", "with_depths"]


@dataclass(frozen=True, eq=False)
class _Actor:
    """A thing with a token schedule; `consumes` and `emits` are (ports, period) bool as in `Schedule`.

    Parameters
    ----------
    name : the node or terminal that it belongs to
    fills : places of the buffer that it fills, which is its one output; 0 if it writes FIFOs
    drains : (2, period) int64, beats that it needs and frees in the buffer filled by the actor before it
    """

    name: str
    consumes: np.ndarray
    emits: np.ndarray
    latency: int
    repeats: int
    gate_before: np.ndarray | None = None
    gate_after: np.ndarray | None = None
    fills: int = 0
    drains: np.ndarray | None = None

    @cached_property
    def event_steps(self) -> np.ndarray:
        """(events,) int64, the steps of the pattern in which beats move, or are needed or freed in a buffer.

        Beats may be freed before they have come; the step after that waits for them.
        """
        happens = self.consumes.any(axis=0) | self.emits.any(axis=0)
        if self.drains is not None:
            happens |= (self.drains > 0).any(axis=0) | (np.roll(self.drains[1], 1) > 0)
        return np.flatnonzero(happens)

    @property
    def needs(self) -> np.ndarray:
        """(events, 2) int64: beats needed and freed in the buffer in each event; no row without a buffer."""
        return np.zeros((0, 2), np.int64) if self.drains is None else self.drains[:, self.event_steps].T

    @property
    def moves(self) -> np.ndarray:
        """(events,) int64: the ports at which beats move in each event, a bit each, inputs first."""
        ports = np.concatenate([self.consumes, self.emits])[:, self.event_steps].astype(np.int64)
        return (ports << np.arange(len(ports))[:, None]).sum(axis=0)

    @property
    def parts(self) -> int:
        """Parts of a frame, as in `hwsim.cycle.times.Plan`: none waits for more than one beat and one place."""
        ports = (array[:, self.event_steps].sum(axis=0) for array in (self.consumes, self.emits))
        return self.repeats * int(sum(np.maximum(1, moves) for moves in ports).sum() - len(self.event_steps))

    @property
    def period(self) -> int:
        return self.consumes.shape[1]

    @property
    def gaps(self) -> np.ndarray:
        """(events,) int64, steps since the event before, which is in the pattern before for the first one."""
        return np.diff(self.event_steps, prepend=self.event_steps[-1] - self.period)


def _actors(network: Network, stalls: Stalls) -> list[_Actor]:
    once, never = np.ones((1, 1), bool), np.ones((0, 1), bool)

    def node(node: Node) -> list[_Actor]:
        schedule = node.schedule()
        if isinstance(schedule, Schedule):
            return [_Actor(node.name, schedule.consumes, schedule.emits, schedule.latency, schedule.repeats)]
        fill, drain = schedule.fill, schedule.drain
        always = np.ones((1, fill.period), bool)
        needs = np.stack([schedule.needs, schedule.frees])
        return [
            _Actor(node.name, fill.consumes, always, 0, fill.repeats, fills=schedule.places),
            _Actor(node.name, drain.consumes, drain.emits, drain.latency, drain.repeats, drains=needs),
        ]

    def source(terminal: Terminal) -> _Actor:
        gate = stalls.inputs.get(terminal.name)
        return _Actor(terminal.name, never, once, 0, terminal.stream.beats, gate_before=gate)

    def sink(terminal: Terminal) -> _Actor:
        gate = stalls.outputs.get(terminal.name)
        return _Actor(terminal.name, once, never, 0, terminal.stream.beats, gate_after=gate)

    nodes = chain.from_iterable(map(node, network.nodes))
    return [*map(source, network.inputs), *nodes, *map(sink, network.outputs)]


def flatten(network: Network, stalls: Stalls) -> Program:
    """Return the program of a network under stalls."""
    actors = _actors(network, stalls)
    last = {actor.name: index for index, actor in enumerate(actors)}
    buffers = {index: len(network.fifos) + row for row, index in enumerate(_fillers(actors))}
    inputs, outputs = _ports(network, actors, buffers)
    gates = [gate for actor in actors for gate in (actor.gate_before, actor.gate_after) if gate is not None]
    events, ports, needs = 0, 0, 0
    before, slot, rows = 0, 1, []
    for index, (actor, into, behind) in enumerate(zip(actors, inputs, outputs, strict=True)):
        count = len(actor.event_steps)
        row = {
            c.FIRST_EVENT: events,
            c.END_EVENT: events + count,
            c.FIRST_INPUT: ports,
            c.FIRST_OUTPUT: ports + len(into),
            c.END_OUTPUT: ports + len(into) + len(behind),
            c.GATE_BEFORE: -1 if actor.gate_before is None else before,
            c.GATE_AFTER: -1 if actor.gate_after is None else before,
            c.FRAME_EVENTS: count * actor.repeats,
            c.FRAME_STEPS: actor.period * actor.repeats,
            c.HEAD: int(actor.event_steps[0]),
            c.TAIL: actor.period - 1 - int(actor.event_steps[-1]),
            c.BUFFER: -1 if actor.drains is None else buffers[index - 1],
            c.FIRST_NEED: needs,
            c.FRAME_PARTS: actor.parts,
            c.BEFORE_SLOT: slot,
        }
        rows.append([row[column] for column in range(len(row))])
        events, ports = row[c.END_EVENT], row[c.END_OUTPUT]
        needs += len(actor.needs)
        before += (actor.gate_before is not None) + (actor.gate_after is not None)
        slot += 1 + row[c.FRAME_PARTS]
    return Program(
        actors=np.array(rows, np.int64),
        gaps=np.concatenate([actor.gaps for actor in actors]),
        moves=np.concatenate([actor.moves for actor in actors]),
        ports=np.array(
            [fifo for into, behind in zip(inputs, outputs, strict=True) for fifo in into + behind], np.int64
        ),
        fifos=_fifo_rows(network, actors),
        gates=_table([_starts(map(len, gates))[:-1], [len(gate) for gate in gates]]),
        waits=np.concatenate([np.zeros(0, np.int64), *map(_waits, gates)]),
        needs=np.ascontiguousarray(np.concatenate([actor.needs for actor in actors])),
        nodes=np.array([last[node.name] for node in network.nodes], np.int64),
    )


def _ports(network: Network, actors: list[_Actor], buffers: dict[int, int]) -> tuple[list[list[int]], list[list[int]]]:
    """Return for each actor the numbers of the FIFOs at its inputs and outputs; a drain's buffer is none of them."""
    number = {fifo.name: index for index, fifo in enumerate(network.fifos)}
    into = [[number[fifo.name] for fifo in network.fifos_into(actor.name)] for actor in actors]
    out_of = [[number[fifo.name] for fifo in network.fifos_out_of(actor.name)] for actor in actors]
    inputs = [fifos if actor.drains is None else [] for actor, fifos in zip(actors, into, strict=True)]
    return inputs, [[buffers[index]] if index in buffers else fifos for index, fifos in enumerate(out_of)]


def _fillers(actors: list[_Actor]) -> list[int]:
    """Return the numbers of the actors that fill a buffer; the next actor of each drains it."""
    return [index for index, actor in enumerate(actors) if actor.fills]


def _fifo_rows(network: Network, actors: list[_Actor]) -> np.ndarray:
    fillers = _fillers(actors)
    last = {actor.name: index for index, actor in enumerate(actors)}
    first = {actor.name: index for index, actor in reversed(list(enumerate(actors)))}
    depths = [fifo.depth for fifo in network.fifos] + [actors[index].fills for index in fillers]
    beats = [network.stream(fifo).beats for fifo in network.fifos] + [actors[index].repeats for index in fillers]
    writers = [last[fifo.source] for fifo in network.fifos] + fillers
    readers = [first[fifo.target] for fifo in network.fifos] + [index + 1 for index in fillers]
    latencies = [actors[writer].latency for writer in writers]
    writes = _starts(1 + count for count in beats)[:-1]
    reads = _starts(depth + count for depth, count in zip(depths, beats, strict=True))[:-1]
    return _table([depths, latencies, beats, writers, readers, writes, reads])


def with_depths(program: Program, depths: np.ndarray) -> Program:
    """Return a program with other depths of the network's FIFOs, (fifos,) int64; those of buffers stay."""
    fifos = program.fifos.copy()
    fifos[: len(depths), c.DEPTH] = depths
    fifos[:, c.FIRST_READ] = _starts(fifos[:, c.DEPTH] + fifos[:, c.FRAME_BEATS])[:-1]
    return program._replace(fifos=fifos)


def _table(columns: Iterable[Iterable[int]]) -> np.ndarray:
    return np.ascontiguousarray(np.array([list(column) for column in columns], np.int64).T)


def _waits(gate: np.ndarray) -> np.ndarray:
    """Return, for each cycle of a gate that is open at least once, the cycles until it is open; 0 if it is."""
    opened = np.flatnonzero(gate)
    cycles = np.arange(len(gate))
    following = np.append(opened, opened[0] + len(gate))[np.searchsorted(opened, cycles)]
    return (following - cycles).astype(np.int64)


def _starts(sizes: Iterable[int]) -> np.ndarray:
    """Return where each of several neighbours begins, and where the last one ends."""
    return np.cumsum([0, *sizes], dtype=np.int64)
