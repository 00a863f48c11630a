"""The compiled loops that sort the events of a frame and compute their times.

They solve the timing contract for time. An actor issues a step in the first cycle in which its last step is past,
every beat it consumes is visible, and every beat it emits has a place. Once these conditions hold, they keep holding
until the step is issued, so the cycle of an event is the latest of

* ``last + gap``: the previous event and the quiet steps between, one per cycle;
* ``write + 1`` for each beat consumed, where a beat is written `latency` cycles after the event that emits it;
* ``read + 1`` for the beat `depth` places before each beat emitted, whose place it takes;
* ``write + 1`` for the last beat that the step needs in its buffer.

So no state is inspected cycle by cycle, and waiting costs nothing. Which writes and reads these are follows from the
numbers of the beats alone, not from time. Between two frames every FIFO is empty, so it is the same in every frame.
`arrange` finds once an order in which the events of a frame can be computed, each from earlier ones; `advance` then
computes the times of one frame after the other, without a branch. If there is no such order, nothing could move in any
cycle: a deadlock, in every frame or in none.

Rows and columns of arrays are named in this file, because the compiled functions contain these numbers and numba's
cache is valid only as long as the file of a function does not change. No function here allocates, so reference counts
are switched off (`_nrt`).
"""

from typing import NamedTuple

import numpy as np
from numba import njit

__all__ = ["NEVER", "Plan", "State", "advance", "arrange"]

#: The time in slot 0. It is earlier than all others, whatever is added to it.
NEVER = -(2**62)

#: Most parts of one actor that follow each other in the order. A processor computes parts of several actors in
#: parallel, but each part of one actor waits for the one before.
longest_burst = 8

# Rows of `Plan.parts`. The first three are known by slot before depths are, the fourth before the order is.
GAP, SOURCE, DELAY, PLACE, SLOT, OWNER = range(6)

# Columns of `Plan.fifos`: places, cycles from the writer's event to the write, beats of a frame, and where the FIFO's
# slices of `writes`, of `reads`, and of the kept reads in `State.times` begin.
DEPTH, LATENCY, BEATS, FIRST_WRITE, FIRST_READ, FIRST_KEPT = range(6)

# Columns of `Plan.gates`: start and length in `waits` of the gate for which an actor waits before it moves a beat, and
# of the gate for which it waits once a beat could move. The length is 0 without a gate.
BEFORE_START, BEFORE_CYCLES, AFTER_START, AFTER_CYCLES = range(4)

# Columns of `State.highest`.
STORED, TAKEN = range(2)


class Plan(NamedTuple):
    """How the times of a frame follow from each other and from those of the previous frame.

    A frame consists of *parts*. An event is one part, or several consecutive ones if it moves beats at several inputs
    or outputs, so that no part waits for more than one beat and one place. With T the times by slot, a part has

        T[slot] = max(T[slot - 1] + gap, T[source] + delay, T[place] + 1)

    where slot - 1 is the previous part of its owner, `source` the slot of the event that writes the beat it needs, and
    `place` the slot of the event that reads the beat whose place it takes. Slot 0 is used if it waits for nothing.

    Rows and columns are named above. In all arrays, buffers come after the FIFOs.

    Parameters
    ----------
    parts : (6, parts) int32, in an order in which each needs only earlier ones; the owner is the actor
    befores, latests : (actors,) int64, the slots of the last event of the previous frame, and of this one
    fifos : (fifos, 6) int64
    writes : (sum of beats,) int32, for each FIFO the slots of this frame's writes
    reads : (sum of depths + beats,) int32, for each FIFO the slots of the `depth` kept reads of previous frames, and
        of this frame's reads
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
    """The values that change from frame to frame, int64.

    Parameters
    ----------
    times : (slots,) the time in slot 0, which is `NEVER`; for each actor the times of its last event of the previous
        frame and of its parts of the latest frame; for each FIFO the latest `depth` reads, as later frames use them
    blocked : (actors,) cycles in which only a place was missing
    residence : (fifos,) sum of the cycles in which beats were stored, without the buffers
    highest : (fifos, 2) most beats stored and places taken at the start of a cycle, without the buffers
    scratch : (2, most beats + depth of a FIFO)
    """

    times: np.ndarray
    blocked: np.ndarray
    residence: np.ndarray
    highest: np.ndarray
    scratch: np.ndarray


@njit(cache=True, _nrt=False)
def arrange(needs, places, latests, known, nexts, waiting, chained, queue, parts):  # type: ignore[no-untyped-def] # pragma: no cover
    """Record the parts of a frame in an order in which they can be computed, and return their number.

    Parameters
    ----------
    needs : (3, slots) int32, the parts by slot, without the places
    places : (slots,) int32, the place that each part takes
    latests : as in `Plan`
    known : (slots,) bool, whether the time in a slot is known; initially those of the previous frame
    nexts : (actors,) int64, the next part of each actor; initially its first one
    waiting : (slots,) int32, the actor that was the last to wait for a slot; initially -1
    chained : (actors,) int64, the actor that waited for the same slot before this one, or -1
    queue : (actors,) int64, a ring of the actors that can continue; initially all
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
            source, place = needs[SOURCE, np.uintp(slot)], places[np.uintp(slot)]
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
    following : whether to record the occupancy of the FIFOs
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
    """Record the occupancy of a FIFO.

    The level is highest at the start of a cycle with a read. When beat r is read, more than `highest` beats are stored
    if and only if beat r + `highest` was written in an earlier cycle; for places taken, if it was issued. So each beat
    of the frame is compared with the read `highest` beats before it, which may be one of a previous frame. Usually no
    level is higher than before, and one pass over the beats shows it.
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
    """Keep the latest `depth` reads of a FIFO, which free the places for the next frame's beats.

    A read that is not later than the writer's latest event with a beat no longer constrains anything, so it is stored
    as being equally late. This way, states that have the same future are equal.
    """
    depth, beats, first = plan.fifos[fifo, DEPTH], plan.fifos[fifo, BEATS], plan.fifos[fifo, FIRST_KEPT]
    latest = times[plan.writes[plan.fifos[fifo, FIRST_WRITE] + beats - 1]]
    read = plan.fifos[fifo, FIRST_READ] + beats
    for place in range(depth):
        times[np.uintp(first + place)] = max(latest, times[np.uintp(plan.reads[np.uintp(read + place)])])
