"""The compiled stepping loop: when every event of a program happens.

The timing contract, solved for time. An actor issues a step in the first cycle in which its last step is past, every
beat it consumes is visible, and every beat it emits has a place. Once true these stay true until the step is issued,
so the cycle of an event is the latest of

* ``last + gap``: the event before and the quiet steps between, one per cycle;
* ``write + 1`` for each beat consumed;
* ``read + 1`` for the beat `depth` places before each beat emitted, whose place it takes;
* ``write + 1`` for the last beat that the step needs in its buffer;

and the beats emitted are written `latency` cycles later. No state needs to be looked at cycle by cycle; waiting costs
nothing. Actors run in turn, each as far as the times it needs are known. Where no actor can go on, no cycle of real
time would let one: a deadlock.

Nodes, sources and sinks are all *actors*: things with a token schedule. Only the steps in which beats move are kept,
as *events*; the quiet steps before an event are counted in its *gap*.

A `Buffered` node is two actors, with a FIFO between them that `fill` writes with no latency. `drain` reads it in its
own way: an event *needs* some beats there, counted from the oldest, and *frees* some, 0 or several, which need not
have come yet. The steps in which it needs or frees beats are events, and so are those after a free, which wait until
all beats freed have come.

The arrays are rows whose columns are named here, in the same file as the functions that are compiled with these
numbers: the compiled code is cached for as long as its own file does not change. No function here allocates, so
reference counts are switched off (`_nrt`), which would take most of the time.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

__all__ = ["Program", "State", "advance", "follow"]

# Columns of `Program.actors`: the actor's slices of `gaps` and `ports` (inputs, then outputs), its first flag in
# `moves`, the numbers of its gates or -1, what a frame is made of, and the buffer that it reads or -1, with the first
# row in `needs`.
FIRST_EVENT, END_EVENT, FIRST_MOVE, FIRST_INPUT, FIRST_OUTPUT, END_OUTPUT = range(6)
GATE_BEFORE, GATE_AFTER, FRAME_EVENTS, FRAME_STEPS, HEAD, TAIL, BUFFER, FIRST_NEED = range(6, 14)

# Columns of `Program.fifos`: places, cycles from the writer's event to the write, beats in a frame, the FIFO's slice
# of `State.times`, and the actors that write and read.
DEPTH, LATENCY, FRAME_BEATS, FIRST_SLOT, END_SLOT, WRITER, READER = range(7)

# Columns of `Program.gates`: the gate's slice of `waits`, as a start and a length.
FIRST_WAIT, GATE_CYCLES = range(2)

# Columns of `Program.needs`: beats needed in the buffer, and freed there.
NEEDED, FREED = range(2)

# Columns of `State.doing`: the event that comes next, how many there were, the cycle of the last one, and the cycles in
# which only a place was missing.
EVENT, DONE, LAST, BLOCKED = range(4)

# Columns of `State.filled`: beats written and read, the slots of the next ones, and the slot of the read that makes
# the place for the next write.
WRITTEN, READ, WRITE_SLOT, READ_SLOT, PLACE_SLOT = range(5)

# Columns of `State.levels`, per FIFO twice (beats stored, places taken): beats followed, their slots, and the highest
# level.
LEVEL_WRITTEN, LEVEL_READ, LEVEL_WRITE_SLOT, LEVEL_READ_SLOT, HIGHEST = range(5)

# Columns of `State.times`.
WRITES, READS = range(2)


class Program(NamedTuple):
    """The actors of a network in topological order (sources, nodes, sinks) and its FIFOs in the network's order.

    Behind the network's FIFOs stand the buffers of its `Buffered` nodes.

    The rows' columns are named above.

    Parameters
    ----------
    actors : (actors, 14) int64
    gaps : (events,) int64, steps from the event before to this one
    moves : uint8, one flag per event and port of an actor: does a beat move there?
    ports : int64, the FIFO at each port
    fifos : (fifos, 7) int64
    gates : (gates, 2) int64
    waits : int64, for each cycle of each gate the cycles until it is open
    needs : (events of drains, 2) int64
    nodes : (nodes,) int64, the actor that stands for each node; of a `Buffered` one the drain, just behind its fill
    """

    actors: np.ndarray
    gaps: np.ndarray
    moves: np.ndarray
    ports: np.ndarray
    fifos: np.ndarray
    gates: np.ndarray
    waits: np.ndarray
    needs: np.ndarray
    nodes: np.ndarray


class State(NamedTuple):
    """What changes while a program runs, int64 but for `awake`.

    Parameters
    ----------
    doing : (actors, 4)
    filled : (fifos, 5)
    times : (slots, 2), for each FIFO a ring with the cycles of its latest writes and reads: those of the frames kept,
        and of `depth` beats before them
    levels : (fifos, 2, 5), without the buffers
    residence : (fifos,) cycles that beats were stored, without the buffers
    awake : (actors,) bool, whether anything has changed since the actor could not go on
    """

    doing: np.ndarray
    filled: np.ndarray
    times: np.ndarray
    levels: np.ndarray
    residence: np.ndarray
    awake: np.ndarray


@njit(cache=True, _nrt=False)
def advance(program: Program, state: State, frames: int) -> bool:  # pragma: no cover
    """Run every actor to the end of its frame number `frames`, from 1; return False if they cannot get there."""
    actors, gaps, moves, ports, fifos, gates, waits, needs, _ = program
    doing, filled, times, _, _, awake = state
    awake[:] = True
    waiting = len(actors)
    moved = True
    while waiting and moved:
        moved = False
        for actor in range(len(actors)):
            if awake[actor]:
                goal = frames * actors[actor, FRAME_EVENTS]
                done = doing[actor, DONE]
                _run(actor, goal, actors, gaps, moves, ports, fifos, gates, waits, needs, doing, filled, times, awake)
                if doing[actor, DONE] != done:
                    moved = True
                    waiting -= doing[actor, DONE] == goal
    return waiting == 0


@njit(inline="always")
def _run(actor, goal, actors, gaps, moves, ports, fifos, gates, waits, needs, doing, filled, times, awake):  # type: ignore[no-untyped-def] # pragma: no cover
    """Let one actor go on until it is at its goal or a time it needs is unknown.

    Most actors have one input, or a buffer that they drain, and one output. So what is known of these two stands in
    variables; further ports are looked at in the arrays.
    """
    first_event, end_event = actors[actor, FIRST_EVENT], actors[actor, END_EVENT]
    first_input, first_output = actors[actor, FIRST_INPUT], actors[actor, FIRST_OUTPUT]
    end_output = actors[actor, END_OUTPUT]
    gate_before, gate_after = actors[actor, GATE_BEFORE], actors[actor, GATE_AFTER]
    buffer, need = actors[actor, BUFFER], actors[actor, FIRST_NEED] - first_event
    event, done = doing[actor, EVENT], doing[actor, DONE]
    last, blocked = doing[actor, LAST], doing[actor, BLOCKED]
    port_count = end_output - first_input
    row = actors[actor, FIRST_MOVE] + (event - first_event) * port_count - first_input
    reads, drains, writes = first_input < first_output, buffer >= 0, first_output < end_output
    # Where there is no input or no output, the other one stands here, and is never used.
    right = ports[first_output if writes else first_input]
    left = buffer if drains else ports[first_input] if reads else right
    left_first, left_end = fifos[left, FIRST_SLOT], fifos[left, END_SLOT]
    right_first, right_end = fifos[right, FIRST_SLOT], fifos[right, END_SLOT]
    latency = fifos[right, LATENCY]
    stored, read_slot = filled[left, WRITTEN] - filled[left, READ], filled[left, READ_SLOT]
    room = fifos[right, DEPTH] - (filled[right, WRITTEN] - filled[right, READ])
    write_slot, place_slot = filled[right, WRITE_SLOT], filled[right, PLACE_SLOT]
    taken, given = stored, room
    while done < goal:
        emits = writes and moves[np.uintp(row + first_output)]
        needed = freed = 0
        if drains:
            needed, freed = needs[np.uintp(need + event), NEEDED], needs[np.uintp(need + event), FREED]
        elif reads and moves[np.uintp(row + first_input)]:
            needed = freed = 1
        if stored < needed or (emits and room == 0):
            break
        fed = last + gaps[np.uintp(event)]
        if gate_before >= 0:
            fed = _opened(gate_before, fed, gates, waits)
        if needed or drains:
            slot = read_slot + needed - 1
            if slot < left_first:
                slot = left_end - 1
            elif slot >= left_end:
                slot += left_first - left_end
            fed = max(fed, times[np.uintp(slot), WRITES] + 1)
        known = True
        for port in range(first_input + 1, first_output):
            if moves[row + port]:
                fifo = ports[port]
                known &= filled[fifo, READ] < filled[fifo, WRITTEN]
                fed = max(fed, times[filled[fifo, READ_SLOT], WRITES] + 1)
        time = fed
        if emits:
            time = max(time, times[np.uintp(place_slot), READS] + 1)
        for port in range(first_output + 1, end_output):
            if moves[row + port]:
                fifo = ports[port]
                known &= filled[fifo, WRITTEN] - filled[fifo, READ] < fifos[fifo, DEPTH]
                time = max(time, times[filled[fifo, PLACE_SLOT], READS] + 1)
        if not known:
            break
        blocked += time - fed
        last = time
        if gate_after >= 0:
            last = _opened(gate_after, time, gates, waits)
        stored -= freed
        while freed:
            times[np.uintp(read_slot), READS] = last
            read_slot += 1
            if read_slot == left_end:
                read_slot = left_first
            freed -= 1
        if emits:
            times[np.uintp(write_slot), WRITES] = last + latency
            room -= 1
            write_slot += 1
            if write_slot == right_end:
                write_slot = right_first
            place_slot += 1
            if place_slot == right_end:
                place_slot = right_first
        for port in range(first_input + 1, first_output):
            if moves[row + port]:
                fifo = ports[port]
                times[filled[fifo, READ_SLOT], READS] = last
                filled[fifo, READ_SLOT] = _after(filled[fifo, READ_SLOT], fifo, fifos)
                filled[fifo, READ] += 1
                awake[fifos[fifo, WRITER]] = True
        for port in range(first_output + 1, end_output):
            if moves[row + port]:
                fifo = ports[port]
                times[filled[fifo, WRITE_SLOT], WRITES] = last + fifos[fifo, LATENCY]
                filled[fifo, WRITE_SLOT] = _after(filled[fifo, WRITE_SLOT], fifo, fifos)
                filled[fifo, PLACE_SLOT] = _after(filled[fifo, PLACE_SLOT], fifo, fifos)
                filled[fifo, WRITTEN] += 1
                awake[fifos[fifo, READER]] = True
        done += 1
        event += 1
        row += port_count
        if event == end_event:
            event = first_event
            row = actors[actor, FIRST_MOVE] - first_input
    taken -= stored
    given -= room
    if taken:
        filled[left, READ] += taken
        filled[left, READ_SLOT] = read_slot
        awake[fifos[left, WRITER]] = True
    if given:
        filled[right, WRITTEN] += given
        filled[right, WRITE_SLOT], filled[right, PLACE_SLOT] = write_slot, place_slot
        awake[fifos[right, READER]] = True
    doing[actor, EVENT], doing[actor, DONE] = event, done
    doing[actor, LAST], doing[actor, BLOCKED] = last, blocked
    awake[actor] = False


@njit(inline="always")
def _opened(gate, time, gates, waits):  # type: ignore[no-untyped-def] # pragma: no cover
    """Return the first cycle from `time` on in which a gate is open."""
    return time + waits[gates[gate, FIRST_WAIT] + time % gates[gate, GATE_CYCLES]]


@njit(inline="always")
def _after(slot, fifo, fifos):  # type: ignore[no-untyped-def] # pragma: no cover
    """Return the slot that follows in the ring."""
    return slot + 1 if slot + 1 < fifos[fifo, END_SLOT] else fifos[fifo, FIRST_SLOT]


@njit(cache=True, _nrt=False)
def follow(program: Program, state: State) -> None:  # pragma: no cover
    """Follow how full the FIFOs are, as far as writes and reads are known in the order of time.

    The level is highest at the start of a cycle with a read: all writes of earlier cycles less all earlier reads; for
    the places taken, the issues that led to the writes. Called after each frame; of the reads, at most `depth` wait
    for the writes of the next one.
    """
    _, _, _, _, fifos, _, _, _, _ = program
    _, filled, times, levels, residence, _ = state
    for fifo in range(len(residence)):
        slot = levels[fifo, 0, LEVEL_WRITE_SLOT]
        for _ in range(filled[fifo, WRITTEN] - levels[fifo, 0, LEVEL_WRITTEN]):
            residence[fifo] += times[slot, READS] - times[slot, WRITES]
            slot = _after(slot, fifo, fifos)
        for which in range(2):
            lead = which * fifos[fifo, LATENCY]
            written, read = levels[fifo, which, LEVEL_WRITTEN], levels[fifo, which, LEVEL_READ]
            write_slot, read_slot = levels[fifo, which, LEVEL_WRITE_SLOT], levels[fifo, which, LEVEL_READ_SLOT]
            highest = levels[fifo, which, HIGHEST]
            while written < filled[fifo, WRITTEN]:
                if times[write_slot, WRITES] - lead < times[read_slot, READS]:
                    written += 1
                    write_slot = _after(write_slot, fifo, fifos)
                else:
                    highest = max(highest, written - read)
                    read += 1
                    read_slot = _after(read_slot, fifo, fifos)
            levels[fifo, which, LEVEL_WRITTEN], levels[fifo, which, LEVEL_READ] = written, read
            levels[fifo, which, LEVEL_WRITE_SLOT], levels[fifo, which, LEVEL_READ_SLOT] = write_slot, read_slot
            levels[fifo, which, HIGHEST] = highest
