"""The compiled loops: in which order the times of a frame follow from each other, and what they are.

The timing contract, solved for time. An actor issues a step in the first cycle in which its last step is past, every
beat it consumes is visible, and every beat it emits has a place. Once true these stay true until the step is issued,
so the cycle of an event is the latest of

* ``last + gap``: the event before and the quiet steps between, one per cycle;
* ``write + 1`` for each beat consumed, where a beat is written `latency` cycles after the event that emits it;
* ``read + 1`` for the beat `depth` places before each beat emitted, whose place it takes;
* ``write + 1`` for the last beat that the step needs in its buffer.

No state needs to be looked at cycle by cycle; waiting costs nothing. And which writes and reads these are follows from
the numbers of the beats alone: time plays no part in it, and between two frames every FIFO is empty. So it is the same
in every frame. `arrange` finds once in which order the events of a frame can be computed, so that each follows from
those before it; `advance` then computes the times of one frame after the other, without a branch. Where there is no
such order, no cycle of real time would let anything move: a deadlock, in every frame or in none.

Rows and columns of arrays are named here, in the same file as the functions that are compiled with these numbers: the
compiled code is cached for as long as its own file does not change. No function here allocates, so reference counts
are switched off (`_nrt`).
"""

from typing import NamedTuple

import numpy as np
from numba import njit

__all__ = ["NEVER", "Plan", "State", "advance", "arrange"]

#: The time in slot 0, which no other time is earlier than, whatever is added.
NEVER = -(2**62)

#: Parts of an actor that are taken down one behind the other at most. Where those of several actors alternate, a
#: processor computes some at once; of one actor, each waits for the one before.
longest_burst = 8

# Rows of `Plan.parts`, of which the first four are told by slot at first.
GAP, SOURCE, DELAY, PLACE, SLOT, OWNER = range(6)

# Columns of `Plan.fifos`: places, cycles from the writer's event to the write, beats in a frame, the FIFO's slices of
# `writes` and `reads`, and of `State.times` for the reads kept.
DEPTH, LATENCY, BEATS, FIRST_WRITE, FIRST_READ, FIRST_KEPT = range(6)

# Columns of `Plan.gates`: the slices of `waits` of the gates that an actor waits for before it moves a beat, and with
# which it waits once a beat could move, each as a start and a length, which is 0 without a gate.
BEFORE_START, BEFORE_CYCLES, AFTER_START, AFTER_CYCLES = range(4)

# Columns of `State.highest`.
STORED, TAKEN = range(2)


class Plan(NamedTuple):
    """How the times of a frame follow from each other and from those of the frame before.

    A frame is made of *parts*. An event is one part; where beats move at several inputs or outputs it is several, one
    behind the other, so that none waits for more than one beat and one place. With T the times by slot, a part has

        T[slot] = max(T[slot - 1] + gap, T[source] + delay, T[place] + 1)

    where slot - 1 is its owner's part before, `source` the slot of the event that writes the beat it needs, and `place`
    that of the event that reads the beat whose place it takes. Slot 0 stands where nothing is waited for.

    Rows and columns are named above. Buffers stand behind the FIFOs.

    Parameters
    ----------
    parts : (6, parts) int32, in an order in which each needs only those before it; the owner is the actor
    befores, latests : (actors,) int64, the slots of the last event of the frame before, and of this one
    fifos : (fifos, 6) int64
    writes : (sum of beats,) int32, for each FIFO the slots of this frame's writes
    reads : (sum of depths + beats,) int32, for each FIFO the slots of the `depth` reads kept of the frames before, and
        those of this frame's reads
    gates : (actors, 4) int64; no rows if there are no gates
    waits : int64, for each cycle of each gate the cycles until it is open
    """

    parts: np.ndarray
    befores: np.ndarray
    latests: np.ndarray
    fifos: np.ndarray
    writes: np.ndarray
    reads: np.ndarray
    gates: np.ndarray
    waits: np.ndarray


class State(NamedTuple):
    """What changes from frame to frame, int64.

    Parameters
    ----------
    times : (slots,) the time in slot 0, which is `NEVER`; for each actor that of its last event of the frame before,
        and of the parts of the latest frame; for each FIFO the latest `depth` reads, as they count for later frames
    blocked : (actors,) cycles in which only a place was missing
    residence : (fifos,) cycles that beats were stored, without the buffers
    highest : (fifos, 2) most beats stored and places taken at the start of a cycle, without the buffers
    scratch : (2, most beats + depth of a FIFO)
    """

    times: np.ndarray
    blocked: np.ndarray
    residence: np.ndarray
    highest: np.ndarray
    scratch: np.ndarray


@njit(cache=True, _nrt=False)
def arrange(needs, latests, known, nexts, waiting, chained, queue, parts):  # type: ignore[no-untyped-def] # pragma: no cover
    """Take down the parts of a frame in an order in which they can be computed, and return how many there are.

    Parameters
    ----------
    needs : (4, slots) int32, the parts by slot
    latests : as in `Plan`
    known : (slots,) bool, whether the time in a slot is known; at first, of the frame before
    nexts : (actors,) int64, the next part of each; at first, its first one
    waiting : (slots,) int32, the actor that waited last for a slot; at first -1
    chained : (actors,) int64, the actor that waited before for what this one waits for, or -1
    queue : (actors,) int64, a ring of actors that can go on; at first, all
    parts : (6, parts) int32, as in `Plan`
    """
    count, first, length = 0, 0, len(queue)
    while length:
        actor = queue[first]
        first = first + 1 if first + 1 < len(queue) else 0
        length -= 1
        slot, missing = nexts[actor], 0
        end = min(latests[actor] + 1, slot + longest_burst)
        while slot < end:
            source, place = needs[SOURCE, np.uintp(slot)], needs[PLACE, np.uintp(slot)]
            if not (known[np.uintp(source)] and known[np.uintp(place)]):
                missing = place if known[np.uintp(source)] else source
                break
            parts[SLOT, count], parts[OWNER, count], parts[GAP, count] = slot, actor, needs[GAP, np.uintp(slot)]
            parts[SOURCE, count], parts[DELAY, count] = source, needs[DELAY, np.uintp(slot)]
            parts[PLACE, count] = place
            count += 1
            known[np.uintp(slot)] = True
            woken = np.int64(waiting[np.uintp(slot)])
            while woken >= 0:
                _append(queue, first, length, woken)
                length += 1
                woken = chained[woken]
            slot += 1
        nexts[actor] = slot
        if missing:
            waiting[missing], chained[actor] = actor, waiting[missing]
        elif slot <= latests[actor]:
            _append(queue, first, length, actor)
            length += 1
    return count


@njit(inline="always")
def _append(queue, first, length, actor):  # type: ignore[no-untyped-def] # pragma: no cover
    """Append an actor to a ring."""
    place = first + length
    queue[place - len(queue) if place >= len(queue) else place] = actor


@njit(cache=True, _nrt=False)
def advance(plan: Plan, state: State, following: bool) -> None:  # pragma: no cover
    """Compute the times of the next frame.

    Parameters
    ----------
    following : whether to follow how full the FIFOs are
    """
    if len(plan.gates):
        _compute_with_gates(plan, state.times, state.blocked)
    else:
        _compute(plan.parts, state.times, state.blocked)
    if following:
        for fifo in range(len(state.residence)):
            _follow(fifo, plan, state)
    for fifo in range(len(plan.fifos)):
        _keep_reads(fifo, plan, state.times)
    for actor in range(len(plan.befores)):
        state.times[plan.befores[actor]] = state.times[plan.latests[actor]]


@njit(inline="always")
def _compute(parts, times, blocked):  # type: ignore[no-untyped-def] # pragma: no cover
    gaps, sources, delays, places, slots, owners = parts[0], parts[1], parts[2], parts[3], parts[4], parts[5]
    for part in range(len(slots)):
        slot = np.uintp(slots[part])
        fed = max(times[slot - np.uintp(1)] + gaps[part], times[np.uintp(sources[part])] + delays[part])
        time = max(fed, times[np.uintp(places[part])] + 1)
        times[slot] = time
        blocked[np.uintp(owners[part])] += time - fed


@njit(inline="always")
def _compute_with_gates(plan, times, blocked):  # type: ignore[no-untyped-def] # pragma: no cover
    for part in range(plan.parts.shape[1]):
        slot, owner = plan.parts[SLOT, part], plan.parts[OWNER, part]
        start, cycles = plan.gates[owner, BEFORE_START], plan.gates[owner, BEFORE_CYCLES]
        fed = times[slot - 1] + plan.parts[GAP, part]
        if cycles:
            fed += plan.waits[start + fed % cycles]
        fed = max(fed, times[plan.parts[SOURCE, part]] + plan.parts[DELAY, part])
        time = max(fed, times[plan.parts[PLACE, part]] + 1)
        blocked[owner] += time - fed
        start, cycles = plan.gates[owner, AFTER_START], plan.gates[owner, AFTER_CYCLES]
        if cycles:
            time += plan.waits[start + time % cycles]
        times[slot] = time


@njit(inline="always")
def _follow(fifo, plan, state):  # type: ignore[no-untyped-def] # pragma: no cover
    """Follow how full a FIFO is.

    The level is highest at the start of a cycle with a read. When beat r is read, more than `highest` beats are stored
    if and only if beat r + `highest` was written in an earlier cycle; for the places taken, if it was issued. So each
    beat of the frame is compared with the read `highest` beats before it, which may be one of a frame before. Mostly
    no level is higher than before, and that is seen at once.
    """
    depth, latency, beats = plan.fifos[fifo, DEPTH], plan.fifos[fifo, LATENCY], plan.fifos[fifo, BEATS]
    first_write, first_read = plan.fifos[fifo, FIRST_WRITE], plan.fifos[fifo, FIRST_READ]
    issues, reads, times = state.scratch[0], state.scratch[1], state.times
    for beat in range(beats):
        issues[beat] = times[np.uintp(plan.writes[np.uintp(first_write + beat)])]
    for beat in range(depth + beats):
        reads[beat] = times[np.uintp(plan.reads[np.uintp(first_read + beat)])]
    stored = -latency * beats
    for beat in range(beats):
        stored += reads[depth + beat] - issues[beat]
    state.residence[fifo] += stored
    for which in range(2):
        highest, lead = state.highest[fifo, which], latency if which == STORED else 0
        higher = 0
        for beat in range(beats):
            higher += issues[beat] + lead < reads[depth - highest + beat]
        if higher:
            for beat in range(beats):
                if issues[beat] + lead < reads[depth - highest + beat]:
                    highest += 1
            state.highest[fifo, which] = highest


@njit(inline="always")
def _keep_reads(fifo, plan, times):  # type: ignore[no-untyped-def] # pragma: no cover
    """Keep the latest `depth` reads of a FIFO, which make the places for the next frame's beats.

    A read no later than the writer's latest event with a beat constrains nothing any more, so it counts as being as
    late as that: states from which the same follows are equal.
    """
    depth, beats, first = plan.fifos[fifo, DEPTH], plan.fifos[fifo, BEATS], plan.fifos[fifo, FIRST_KEPT]
    latest = times[plan.writes[plan.fifos[fifo, FIRST_WRITE] + beats - 1]]
    read = plan.fifos[fifo, FIRST_READ] + beats
    for place in range(depth):
        times[np.uintp(first + place)] = max(latest, times[np.uintp(plan.reads[np.uintp(read + place)])])
