"""A network as the parts of a frame and the beats that each waits for, see `hwsim.cycle.kernel.Plan`.

The slots of times are numbered actor by actor: the last event of the previous frame, then the parts of a frame. They do
not depend on the FIFOs' depths. The read that frees the place for a beat does, and is part of the plan.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from dataflow import InputError, Network
from hwsim.cycle.actors import Actor, actors_of
from hwsim.cycle.kernel import DELAY, GAP, SOURCE
from hwsim.stalls import Stalls

__all__ = ["ActorSlots", "Channel", "Program", "flatten", "with_depths"]


@dataclass(frozen=True, eq=False)
class ActorSlots:
    """The slots of an actor's parts. The first part is in the slot after `before`.

    An event that consumes i beats and emits o has max(1, i) + max(1, o) - 1 parts. These wait for the beats in the
    order of the ports, and for the places from the part on that waits for the last beat.
    """

    actor: Actor
    before: int

    @cached_property
    def _inputs(self) -> np.ndarray:
        return self.actor.moves[: len(self.actor.consumes)]

    @cached_property
    def _outputs(self) -> np.ndarray:
        return self.actor.moves[len(self.actor.consumes) :]

    @property
    def _in_one(self) -> bool:
        """Whether every event is one part, because it consumes at most one beat and emits at most one."""
        return len(self.actor.consumes) < 2 and len(self.actor.emits) < 2

    @cached_property
    def _ends(self) -> np.ndarray:
        """(events of the pattern,) int32, the last part of each event; parts are numbered from 1."""
        if self._in_one:
            return np.arange(1, len(self.actor.event_steps) + 1, dtype=np.int32)
        parts = np.maximum(1, self._inputs.sum(axis=0)) + np.maximum(1, self._outputs.sum(axis=0)) - 1
        return np.cumsum(parts, dtype=np.int32)

    @cached_property
    def _starts(self) -> np.ndarray:
        """(events of the pattern,) int32, the first part of each event."""
        return self._ends if self._in_one else np.append(np.int32(0), self._ends[:-1]) + np.int32(1)

    @property
    def latest(self) -> int:
        """The slot of a frame's last event."""
        return self.before + self.actor.repeats * int(self._ends[-1])

    def _slots(self, parts: np.ndarray) -> np.ndarray:
        """Return the slots of a frame from the parts of the pattern."""
        offsets = self.before + np.arange(self.actor.repeats, dtype=np.int32) * self._ends[-1]
        return (offsets[:, None] + parts).ravel()

    @property
    def events(self) -> np.ndarray:
        """(events of a frame,) int32, the slot of each event: that of its last part."""
        return self._slots(self._ends)

    @property
    def firsts(self) -> np.ndarray:
        """(events of a frame,) int32, the slot of the first part of each event."""
        return self._slots(self._starts)

    def moved_in(self, port: int) -> np.ndarray:
        """Return the slot of the event in which each beat of a frame moves at a port, inputs first, int32."""
        return self._slots(self._ends[self.actor.moves[port]])

    def waits_in(self, port: int) -> np.ndarray:
        """Return the slot of the part that waits for each beat or place of a frame at a port, inputs first, int32."""
        if self._in_one:
            return self.moved_in(port)
        output = port - len(self._inputs)
        if output < 0:
            parts = self._starts + self._inputs[:port].sum(axis=0)
        else:
            parts = self._starts + np.maximum(1, self._inputs.sum(axis=0)) - 1 + self._outputs[:output].sum(axis=0)
        return self._slots(parts[self.actor.moves[port]].astype(np.int32))


@dataclass(frozen=True, eq=False)
class Channel:
    """A FIFO, or the buffer of a `Buffered` node.

    Parameters
    ----------
    depth : its places
    latency : cycles from an event of its writer to the write
    writer, reader : numbers of the actors
    writes, reads : (beats,) int32, the slots of the events that write and read each beat of a frame
    gives : (beats,) int32, the slots of the parts in which the writer waits for a place
    """

    depth: int
    latency: int
    writer: int
    reader: int
    writes: np.ndarray
    reads: np.ndarray
    gives: np.ndarray


@dataclass(frozen=True, eq=False)
class Program:
    """A network under stalls.

    Parameters
    ----------
    layouts : the slots of the actors, in topological order
    channels : the FIFOs in the network's order, then the buffers
    nodes : (nodes,) int64, the actor that represents each node; for a `Buffered` one the drain, which follows its fill
    needs : (3, slots) int32, the parts by slot, without the places
    """

    layouts: tuple[ActorSlots, ...]
    channels: tuple[Channel, ...]
    nodes: np.ndarray
    needs: np.ndarray

    @cached_property
    def actors(self) -> tuple[Actor, ...]:
        """The actors."""
        return tuple(layout.actor for layout in self.layouts)

    @cached_property
    def befores(self) -> np.ndarray:
        """(actors,) int64, the slot of each actor's last event of the previous frame."""
        return np.array([layout.before for layout in self.layouts], np.int64)

    @cached_property
    def latests(self) -> np.ndarray:
        """(actors,) int64, the slot of each actor's last event of a frame."""
        return np.array([layout.latest for layout in self.layouts], np.int64)

    @cached_property
    def fifo_count(self) -> int:
        """Number of channels that are FIFOs of the network."""
        return len(self.channels) - sum(actor.drains is not None for actor in self.actors)


def flatten(network: Network, stalls: Stalls) -> Program:
    """Return the program of a network under stalls.

    Raises
    ------
    InputError
        The places of all FIFOs are too many to be counted.
    """
    actors = actors_of(network, stalls)
    layouts: list[ActorSlots] = []
    for actor in actors:
        layouts.append(ActorSlots(actor, layouts[-1].latest + 1 if layouts else 1))
    needs = np.zeros((3, layouts[-1].latest + 1), np.int32)
    for layout in layouts:
        needs[GAP, layout.firsts] = np.tile(layout.actor.gaps, layout.actor.repeats)
    channels = (*_fifos(network, layouts, needs), *_buffers(layouts, needs))
    places = sum(channel.depth for channel in channels)
    if needs.shape[1] + places >= 2**31:
        raise InputError(f"Places of all FIFOs of network {network.name!r} must be fewer than 2**31, not {places:,}")
    last = {actor.name: number for number, actor in enumerate(actors)}
    return Program(
        layouts=tuple(layouts),
        channels=channels,
        nodes=np.array([last[node.name] for node in network.nodes], np.int64),
        needs=needs,
    )


def _fifos(network: Network, layouts: list[ActorSlots], needs: np.ndarray) -> list[Channel]:
    """Return the channels of a network's FIFOs, and record in `needs` the beats for which parts wait."""
    writers = {layout.actor.name: number for number, layout in enumerate(layouts)}
    readers = {layout.actor.name: number for number, layout in reversed(list(enumerate(layouts)))}
    channels = []
    for fifo in network.fifos:
        writer, reader = writers[fifo.source], readers[fifo.target]
        source, target = layouts[writer], layouts[reader]
        port = len(source.actor.consumes) + fifo.source_port
        writes, gives = source.moved_in(port), source.waits_in(port)
        takes = target.waits_in(fifo.target_port)
        needs[SOURCE, takes], needs[DELAY, takes] = writes, source.actor.latency + 1
        reads = target.moved_in(fifo.target_port)
        channels.append(Channel(fifo.depth, source.actor.latency, writer, reader, writes, reads, gives))
    return channels


def _buffers(layouts: list[ActorSlots], needs: np.ndarray) -> list[Channel]:
    """Return the channels of the buffers, and record in `needs` the beats for which parts wait."""
    channels = []
    for number, (fill, drain) in enumerate(pairwise(layouts)):
        if drain.actor.drains is None:
            continue
        needed, freed = np.tile(drain.actor.needs, drain.actor.repeats)
        # The last beat that an event needs, or the one before the first. Beats count from 1; 0 is the previous frame's.
        beats = np.cumsum(freed) - freed + needed
        port = len(fill.actor.consumes)
        writes, gives = fill.moved_in(port), fill.waits_in(port)
        needs[SOURCE, drain.firsts] = np.append(np.int32(fill.before), writes)[beats]
        needs[DELAY, drain.firsts] = fill.actor.latency + 1
        reads = np.repeat(drain.events, freed)
        channels.append(Channel(fill.actor.fills, fill.actor.latency, number, number + 1, writes, reads, gives))
    return channels


def with_depths(program: Program, depths: np.ndarray) -> Program:
    """Return a program with other depths of the network's FIFOs, (fifos,) int64; those of buffers are kept."""
    fifos = program.channels[: len(depths)]
    changed = (replace(fifo, depth=int(depth)) for fifo, depth in zip(fifos, depths, strict=True))
    return replace(program, channels=(*changed, *program.channels[len(depths) :]))
