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

# Columns of `Program.actors`: the actor's slices of `gaps` and `moves`, and of `ports` (inputs, then outputs), the
# numbers of its gates or -1, what a frame is made of, and the buffer that it reads or -1, with the first row in
# `needs`.
FIRST_EVENT, END_EVENT, FIRST_INPUT, FIRST_OUTPUT, END_OUTPUT = range(5)
GATE_BEFORE, GATE_AFTER, FRAME_EVENTS, FRAME_STEPS, HEAD, TAIL, BUFFER, FIRST_NEED = range(5, 13)

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

# Columns of `State.levels`, per FIFO twice (beats stored, places taken): the read that waits to be followed, its slot,
# and the highest level.
LEVEL_READ, LEVEL_SLOT, HIGHEST = range(3)

# Columns of `State.times`.
WRITES, READS = range(2)


class Program(NamedTuple):
    """The actors of a network in topological order (sources, nodes, sinks) and its FIFOs in the network's order.

    Behind the network's FIFOs stand the buffers of its `Buffered` nodes.

    The rows' columns are named above.

    Parameters
    ----------
    actors : (actors, 13) int64
    gaps : (events,) int64, steps from the event before to this one
    moves : (events,) int64, bit n of an event: does a beat move at port n of its actor?
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
        of `depth` beats before them, and one to spare
    levels : (fifos, 2, 3), without the buffers
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
    variables, and whether a beat moves there is a factor, 0 or 1, not a branch that is hard to predict: a time that
    does not count is 0, and what is written where no beat moves is overwritten before it is read. Further ports are
    looked at in the arrays.
    """
    first_event, end_event = actors[actor, FIRST_EVENT], actors[actor, END_EVENT]
    first_input, first_output = actors[actor, FIRST_INPUT], actors[actor, FIRST_OUTPUT]
    end_output = actors[actor, END_OUTPUT]
    gate_before, gate_after = actors[actor, GATE_BEFORE], actors[actor, GATE_AFTER]
    buffer, need = actors[actor, BUFFER], actors[actor, FIRST_NEED] - first_event
    event, done = doing[actor, EVENT], doing[actor, DONE]
    last, blocked = doing[actor, LAST], doing[actor, BLOCKED]
    drains, reads, writes = buffer >= 0, first_input < first_output, first_output < end_output
    branches = first_output - first_input > 1 or end_output - first_output > 1
    input_factor, output_factor, output_bit = np.int64(reads), np.int64(writes), first_output - first_input
    # Where there is no input or no output, the other one stands here, and its counts stay.
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
        move = moves[np.uintp(event)]
        emitted = move >> output_bit & output_factor
        needed = freed = counts = move & input_factor
        if drains:
            needed, freed, counts = needs[np.uintp(need + event), NEEDED], needs[np.uintp(need + event), FREED], 1
        if stored < needed or room < emitted:
            break
        # The last beat needed, or the one before the first.
        slot = read_slot + needed - 1
        slot = left_end - 1 if slot < left_first else slot
        slot = slot + left_first - left_end if slot >= left_end else slot
        fed = last + gaps[np.uintp(event)]
        if gate_before >= 0:
            fed = _opened(gate_before, fed, gates, waits)
        fed = max(fed, counts * (times[np.uintp(slot), WRITES] + 1))
        time = max(fed, emitted * (times[np.uintp(place_slot), READS] + 1))
        if branches:
            fed, time, known = _at_branches(
                move, fed, time, first_input, first_output, end_output, ports, fifos, filled, times
            )
            if not known:
                break
        blocked += time - fed
        last = time
        if gate_after >= 0:
            last = _opened(gate_after, time, gates, waits)
        times[np.uintp(write_slot), WRITES] = last + latency
        room -= emitted
        write_slot += emitted
        write_slot = right_first if write_slot == right_end else write_slot
        place_slot += emitted
        place_slot = right_first if place_slot == right_end else place_slot
        stored -= freed
        while freed > 1:
            times[np.uintp(read_slot), READS] = last
            read_slot += 1
            read_slot = left_first if read_slot == left_end else read_slot
            freed -= 1
        times[np.uintp(read_slot), READS] = last
        read_slot += freed
        read_slot = left_first if read_slot == left_end else read_slot
        if branches:
            _move_at_branches(move, last, first_input, first_output, end_output, ports, fifos, filled, times, awake)
        done += 1
        event += 1
        event = first_event if event == end_event else event
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
def _at_branches(move, fed, time, first_input, first_output, end_output, ports, fifos, filled, times):  # type: ignore[no-untyped-def] # pragma: no cover
    """Return when a step is fed and issued with regard to its further ports too, and whether that is known."""
    known = True
    for port in range(first_input + 1, first_output):
        if move >> (port - first_input) & 1:
            fifo = ports[port]
            known &= filled[fifo, READ] < filled[fifo, WRITTEN]
            fed = max(fed, times[filled[fifo, READ_SLOT], WRITES] + 1)
    time = max(time, fed)
    for port in range(first_output + 1, end_output):
        if move >> (port - first_input) & 1:
            fifo = ports[port]
            known &= filled[fifo, WRITTEN] - filled[fifo, READ] < fifos[fifo, DEPTH]
            time = max(time, times[filled[fifo, PLACE_SLOT], READS] + 1)
    return fed, time, known


@njit(inline="always")
def _move_at_branches(move, last, first_input, first_output, end_output, ports, fifos, filled, times, awake):  # type: ignore[no-untyped-def] # pragma: no cover
    """Move the beats of a step at its further ports."""
    for port in range(first_input + 1, first_output):
        if move >> (port - first_input) & 1:
            fifo = ports[port]
            times[filled[fifo, READ_SLOT], READS] = last
            filled[fifo, READ_SLOT] = _after(filled[fifo, READ_SLOT], fifo, fifos)
            filled[fifo, READ] += 1
            awake[fifos[fifo, WRITER]] = True
    for port in range(first_output + 1, end_output):
        if move >> (port - first_input) & 1:
            fifo = ports[port]
            times[filled[fifo, WRITE_SLOT], WRITES] = last + fifos[fifo, LATENCY]
            filled[fifo, WRITE_SLOT] = _after(filled[fifo, WRITE_SLOT], fifo, fifos)
            filled[fifo, PLACE_SLOT] = _after(filled[fifo, PLACE_SLOT], fifo, fifos)
            filled[fifo, WRITTEN] += 1
            awake[fifos[fifo, READER]] = True


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
    """Follow how full the FIFOs are, once a frame has been stepped to its end.

    The level is highest at the start of a cycle with a read. When beat r is read, more than `highest` beats are stored
    if and only if beat r + `highest` was written in an earlier cycle; for the places taken, if it was issued. Reads for
    which that beat is one of the next frame wait for it; without a next frame it never comes.
    """
    _, _, _, _, fifos, _, _, _, _ = program
    _, filled, times, levels, residence, _ = state
    for fifo in range(len(residence)):
        slot = filled[fifo, WRITE_SLOT] - fifos[fifo, FRAME_BEATS]
        if slot < fifos[fifo, FIRST_SLOT]:
            slot += fifos[fifo, END_SLOT] - fifos[fifo, FIRST_SLOT]
        stored = 0
        for _ in range(fifos[fifo, FRAME_BEATS]):
            stored += times[slot, READS] - times[slot, WRITES]
            slot = _after(slot, fifo, fifos)
        residence[fifo] += stored
        for which in range(2):
            lead = which * fifos[fifo, LATENCY]
            read, read_slot = levels[fifo, which, LEVEL_READ], levels[fifo, which, LEVEL_SLOT]
            highest = levels[fifo, which, HIGHEST]
            ahead = read_slot + highest
            if ahead >= fifos[fifo, END_SLOT]:
                ahead += fifos[fifo, FIRST_SLOT] - fifos[fifo, END_SLOT]
            while read + highest < filled[fifo, WRITTEN]:
                if times[np.uintp(ahead), WRITES] - lead < times[np.uintp(read_slot), READS]:
                    highest += 1
                else:
                    read += 1
                    read_slot = _after(read_slot, fifo, fifos)
                ahead = _after(ahead, fifo, fifos)
            levels[fifo, which, LEVEL_READ], levels[fifo, which, LEVEL_SLOT] = read, read_slot
            levels[fifo, which, HIGHEST] = highest
