"""From a program to a plan: the read that frees each place, and an order in which the parts can be computed."""

import numpy as np

from hwsim.cycle.kernel import (
    AFTER_CYCLES,
    AFTER_START,
    BEATS,
    BEFORE_CYCLES,
    BEFORE_START,
    DEPTH,
    FIRST_KEPT,
    FIRST_READ,
    FIRST_WRITE,
    LATENCY,
    NEVER,
    Plan,
    State,
    arrange,
)
from hwsim.cycle.program import Program

__all__ = ["StandstillError", "initial_state", "plan_of"]


class StandstillError(Exception):
    """A deadlock before the end of a frame.

    Parameters
    ----------
    nexts : (actors,) int64, the slot of each actor's next part
    """

    def __init__(self, nexts: np.ndarray) -> None:
        super().__init__("A frame must pass, not deadlock")
        self.nexts = nexts


def plan_of(program: Program) -> Plan:
    """Return the plan of a program.

    Raises
    ------
    StandstillError
        There is no order in which a frame can be computed.
    """
    fifos = _fifos(program)
    places, reads = np.zeros(program.needs.shape[1], np.int32), []
    for channel, first in zip(program.channels, fifos[:, FIRST_KEPT].tolist(), strict=True):
        reads.append(np.append(np.arange(first, first + channel.depth, dtype=np.int32), channel.reads))
        places[channel.gives] = reads[-1][: len(channel.gives)]
    gates, waits = _gates(program)
    return Plan(
        parts=_arranged(program, places, len(places) + int(fifos[:, DEPTH].sum())),
        befores=program.befores,
        latests=program.latests,
        fifos=fifos,
        writes=np.concatenate([channel.writes for channel in program.channels]),
        reads=np.concatenate(reads),
        gates=gates,
        waits=waits,
    )


def _fifos(program: Program) -> np.ndarray:
    """Return the FIFOs as in `Plan`."""
    fifos = np.zeros((len(program.channels), 6), np.int64)
    fifos[:, DEPTH] = depths = np.array([channel.depth for channel in program.channels])
    fifos[:, LATENCY] = [channel.latency for channel in program.channels]
    fifos[:, BEATS] = beats = np.array([len(channel.writes) for channel in program.channels])
    fifos[:, FIRST_WRITE] = np.cumsum(beats) - beats
    fifos[:, FIRST_READ] = np.cumsum(depths + beats) - depths - beats
    fifos[:, FIRST_KEPT] = program.needs.shape[1] + np.cumsum(depths) - depths
    return fifos


def _arranged(program: Program, places: np.ndarray, slots: int) -> np.ndarray:
    """Return the parts in an order in which they can be computed."""
    actors = len(program.befores)
    known = np.ones(slots, bool)
    known[1 : len(places)] = False
    known[program.befores] = True
    nexts = program.befores + 1
    parts = np.empty((6, int((program.latests - program.befores).sum())), np.int32)
    waiting, chained, queue = np.full(slots, -1, np.int32), np.full(actors, -1), np.arange(actors)
    if arrange(program.needs, places, program.latests, known, nexts, waiting, chained, queue, parts) < parts.shape[1]:
        raise StandstillError(nexts)
    return parts


def _gates(program: Program) -> tuple[np.ndarray, np.ndarray]:
    """Return gates and waits as in `Plan`."""
    gates, waits = np.zeros((len(program.actors), 4), np.int64), [np.zeros(0, np.int64)]
    for number, actor in enumerate(program.actors):
        for gate, start, cycles in (
            (actor.gate_before, BEFORE_START, BEFORE_CYCLES),
            (actor.gate_after, AFTER_START, AFTER_CYCLES),
        ):
            if gate is not None:
                gates[number, start], gates[number, cycles] = sum(map(len, waits)), len(gate)
                waits.append(_waits(gate))
    return gates if len(waits) > 1 else gates[:0], np.concatenate(waits)


def _waits(gate: np.ndarray) -> np.ndarray:
    """Return, for each cycle of a gate that is open at least once, the cycles until it is open, 0 if it is open."""
    opened = np.flatnonzero(gate)
    cycles = np.arange(len(gate))
    following = np.append(opened, opened[0] + len(gate))[np.searchsorted(opened, cycles)]
    return (following - cycles).astype(np.int64)


def initial_state(program: Program, plan: Plan) -> State:
    """Return the state before cycle 0: nothing has moved."""
    depths, beats = plan.fifos[:, DEPTH], plan.fifos[:, BEATS]
    # The places of the first `depth` beats are free before cycle 0.
    times = np.full(program.needs.shape[1] + int(depths.sum()), -1, np.int64)
    times[0] = NEVER
    # The first event is then due in the cycle of its step.
    times[program.befores] = [actor.head - int(actor.gaps[0]) for actor in program.actors]
    return State(
        times=times,
        blocked=np.zeros(len(program.actors), np.int64),
        residence=np.zeros(program.fifo_count, np.int64),
        highest=np.zeros((program.fifo_count, 2), np.int64),
        scratch=np.zeros((2, int((depths + beats).max())), np.int64),
    )
