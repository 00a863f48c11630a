"""A network as flat arrays, and the compiled pass that finds in which order the times of a frame follow from each other.

Nodes, sources and sinks are all *actors*: things with a token schedule. Only the steps in which beats move are kept,
as *events*; the quiet steps before an event are counted in its *gap*.

A `Buffered` node is two actors, with a FIFO between them that `fill` writes with no latency. `drain` reads it in its
own way: an event *needs* some beats there, counted from the oldest, and *frees* some, 0 or several, which need not
have come yet. The steps in which it needs or frees beats are events, and so are those after a free, which wait until
all beats freed have come.

Which beats an event waits for, and the read that makes a place for the beat that it emits, are known from their numbers
alone: time plays no part in it, and between two frames every FIFO is empty. So `arrange` runs a frame once without
times, only counting beats, and takes down each event when all that it waits for was taken down before. In this order
the times of every frame are then computed, by `hwsim.cycle.times`. Where no actor can go on, no cycle of real time
would let one: a deadlock, in every frame or in none.

The arrays are rows whose columns are named here, in the same file as the function that is compiled with these
numbers: the compiled code is cached for as long as its own file does not change. No function here allocates, so
reference counts are switched off (`_nrt`), which would take most of the time.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from hwsim.cycle.times import Plan

__all__ = ["Counts", "Program", "arrange"]

# Columns of `Program.actors`: the actor's slices of `gaps` and `moves`, and of `ports` (inputs, then outputs), the
# numbers of its gates or -1, what a frame is made of, the buffer that it reads or -1, with the first row in `needs`,
# its parts in a frame, and the slot of its last event of the frame before, behind which those of its parts stand.
FIRST_EVENT, END_EVENT, FIRST_INPUT, FIRST_OUTPUT, END_OUTPUT = range(5)
GATE_BEFORE, GATE_AFTER, FRAME_EVENTS, FRAME_STEPS, HEAD, TAIL, BUFFER, FIRST_NEED = range(5, 13)
FRAME_PARTS, BEFORE_SLOT = range(13, 15)

# Columns of `Program.fifos`: places, cycles from the writer's event to the write, beats in a frame, the actors that
# write and read, and the FIFO's slices of `Plan.writes` and `Plan.reads`.
DEPTH, LATENCY, FRAME_BEATS, WRITER, READER, FIRST_WRITE, FIRST_READ = range(7)

# Columns of `Program.gates`: the gate's slice of `waits`, as a start and a length.
FIRST_WAIT, GATE_CYCLES = range(2)

# Columns of `Program.needs`: beats needed in the buffer, and freed there.
NEEDED, FREED = range(2)

# Columns of `Counts.doing`: the event that comes next, how many there were, and the slot of the next part.
EVENT, DONE, SLOT = range(3)

# Columns of `Counts.filled`: beats written and read.
WRITTEN, READ = range(2)

#: Events that an actor goes on for at most. Where the parts of several actors alternate, a processor computes some at
#: once; where one actor goes on for long, each waits for the one before.
longest_burst = 8


class Program(NamedTuple):
    """The actors of a network in topological order (sources, nodes, sinks) and its FIFOs in the network's order.

    Behind the network's FIFOs stand the buffers of its `Buffered` nodes.

    The rows' columns are named above.

    Parameters
    ----------
    actors : (actors, 15) int64
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


class Counts(NamedTuple):
    """How far a frame was arranged.

    Parameters
    ----------
    doing : (actors, 3) int64
    filled : (fifos, 2) int64
    awake : (actors,) bool, whether anything has changed since the actor could not go on
    """

    doing: np.ndarray
    filled: np.ndarray
    awake: np.ndarray


@njit(cache=True, _nrt=False)
def arrange(program: Program, plan: Plan, counts: Counts) -> bool:  # pragma: no cover
    """Take down the parts of a frame in an order in which they can be computed; return False if there is none."""
    waiting, parts, moved = len(counts.awake), 0, True
    while waiting and moved:
        moved = False
        for actor in range(len(counts.awake)):
            if counts.awake[actor]:
                done = counts.doing[actor, DONE]
                parts = _arrange(actor, parts, program, plan, counts)
                if counts.doing[actor, DONE] != done:
                    moved = True
                    waiting -= counts.doing[actor, DONE] == program.actors[actor, FRAME_EVENTS]
    return waiting == 0


@njit(inline="always")
def _arrange(actor, parts, program, plan, counts):  # type: ignore[no-untyped-def] # pragma: no cover
    """Let one actor go on until something is missing or others should; return the number of parts taken down."""
    actors, doing = program.actors, counts.doing
    done, event, slot = doing[actor, DONE], doing[actor, EVENT], doing[actor, SLOT]
    goal = min(actors[actor, FRAME_EVENTS], done + longest_burst)
    while done < goal and _is_ready(actor, event, program, counts):
        gap, source, delay, place = program.gaps[event], 0, 0, 0
        buffer = actors[actor, BUFFER]
        if buffer >= 0:
            # The last beat needed, or the one before the first.
            needed = program.needs[actors[actor, FIRST_NEED] + event - actors[actor, FIRST_EVENT], NEEDED]
            source = plan.writes[program.fifos[buffer, FIRST_WRITE] + counts.filled[buffer, READ] + needed]
            delay = program.fifos[buffer, LATENCY] + 1
        for port in range(actors[actor, FIRST_INPUT], actors[actor, FIRST_OUTPUT]):
            if _moves(port, actor, event, program):
                if source:
                    parts = _take_down(plan, parts, slot, actor, gap, source, delay, place)
                    slot, gap = slot + 1, 0
                fifo = program.ports[port]
                source = plan.writes[program.fifos[fifo, FIRST_WRITE] + counts.filled[fifo, READ] + 1]
                delay = program.fifos[fifo, LATENCY] + 1
        for port in range(actors[actor, FIRST_OUTPUT], actors[actor, END_OUTPUT]):
            if _moves(port, actor, event, program):
                if place:
                    parts = _take_down(plan, parts, slot, actor, gap, source, delay, place)
                    slot, gap, source, delay = slot + 1, 0, 0, 0
                fifo = program.ports[port]
                place = plan.reads[program.fifos[fifo, FIRST_READ] + counts.filled[fifo, WRITTEN]]
        parts = _take_down(plan, parts, slot, actor, gap, source, delay, place)
        _move(actor, event, slot, program, plan, counts)
        slot += 1
        done += 1
        event += 1
        event = actors[actor, FIRST_EVENT] if event == actors[actor, END_EVENT] else event
    counts.awake[actor] = done == goal < actors[actor, FRAME_EVENTS]
    doing[actor, DONE], doing[actor, EVENT], doing[actor, SLOT] = done, event, slot
    return parts


@njit(inline="always")
def _moves(port, actor, event, program):  # type: ignore[no-untyped-def] # pragma: no cover
    """Return whether a beat moves at a port of an actor in an event."""
    return program.moves[event] >> (port - program.actors[actor, FIRST_INPUT]) & 1


@njit(inline="always")
def _is_ready(actor, event, program, counts):  # type: ignore[no-untyped-def] # pragma: no cover
    """Return whether all beats that an event waits for have been written, and all places freed."""
    actors, filled = program.actors, counts.filled
    buffer = actors[actor, BUFFER]
    ready = True
    if buffer >= 0:
        needed = program.needs[actors[actor, FIRST_NEED] + event - actors[actor, FIRST_EVENT], NEEDED]
        ready = filled[buffer, WRITTEN] - filled[buffer, READ] >= needed
    for port in range(actors[actor, FIRST_INPUT], actors[actor, FIRST_OUTPUT]):
        if _moves(port, actor, event, program):
            fifo = program.ports[port]
            ready &= filled[fifo, WRITTEN] > filled[fifo, READ]
    for port in range(actors[actor, FIRST_OUTPUT], actors[actor, END_OUTPUT]):
        if _moves(port, actor, event, program):
            fifo = program.ports[port]
            ready &= filled[fifo, WRITTEN] - filled[fifo, READ] < program.fifos[fifo, DEPTH]
    return ready


@njit(inline="always")
def _take_down(plan, part, slot, actor, gap, source, delay, place):  # type: ignore[no-untyped-def] # pragma: no cover
    """Append a part to the plan and return how many it has."""
    plan.slots[part], plan.owners[part], plan.gaps[part] = slot, actor, gap
    plan.sources[part], plan.delays[part], plan.places[part] = source, delay, place
    return part + 1


@njit(inline="always")
def _move(actor, event, slot, program, plan, counts):  # type: ignore[no-untyped-def] # pragma: no cover
    """Count the beats that move in an event, and take down that they do in the event's slot."""
    actors, fifos, filled = program.actors, program.fifos, counts.filled
    buffer = actors[actor, BUFFER]
    if buffer >= 0:
        freed = program.needs[actors[actor, FIRST_NEED] + event - actors[actor, FIRST_EVENT], FREED]
        first = fifos[buffer, FIRST_READ] + fifos[buffer, DEPTH] + filled[buffer, READ]
        plan.reads[first : first + freed] = slot
        filled[buffer, READ] += freed
        counts.awake[fifos[buffer, WRITER]] |= freed > 0
    for port in range(actors[actor, FIRST_INPUT], actors[actor, FIRST_OUTPUT]):
        if _moves(port, actor, event, program):
            fifo = program.ports[port]
            plan.reads[fifos[fifo, FIRST_READ] + fifos[fifo, DEPTH] + filled[fifo, READ]] = slot
            filled[fifo, READ] += 1
            counts.awake[fifos[fifo, WRITER]] = True
    for port in range(actors[actor, FIRST_OUTPUT], actors[actor, END_OUTPUT]):
        if _moves(port, actor, event, program):
            fifo = program.ports[port]
            plan.writes[fifos[fifo, FIRST_WRITE] + 1 + filled[fifo, WRITTEN]] = slot
            filled[fifo, WRITTEN] += 1
            counts.awake[fifos[fifo, READER]] = True
