"""The compiled stepping loop: when every event of a program happens.

The timing contract, solved for time. An actor issues a step in the first cycle in which its last step is past, every
beat it consumes is visible, and every beat it emits has a place. Once true these stay true until the step is issued,
so the cycle of an event is the latest of

* ``last + gap``: the event before and the quiet steps between, one per cycle;
* ``write + 1`` for each beat consumed;
* ``read + 1`` for the beat `depth` places before each beat emitted, whose place it takes;

and the beats emitted are written `latency` cycles later. No state needs to be looked at cycle by cycle; waiting costs
nothing. Actors run in turn, each as far as the times it needs are known. Where no actor can go on, no cycle of real
time would let one: a deadlock.
"""

import numpy as np
from numba import njit

from hwsim.cycle.program import Program, State, highest, merged_reads, merged_writes, read_slot, write_slot

__all__ = ["advance"]

#: Instead of a cycle: it depends on one not known yet.
unknown = -1


@njit(cache=True)
def advance(
    p: Program, s: State, frames: int, record_size: np.ndarray, writes: np.ndarray, reads: np.ndarray
) -> bool:  # pragma: no cover
    """Run every actor to the end of its frame number `frames`; return False if they cannot get there.

    Parameters
    ----------
    frames : frames counted from the beginning
    record_size : (fifos + 1,) int64, where each FIFO's records begin in the next two, and end
    writes, reads : int64, cycles of the first beats' writes and reads, as many as there is room for
    """
    waiting = True
    while waiting:
        waiting = moved = False
        for actor in range(len(p.event_count)):
            goal = frames * p.frame_events[actor]
            if s.done[actor] < goal:
                if _run(p, s, actor, goal, record_size, writes, reads):
                    moved = True
                if s.done[actor] < goal:
                    waiting = True
        if waiting and not moved:
            return False
    for fifo in range(len(p.depth)):
        _merge(p, s, fifo, 0, 0)
        _merge(p, s, fifo, 1, p.latency[fifo])
    return True


@njit(cache=True)
def _run(p, s, actor, goal, record_size, writes, reads):  # type: ignore[no-untyped-def] # pragma: no cover
    """Let one actor go on until it is at its goal or a time it needs is unknown; return whether it moved."""
    inputs = p.inputs[p.input_start[actor] : p.input_start[actor + 1]]
    outputs = p.outputs[p.output_start[actor] : p.output_start[actor + 1]]
    ports = len(inputs) + len(outputs)
    for fifo in inputs:
        _merge(p, s, fifo, 0, 0)
        _merge(p, s, fifo, 1, p.latency[fifo])
    for fifo in outputs:
        _merge(p, s, fifo, 0, 0)
        _merge(p, s, fifo, 1, p.latency[fifo])
    before = s.done[actor]
    while s.done[actor] < goal:
        event = s.event[actor]
        row = p.move_start[actor] + event * ports
        due = _opened(p, p.gate_before[actor], s.last[actor] + p.gaps[p.event_start[actor] + event])
        fed = _fed(p, s, inputs, row, due)
        if fed == unknown:
            break
        time = _placed(p, s, outputs, row + len(inputs), fed)
        if time == unknown:
            break
        s.blocked[actor] += time - fed
        time = _opened(p, p.gate_after[actor], time)
        for port in range(len(inputs)):
            if p.moves[row + port]:
                _read(p, s, inputs[port], time, record_size, reads)
        for port in range(len(outputs)):
            if p.moves[row + len(inputs) + port]:
                _write(p, s, outputs[port], time, record_size, writes)
        s.last[actor] = time
        s.done[actor] += 1
        s.event[actor] = event + 1 if event + 1 < p.event_count[actor] else 0
    return s.done[actor] != before


@njit(cache=True)
def _opened(p, gate, time):  # type: ignore[no-untyped-def] # pragma: no cover
    """Return the first cycle from `time` on in which a gate is open."""
    if gate < 0:
        return time
    return time + p.waits[p.gate_start[gate] + time % p.gate_length[gate]]


@njit(cache=True)
def _fed(p, s, inputs, row, time):  # type: ignore[no-untyped-def] # pragma: no cover
    """Return the first cycle from `time` on in which all beats to be consumed are visible."""
    for port in range(len(inputs)):
        if p.moves[row + port]:
            fifo = inputs[port]
            if s.read[fifo] == s.written[fifo]:
                return unknown
            time = max(time, s.write_times[s.read_slot[fifo]] + 1)
    return time


@njit(cache=True)
def _placed(p, s, outputs, row, time):  # type: ignore[no-untyped-def] # pragma: no cover
    """Return the first cycle from `time` on in which all beats to be emitted have a place."""
    for port in range(len(outputs)):
        if p.moves[row + port]:
            fifo = outputs[port]
            if s.written[fifo] - s.read[fifo] == p.depth[fifo]:
                return unknown
            time = max(time, s.read_times[s.write_slot[fifo]] + 1)
    return time


@njit(cache=True)
def _read(p, s, fifo, time, record_size, reads):  # type: ignore[no-untyped-def] # pragma: no cover
    slot = s.read_slot[fifo]
    s.residence[fifo] += time - s.write_times[slot]
    s.read_times[slot] = time
    s.read_slot[fifo] = slot + 1 if slot + 1 < p.ring_start[fifo + 1] else p.ring_start[fifo]
    place = record_size[fifo] + s.read[fifo]
    if place < record_size[fifo + 1]:
        reads[place] = time
    s.read[fifo] += 1


@njit(cache=True)
def _write(p, s, fifo, time, record_size, writes):  # type: ignore[no-untyped-def] # pragma: no cover
    slot = s.write_slot[fifo]
    time += p.latency[fifo]
    s.write_times[slot] = time
    s.write_slot[fifo] = slot + 1 if slot + 1 < p.ring_start[fifo + 1] else p.ring_start[fifo]
    place = record_size[fifo] + s.written[fifo]
    if place < record_size[fifo + 1]:
        writes[place] = time
    s.written[fifo] += 1


@njit(cache=True)
def _merge(p, s, fifo, which, lead):  # type: ignore[no-untyped-def] # pragma: no cover
    """Follow how full a FIFO is, as far as its writes and reads are known in the order of time.

    The level is highest at the start of a cycle with a read: all writes of earlier cycles less all earlier reads.
    Called before an actor moves, so the rings still hold all that is not merged: at most `depth` of each.

    Parameters
    ----------
    which : 0 for the beats stored, 1 for the places taken
    lead : cycles from taking a place to the write
    """
    level = s.levels[fifo, which]
    while level[merged_reads] < s.read[fifo] and level[merged_writes] < s.written[fifo]:
        if s.write_times[level[write_slot]] - lead < s.read_times[level[read_slot]]:
            level[merged_writes] += 1
            slot = level[write_slot] + 1
            level[write_slot] = slot if slot < p.ring_start[fifo + 1] else p.ring_start[fifo]
        else:
            level[highest] = max(level[highest], level[merged_writes] - level[merged_reads])
            level[merged_reads] += 1
            slot = level[read_slot] + 1
            level[read_slot] = slot if slot < p.ring_start[fifo + 1] else p.ring_start[fifo]
