"""Deadlocks: which nodes wait for each other, and the depths that resolve it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from dataflow import Fifo, InputError, Network
from hwsim.cycle.kernel import SOURCE
from hwsim.cycle.plan import StandstillError, plan_of
from hwsim.cycle.program import Channel, Program, flatten
from hwsim.cycle.trial import Trial, smallest
from hwsim.stalls import Stalls

__all__ = ["DeadlockError", "deadlock_of", "remedy_of"]


class DeadlockError(InputError):
    """A deadlock before the end of the first frame.

    Parameters
    ----------
    full : names of the full FIFOs for which the nodes in the circle wait
    """

    def __init__(self, text: str, *, full: tuple[str, ...]) -> None:
        super().__init__(text)
        self.full = full


@dataclass(frozen=True)
class _Wait:
    """What a node waits for: beats in FIFOs or, if it has all beats, places in FIFOs."""

    node: str
    missing: tuple[Fifo, ...]
    full: tuple[Fifo, ...]

    @property
    def others(self) -> tuple[str, ...]:
        """The nodes for which it waits."""
        return tuple(fifo.source for fifo in self.missing) or tuple(fifo.target for fifo in self.full)

    def __str__(self) -> str:
        if self.missing:
            return f"{self.node!r} waits for a beat in {' and '.join(repr(fifo.name) for fifo in self.missing)}"
        places = " and ".join(f"{fifo.name!r} (full with {fifo.depth})" for fifo in self.full)
        return f"{self.node!r} waits for a place in {places}"


def deadlock_of(network: Network, program: Program, nexts: np.ndarray) -> DeadlockError:
    """Return the error for a deadlock, which says which node waits for what.

    It names the nodes that wait for each other in a circle. All other nodes wait, directly or not, for one of these.

    Parameters
    ----------
    nexts : (actors,) int64, the slot of each actor's next part
    """
    waits = _waits(network, program, nexts)
    circle = [wait for name, wait in waits.items() if name in _reached(waits, name)]
    text = f"Network {network.name!r} must be able to move, not deadlock: {'; '.join(map(str, circle))}"
    full = (fifo.name for wait in circle if not wait.missing for fifo in wait.full)
    return DeadlockError(text, full=tuple(full))


def _waits(network: Network, program: Program, nexts: np.ndarray) -> dict[str, _Wait]:
    """Return what each node that has not finished the frame waits for, by its name."""
    fifos = zip(network.fifos, program.channels, strict=False)
    unread = {fifo.name: _unread(channel, nexts) for fifo, channel in fifos}
    waits = {}
    for actor, node in zip(program.nodes.tolist(), network.nodes, strict=True):
        if nexts[actor] > program.latests[actor]:
            continue
        # A beat is missing in the buffer because `fill`, the previous actor, waits for one.
        waiting = actor - 1 if _lacks_in_buffer(program, actor, nexts) else actor
        into, after = _next_moves(network, program, waiting, nexts)
        missing = tuple(fifo for fifo in into if unread[fifo.name] == 0)
        full = tuple(fifo for fifo in after if unread[fifo.name] == fifo.depth)
        waits[node.name] = _Wait(node.name, missing, full)
    return waits


def _reached(waits: Mapping[str, _Wait], start: str) -> set[str]:
    """Return the nodes for which a node waits, directly or through others."""
    reached: set[str] = set()
    ahead = [start]
    while ahead:
        wait = waits.get(ahead.pop())
        new = set(wait.others) - reached if wait is not None else set()
        reached |= new
        ahead += new
    return reached


def _unread(channel: Channel, nexts: np.ndarray) -> int:
    """Return the number of beats in a channel."""
    return int((channel.writes < nexts[channel.writer]).sum()) - int((channel.reads < nexts[channel.reader]).sum())


def _lacks_in_buffer(program: Program, actor: int, nexts: np.ndarray) -> bool:
    """Return whether the next event of an actor needs beats that its buffer does not hold."""
    if program.actors[actor].drains is None:
        return False
    return bool(program.needs[SOURCE, nexts[actor]] >= nexts[actor - 1])


def _next_moves(network: Network, program: Program, number: int, nexts: np.ndarray) -> tuple[list[Fifo], list[Fifo]]:
    """Return the FIFOs that an actor reads and writes in its next event."""
    actor, events = program.actors[number], program.layouts[number].events
    moves = actor.moves[:, np.searchsorted(events, nexts[number]) % actor.moves.shape[1]]
    takes, gives = moves[: len(actor.consumes)], moves[len(actor.consumes) :]
    fifos = list(zip(network.fifos, program.channels, strict=False))
    into = [fifo for fifo, channel in fifos if channel.reader == number and takes[fifo.target_port]]
    after = [fifo for fifo, channel in fifos if channel.writer == number and gives[fifo.source_port]]
    return sorted(into, key=lambda fifo: fifo.target_port), sorted(after, key=lambda fifo: fifo.source_port)


def remedy_of(network: Network, deadlock: DeadlockError) -> dict[str, int]:
    """Return the smallest depths that resolve a deadlock, by FIFO name.

    It is a single FIFO if one of the full ones alone can resolve it. Otherwise there are several, none of which can be
    one lower. No FIFO ever needs more places than a frame has beats.
    """
    trial = Trial(network)
    present = np.array([fifo.depth for fifo in network.fifos])
    every = np.maximum(present, [network.stream(fifo).beats for fifo in network.fifos])

    def passes_with(depths: np.ndarray, row: int, depth: int) -> bool:
        changed = depths.copy()
        changed[row] = depth
        return trial.passes(changed)

    rows = {fifo.name: row for row, fifo in enumerate(network.fifos)}
    for name in deadlock.full:
        row = rows[name]
        if passes_with(present, row, every[row]):
            return {name: smallest(partial(passes_with, present, row), int(present[row]) + 1, int(every[row]))}
    raised = _raised(network, deadlock, dict(zip(rows, every.tolist(), strict=True)))
    depths = present.copy()
    for name in raised:
        depths[rows[name]] = every[rows[name]]
    # The full FIFOs come last, so that the others are reduced first.
    for name in sorted(raised, key=lambda name: name in deadlock.full):
        row = rows[name]
        depths[row] = smallest(partial(passes_with, depths, row), int(present[row]), int(every[row]))
    return {name: int(depths[row]) for name, row in rows.items() if depths[row] > present[row]}


def _raised(network: Network, deadlock: DeadlockError, most: Mapping[str, int]) -> list[str]:
    """Return the full FIFOs of a deadlock, and of those that follow when these have as many places as possible."""
    raised: dict[str, int] = {}
    found: DeadlockError | None = deadlock
    while found is not None:
        raised |= {name: most[name] for name in found.full}
        deeper = network.with_depths(raised)
        program = flatten(deeper, Stalls.none())
        try:
            plan_of(program)
            found = None
        except StandstillError as standstill:
            found = deadlock_of(deeper, program, standstill.nexts)
    return list(raised)
