"""The timing contract, cycle by cycle: slow and obvious, the oracle of the compiled simulator.

In cycle t every actor decides from the state at the start of t. A node issues its next step if every beat that the
step consumes is stored, and every beat that it emits has a place: ``depth - stored - reserved``. It reads the beats
and reserves the places in t, and the emitted beats enter their FIFOs at the end of cycle t + latency.

A `Buffered` node is two such actors. `fill` writes the buffer, a FIFO without latency. `drain` issues a step if the
buffer stores as many beats as the step needs, and then frees none, one or several.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol

import numpy as np

from dataflow import Buffered, InputError, Network, Node, Schedule, Terminal
from hwsim.stalls import Stalls

__all__ = ["SlowRun", "SlowStandstillError", "step_slowly"]


@dataclass
class _SlowFifo:
    depth: int
    stored: int = 0
    reserved: int = 0
    writes: list[int] = field(default_factory=list)
    reads: list[int] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)
    highest_stored: int = 0
    highest_taken: int = 0

    @property
    def has_place(self) -> bool:
        return self.stored + self.reserved < self.depth


@dataclass(frozen=True, eq=False)
class SlowRun:
    """The results of a slow run.

    Parameters
    ----------
    total : cycles up to and including the last read at an output
    cycles : cycles until nothing moves
    writes, reads : the cycle of each beat's write and read, int64, by FIFO name
    activity : busy, starved and blocked cycles among ``cycles``, by node name
    history : "busy", "starved" or "blocked" for each cycle, by node name
    levels : beats stored at the start of each cycle, by FIFO name
    highest : most beats stored and most places taken at the start of a cycle, by FIFO name
    """

    total: int
    cycles: int
    writes: dict[str, np.ndarray]
    reads: dict[str, np.ndarray]
    activity: dict[str, tuple[int, ...]]
    history: dict[str, tuple[str, ...]]
    levels: dict[str, tuple[int, ...]]
    highest: dict[str, tuple[int, int]]


class SlowStandstillError(InputError):
    """A deadlock.

    Parameters
    ----------
    cycle : the first cycle in which nothing moves
    fifos : by name, with their writes and reads until then, as in a `SlowRun`
    """

    def __init__(self, name: str, cycle: int, fifos: Mapping[str, _SlowFifo]) -> None:
        super().__init__(f"Network {name!r} must be able to move, not deadlock in cycle {cycle}")
        self.writes = {name: np.array(fifo.writes, np.int64) for name, fifo in fifos.items()}
        self.reads = {name: np.array(fifo.reads, np.int64) for name, fifo in fifos.items()}


class _SlowActor(Protocol):
    """An actor: it decides in cycle t, and acts when all actors have decided."""

    @property
    def finished(self) -> bool: ...

    def decide(self, t: int) -> None: ...

    def act(self, t: int) -> bool:
        """Execute the decision; return whether anything changed."""


class _SlowSource:
    """Offers a beat from an open gate until it is accepted."""

    def __init__(self, fifo: _SlowFifo, gate: np.ndarray, beats: int) -> None:
        self.fifo, self.gate, self.left = fifo, gate, beats
        self.offering = False

    @property
    def finished(self) -> bool:
        return self.left == 0

    def decide(self, t: int) -> None:
        self.offering = self.left > 0 and (self.offering or bool(self.gate[t % len(self.gate)]))
        self.accepted = self.offering and self.fifo.stored < self.fifo.depth

    def act(self, t: int) -> bool:
        if self.accepted:
            self.fifo.stored += 1
            self.fifo.writes.append(t)
            self.left -= 1
            self.offering = False
        return self.accepted


class _SlowSink:
    """Takes a beat in every cycle in which its gate is open and a beat is stored."""

    def __init__(self, fifo: _SlowFifo, gate: np.ndarray, beats: int) -> None:
        self.fifo, self.gate, self.left = fifo, gate, beats

    @property
    def finished(self) -> bool:
        return self.left == 0

    def decide(self, t: int) -> None:
        self.taking = self.fifo.stored > 0 and bool(self.gate[t % len(self.gate)])

    def act(self, t: int) -> bool:
        if self.taking:
            self.fifo.stored -= 1
            self.fifo.reads.append(t)
            self.left -= 1
        return self.taking


class _Unit:
    """A node, or one actor of it: issues at most one step per cycle."""

    def __init__(self, schedule: Schedule, inputs: list[_SlowFifo], outputs: list[_SlowFifo], frames: int) -> None:
        self.schedule = schedule
        self.inputs, self.outputs = inputs, outputs
        self.left = frames * schedule.steps
        self.step = 0
        self.deliveries: dict[int, list[_SlowFifo]] = defaultdict(list)
        self.history: list[str] = []

    @property
    def finished(self) -> bool:
        return self.left == 0 and not self.deliveries

    def has_beats(self) -> bool:
        consumes = self.schedule.consumes[:, self.step]
        self.taken = [fifo for fifo, moves in zip(self.inputs, consumes, strict=True) if moves]
        return all(fifo.stored for fifo in self.taken)

    def take(self, t: int) -> None:
        for fifo in self.taken:
            fifo.stored -= 1
            fifo.reads.append(t)

    def decide(self, t: int) -> None:
        emits = self.schedule.emits[:, self.step]
        self.given = [fifo for fifo, moves in zip(self.outputs, emits, strict=True) if moves]
        if self.left == 0 or not self.has_beats():
            self.doing = "starved"
        elif not all(fifo.has_place for fifo in self.given):
            self.doing = "blocked"
        else:
            self.doing = "busy"

    def act(self, t: int) -> bool:
        self.history.append(self.doing)
        if self.doing == "busy":
            self.take(t)
            for fifo in self.given:
                fifo.reserved += 1
                self.deliveries[t + self.schedule.latency].append(fifo)
            self.step = (self.step + 1) % self.schedule.period
            self.left -= 1
        for fifo in self.deliveries.pop(t, []):
            fifo.reserved -= 1
            fifo.stored += 1
            fifo.writes.append(t)
        return self.doing == "busy" or bool(self.deliveries)


class _Fill(_Unit):
    """Takes a beat per step and writes it to the buffer at the end of the same cycle."""

    def __init__(self, schedule: Buffered, inputs: list[_SlowFifo], buffer: _SlowFifo, frames: int) -> None:
        super().__init__(schedule.fill, inputs, [], frames)
        self.buffer = buffer

    def has_beats(self) -> bool:
        return super().has_beats() and self.buffer.stored < self.buffer.depth

    def take(self, t: int) -> None:
        super().take(t)
        self.buffer.stored += 1


class _Drain(_Unit):
    """Reads the buffer, whose oldest beats it frees when no later step needs them."""

    def __init__(self, schedule: Buffered, buffer: _SlowFifo, outputs: list[_SlowFifo], frames: int) -> None:
        super().__init__(schedule.drain, [], outputs, frames)
        self.buffer, self.needs, self.frees = buffer, schedule.needs.tolist(), schedule.frees.tolist()

    def has_beats(self) -> bool:
        return bool(self.buffer.stored >= self.needs[self.step])

    def take(self, t: int) -> None:
        self.buffer.stored -= self.frees[self.step]


def _units_of(node: Node, inputs: list[_SlowFifo], outputs: list[_SlowFifo], frames: int) -> list[_Unit]:
    """Return the actors of a node; the activity of the last one is the node's."""
    schedule = node.schedule()
    if isinstance(schedule, Schedule):
        return [_Unit(schedule, inputs, outputs, frames)]
    buffer = _SlowFifo(schedule.places)
    return [_Fill(schedule, inputs, buffer, frames), _Drain(schedule, buffer, outputs, frames)]


def step_slowly(network: Network, frames: int, *, stalls: Stalls | None = None) -> SlowRun:
    """Step a network through `frames` frames, cycle by cycle.

    Raises
    ------
    SlowStandstillError
        The network deadlocks before all frames have passed.
    """
    stalls = stalls or Stalls.none()
    fifos = {fifo.name: _SlowFifo(fifo.depth) for fifo in network.fifos}
    always = np.ones(1, bool)

    def into(name: str) -> list[_SlowFifo]:
        return [fifos[fifo.name] for fifo in network.fifos_into(name)]

    def out_of(name: str) -> list[_SlowFifo]:
        return [fifos[fifo.name] for fifo in network.fifos_out_of(name)]

    def beats(terminal: Terminal) -> int:
        return frames * terminal.stream.beats

    units = {node.name: _units_of(node, into(node.name), out_of(node.name), frames) for node in network.nodes}
    actors: list[_SlowActor] = [
        *(_SlowSource(out_of(t.name)[0], stalls.inputs.get(t.name, always), beats(t)) for t in network.inputs),
        *chain.from_iterable(units.values()),
        *(_SlowSink(into(t.name)[0], stalls.outputs.get(t.name, always), beats(t)) for t in network.outputs),
    ]
    patience = 1 + max([1, *(len(gate) for gate in (*stalls.inputs.values(), *stalls.outputs.values()))])
    t = still = 0
    while not all(actor.finished for actor in actors):
        for fifo in fifos.values():
            fifo.levels.append(fifo.stored)
            fifo.highest_stored = max(fifo.highest_stored, fifo.stored)
            fifo.highest_taken = max(fifo.highest_taken, fifo.stored + fifo.reserved)
        for actor in actors:
            actor.decide(t)
        changes = [actor.act(t) for actor in actors]
        still = 0 if any(changes) else still + 1
        if still > patience:
            raise SlowStandstillError(network.name, t - still, fifos)
        t += 1
    outputs = [fifos[network.fifos_into(terminal.name)[0].name] for terminal in network.outputs]
    return SlowRun(
        total=1 + max(fifo.reads[-1] for fifo in outputs),
        cycles=t,
        writes={name: np.array(fifo.writes, np.int64) for name, fifo in fifos.items()},
        reads={name: np.array(fifo.reads, np.int64) for name, fifo in fifos.items()},
        activity={
            name: tuple(parts[-1].history.count(doing) for doing in ("busy", "starved", "blocked"))
            for name, parts in units.items()
        },
        history={name: tuple(parts[-1].history) for name, parts in units.items()},
        levels={name: tuple(fifo.levels) for name, fifo in fifos.items()},
        highest={name: (fifo.highest_stored, fifo.highest_taken) for name, fifo in fifos.items()},
    )
