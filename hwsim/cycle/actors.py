"""The actors of a network: nodes, sources and sinks, each with a token schedule.

Only the steps in which beats move are kept, as *events*. The quiet steps before an event are counted in its *gap*.

A `Buffered` node is two actors with a FIFO between them, which `fill` writes without latency. `drain` reads it
differently from other FIFOs: an event *needs* a number of beats in it, counted from the oldest, and *frees* 0 or more,
which may not have arrived yet. The steps in which it needs or frees beats are events. So are the steps after a free,
which wait until all freed beats have arrived.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from dataflow import Network, Node, Schedule, Terminal
from hwsim.stalls import Stalls

__all__ = ["Actor", "actors_of"]


@dataclass(frozen=True, eq=False)
class Actor:
    """A node, source or sink; `consumes` and `emits` are (ports, period) bool as in `Schedule`.

    Parameters
    ----------
    name : the node or terminal that it belongs to
    latency : cycles from an event to the write of the beats that it emits
    repeats : how often the pattern runs in a frame
    gate_before, gate_after : the gate for which it waits before it moves a beat, and the gate for which it waits once
        a beat could move, (cycles,) bool, or None
    fills : places of the buffer that it fills, which is its only output; 0 if it writes FIFOs
    drains : (2, period) int32, beats that it needs and frees in the buffer filled by the previous actor
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
        """(events,) int32, the steps of the pattern in which beats move, or are needed or freed in a buffer.

        Beats may be freed before they have arrived; the next step waits for them.
        """
        happens = self.consumes.any(axis=0) | self.emits.any(axis=0)
        if self.drains is not None:
            happens |= (self.drains > 0).any(axis=0) | (np.roll(self.drains[1], 1) > 0)
        return np.flatnonzero(happens).astype(np.int32)

    @property
    def period(self) -> int:
        """Steps after which the pattern repeats."""
        return self.consumes.shape[1]

    @property
    def steps(self) -> int:
        """Steps of a frame."""
        return self.period * self.repeats

    @property
    def events(self) -> int:
        """Events of a frame."""
        return len(self.event_steps) * self.repeats

    @property
    def head(self) -> int:
        """Quiet steps before the first event of the pattern."""
        return int(self.event_steps[0])

    @property
    def tail(self) -> int:
        """Quiet steps after the last event of the pattern."""
        return self.period - 1 - int(self.event_steps[-1])

    @cached_property
    def gaps(self) -> np.ndarray:
        """(events of the pattern,) int32, steps since the previous event; the first follows the last of a pattern."""
        return np.diff(self.event_steps, prepend=np.int32(self.event_steps[-1] - self.period))

    @cached_property
    def moves(self) -> np.ndarray:
        """(ports, events of the pattern) bool, whether a beat moves at each port, inputs first."""
        return np.concatenate([self.consumes, self.emits])[:, self.event_steps]

    @cached_property
    def needs(self) -> np.ndarray:
        """(2, events of the pattern) int32, beats needed and freed in the buffer; no events without a buffer."""
        return np.zeros((2, 0), np.int32) if self.drains is None else self.drains[:, self.event_steps]


def actors_of(network: Network, stalls: Stalls) -> tuple[Actor, ...]:
    """Return the actors of a network under stalls in topological order: sources, nodes, sinks."""
    once, never = np.ones((1, 1), bool), np.ones((0, 1), bool)

    def node(node: Node) -> list[Actor]:
        schedule = node.schedule()
        if isinstance(schedule, Schedule):
            return [Actor(node.name, schedule.consumes, schedule.emits, schedule.latency, schedule.repeats)]
        fill, drain = schedule.fill, schedule.drain
        always = np.ones((1, fill.period), bool)
        needs = np.stack([schedule.needs, schedule.frees], dtype=np.int32)
        return [
            Actor(node.name, fill.consumes, always, 0, fill.repeats, fills=schedule.places),
            Actor(node.name, drain.consumes, drain.emits, drain.latency, drain.repeats, drains=needs),
        ]

    def source(terminal: Terminal) -> Actor:
        gate = stalls.inputs.get(terminal.name)
        return Actor(terminal.name, never, once, 0, terminal.stream.beats, gate_before=gate)

    def sink(terminal: Terminal) -> Actor:
        gate = stalls.outputs.get(terminal.name)
        return Actor(terminal.name, once, never, 0, terminal.stream.beats, gate_after=gate)

    nodes = chain.from_iterable(map(node, network.nodes))
    return (*map(source, network.inputs), *nodes, *map(sink, network.outputs))
