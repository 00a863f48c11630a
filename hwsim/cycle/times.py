"""The compiled loops that compute the times of a frame from those of the frame before.

The timing contract, solved for time. An actor issues a step in the first cycle in which its last step is past, every
beat it consumes is visible, and every beat it emits has a place. Once true these stay true until the step is issued,
so the cycle of an event is the latest of

* ``last + gap``: the event before and the quiet steps between, one per cycle;
* ``write + 1`` for each beat consumed, where a beat is written `latency` cycles after the event that emits it;
* ``read + 1`` for the beat `depth` places before each beat emitted, whose place it takes;
* ``write + 1`` for the last beat that the step needs in its buffer.

No state needs to be looked at cycle by cycle; waiting costs nothing. Which writes and reads these are is the same in
every frame. `hwsim.cycle.kernel.arrange` finds it once, as a `Plan`, of which nothing is left to do but to add and to
take the latest, part by part, without a branch.

No function here allocates, so reference counts are switched off (`_nrt`).
"""

from typing import NamedTuple

import numpy as np
from numba import njit

__all__ = ["NEVER", "Plan", "State", "advance", "carry", "follow"]

#: The time in slot 0, which no other time is earlier than, whatever is added.
NEVER = -(2**62)

# Columns of `State.highest`: most beats stored, and most places taken.
STORED, TAKEN = range(2)


class Plan(NamedTuple):
    """How the times of a frame follow from each other and from those of the frame before.

    A frame is made of *parts*, in an order in which each needs only those before it. An event is one part; where beats
    move at several inputs or outputs it is several, one behind the other, so that none waits for more than one beat
    and one place. With T the times by slot, a part has

        T[slot] = max(T[slot - 1] + gap, T[source] + delay, T[place] + 1)

    where slot - 1 is its actor's part before, `source` the slot of the event that writes the beat it needs, and `place`
    that of the event that reads the beat whose place it takes. Slot 0 stands where nothing is waited for.

    Parameters
    ----------
    slots, owners, gaps, sources, delays, places : (parts,) int32; the owner is the actor
    befores, latests : (actors,) int64, the slots of the last event of the frame before, and of this one
    depths, latencies, beats : (fifos,) int64; buffers are the last ones
    first_writes, first_reads, first_kepts : (fifos,) int64, where a FIFO's slices of `writes` and `reads` begin, and
        the slots of its kept reads
    writes : (sum of beats + 1,) int32, for each FIFO a slot of its writer, and those of this frame's writes
    reads : (sum of depths + beats,) int32, for each FIFO the slots of the `depth` reads kept of the frames before, and
        those of this frame's reads
    gates_before, gates_after : (actors,) int64, the number of the gate that an actor waits for before it moves a beat,
        and with which it waits once a beat could move; -1 for none
    gate_starts, gate_cycles : (gates,) int64, the gate's slice of `waits`
    waits : int64, for each cycle of each gate the cycles until it is open
    """

    slots: np.ndarray
    owners: np.ndarray
    gaps: np.ndarray
    sources: np.ndarray
    delays: np.ndarray
    places: np.ndarray
    befores: np.ndarray
    latests: np.ndarray
    depths: np.ndarray
    latencies: np.ndarray
    beats: np.ndarray
    first_writes: np.ndarray
    first_reads: np.ndarray
    first_kepts: np.ndarray
    writes: np.ndarray
    reads: np.ndarray
    gates_before: np.ndarray
    gates_after: np.ndarray
    gate_starts: np.ndarray
    gate_cycles: np.ndarray
    waits: np.ndarray


class State(NamedTuple):
    """What changes from frame to frame, int64.

    Parameters
    ----------
    times : (slots,) when the events are: `NEVER`; for each actor its last event of the frame before, and the parts of
        the latest frame; for each FIFO the latest `depth` reads, which make the places for the next frame's beats
    blocked : (actors,) cycles in which only a place was missing
    residence : (fifos,) cycles that beats were stored, without the buffers
    highest : (fifos, 2) most beats stored and places taken at the start of a cycle, without the buffers
    scratch : (2, most beats of a frame + places) writes and reads of one FIFO
    """

    times: np.ndarray
    blocked: np.ndarray
    residence: np.ndarray
    highest: np.ndarray
    scratch: np.ndarray


@njit(cache=True, _nrt=False)
def advance(plan: Plan, state: State) -> None:  # pragma: no cover
    """Compute the times of the next frame. Behind it, call `carry`."""
    if len(plan.gate_starts):
        _advance_with_gates(plan, state.times, state.blocked)
        return
    slots, owners, gaps, sources, delays, places = (
        plan.slots, plan.owners, plan.gaps, plan.sources, plan.delays, plan.places,
    )  # fmt: skip
    times, blocked = state.times, state.blocked
    for part in range(len(slots)):
        slot = np.uintp(slots[part])
        fed = max(times[slot - np.uintp(1)] + gaps[part], times[np.uintp(sources[part])] + delays[part])
        time = max(fed, times[np.uintp(places[part])] + 1)
        times[slot] = time
        blocked[np.uintp(owners[part])] += time - fed


@njit(inline="always")
def _advance_with_gates(plan, times, blocked):  # type: ignore[no-untyped-def] # pragma: no cover
    """Compute the times of the next frame where some actors have gates."""
    for part in range(len(plan.slots)):
        slot, owner = plan.slots[part], plan.owners[part]
        fed = times[slot - 1] + plan.gaps[part]
        if plan.gates_before[owner] >= 0:
            fed += _wait(plan, plan.gates_before[owner], fed)
        fed = max(fed, times[plan.sources[part]] + plan.delays[part])
        time = max(fed, times[plan.places[part]] + 1)
        blocked[owner] += time - fed
        if plan.gates_after[owner] >= 0:
            time += _wait(plan, plan.gates_after[owner], time)
        times[slot] = time


@njit(inline="always")
def _wait(plan, gate, time):  # type: ignore[no-untyped-def] # pragma: no cover
    """Return the cycles from `time` until a gate is open."""
    return plan.waits[plan.gate_starts[gate] + time % plan.gate_cycles[gate]]


@njit(cache=True, _nrt=False)
def follow(plan: Plan, state: State) -> None:  # pragma: no cover
    """Follow how full the FIFOs are, between `advance` and `carry`.

    The level is highest at the start of a cycle with a read. When beat r is read, more than `highest` beats are stored
    if and only if beat r + `highest` was written in an earlier cycle; for the places taken, if it was issued. So each
    beat of the frame is compared with the read `highest` beats before it, which may be one of the frames before.
    """
    for fifo in range(len(state.residence)):
        depth, latency, beats = plan.depths[fifo], plan.latencies[fifo], plan.beats[fifo]
        issues, reads = state.scratch[0], state.scratch[1]
        for beat in range(beats):
            issues[beat] = state.times[np.uintp(plan.writes[np.uintp(plan.first_writes[fifo] + 1 + beat)])]
        for beat in range(depth + beats):
            reads[beat] = state.times[np.uintp(plan.reads[np.uintp(plan.first_reads[fifo] + beat)])]
        stored = -latency * beats
        for beat in range(beats):
            stored += reads[depth + beat] - issues[beat]
        state.residence[fifo] += stored
        for which in range(2):
            state.highest[fifo, which] = _highest(
                issues, reads, depth, beats, (1 - which) * latency, state.highest[fifo, which]
            )


@njit(inline="always")
def _highest(issues, reads, depth, beats, lead, highest):  # type: ignore[no-untyped-def] # pragma: no cover
    """Return the highest level after a frame; mostly it is not higher than before, and that is seen at once."""
    higher = 0
    for beat in range(beats):
        higher += issues[beat] + lead < reads[depth - highest + beat]
    if higher:
        for beat in range(beats):
            if issues[beat] + lead < reads[depth - highest + beat]:
                highest += 1
    return highest


@njit(cache=True, _nrt=False)
def carry(plan: Plan, state: State) -> None:  # pragma: no cover
    """Keep what the next frame follows from: each actor's last event, and the latest `depth` reads of each FIFO.

    A read no later than the writer's latest event with a beat constrains nothing any more, so it counts as being as
    late as that: states from which the same follows are equal.
    """
    times = state.times
    for fifo in range(len(plan.depths)):
        beats, kept, read = plan.beats[fifo], plan.first_kepts[fifo], plan.first_reads[fifo] + plan.beats[fifo]
        issue = times[plan.writes[plan.first_writes[fifo] + beats]]
        for place in range(plan.depths[fifo]):
            times[np.uintp(kept + place)] = max(issue, times[np.uintp(plan.reads[np.uintp(read + place)])])
    for actor in range(len(plan.befores)):
        times[plan.befores[actor]] = times[plan.latests[actor]]
