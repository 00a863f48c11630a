"""Stepping: issuing a node's steps, and the time of their output beats.

A step is issued in a cycle if and only if every beat that it consumes is present and every beat that it emits has a
free place downstream. The beats are taken and the places reserved in that cycle, and the output beat is written
`latency` cycles later.
"""

from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any

import numpy as np
from amaranth import Cat, Const, Module, Mux, Signal, Value

import dataflow

if TYPE_CHECKING:
    from rtl.components._component import NodeComponent

__all__ = ["advanced", "delayed", "emit_steps", "ends_vector", "foreseen", "issue_steps", "lookup"]


def issue_steps(m: Module, component: "NodeComponent[Any]", issue: Signal, *, consumes: Value, emits: Value) -> Signal:
    """Drive the control side of all ports of a node.

    Parameters
    ----------
    issue : Signal
        Driven here: the next step is issued in this cycle.
    consumes, emits : value of one bit
        Whether the next step consumes a beat from every input, and emits one to every output.

    Returns
    -------
    emitting : Signal, `latency` bits
        Bit k is 1 if a step that emits was issued k + 1 cycles ago.
    """
    arrived = reduce(and_, [port.valid for port in component.inputs])
    emitting = emit_steps(m, component, issue, ready=arrived | ~consumes, emits=emits)
    m.d.comb += [port.ready.eq(issue & consumes) for port in component.inputs]
    return emitting


def emit_steps(m: Module, component: "NodeComponent[Any]", issue: Signal, *, ready: Value, emits: Value) -> Signal:
    """Drive the control side of the outputs of a node.

    Parameters
    ----------
    issue : Signal
        Driven here: the next step is issued in this cycle.
    ready, emits : value of one bit
        Whether everything that the next step consumes is present, and whether it emits a beat to every output.

    Returns
    -------
    emitting : Signal, `latency` bits
        Bit k is 1 if a step that emits was issued k + 1 cycles ago.
    """
    # A place is reserved at the issue, so the beat never has to wait at the end of the pipeline, and nothing stalls it.
    reserve = Signal(name="reserve")
    free = reduce(and_, [port.free for port in component.outputs])
    m.d.comb += issue.eq(ready & (free | ~emits))
    m.d.comb += reserve.eq(issue & emits)
    emitting = delayed(m, reserve, component.node.schedule().latency, name="emitting")
    for port in component.outputs:
        m.d.comb += [port.reserve.eq(reserve), port.valid.eq(emitting[-1])]
    return emitting


def delayed(m: Module, flag: Value, cycles: int, *, name: str) -> Signal:
    """Return a shift register in which bit k is the flag of k + 1 cycles ago."""
    line = Signal(cycles, name=name)
    m.d.sync += line.eq(Cat(flag, line))
    return line


def advanced(counter: Signal, period: int) -> Value:
    """Return the next value of a counter modulo `period`."""
    if period & (period - 1) == 0:
        return (counter + 1)[: len(counter)]
    return Mux(counter == period - 1, 0, counter + 1)


def lookup(counter: Signal, pattern: np.ndarray) -> Value:
    """Return the bit of a pattern at the index in a counter.

    Parameters
    ----------
    pattern : (period,) bool
    """
    met, missed = np.flatnonzero(pattern).tolist(), np.flatnonzero(~pattern).tolist()
    if not missed:
        return Const(1)
    # The rarer value takes fewer comparisons.
    return counter.matches(*met) if len(met) <= len(missed) else ~counter.matches(*missed)


def ends_vector(m: Module, passes: Value, stream: dataflow.Stream) -> Value:
    """Return whether the next beat of a stream is the last of its vector and has inert lanes, from a register.

    Parameters
    ----------
    passes : value of one bit
        The next beat passes.
    """
    beats = stream.vector_beats
    if not stream.inert:
        return Const(0)
    beat = Signal(range(beats), name="vector_beat")
    with m.If(passes):
        m.d.sync += beat.eq(advanced(beat, beats))
    return foreseen(m, passes, beat, np.arange(beats) == beats - 1, name="ends_vector")


def foreseen(m: Module, issue: Signal, counter: Signal, pattern: np.ndarray, *, name: str) -> Value:
    """Return the bit of a pattern at the index in a counter, from a separate register.

    It is looked up one step ahead, so that no comparison delays the decision to issue.

    Parameters
    ----------
    issue : Signal
        The counter advances, modulo the period.
    pattern : (period,) bool
    """
    if pattern.all():
        return Const(1)
    bit = Signal(name=name, init=int(pattern[0]))
    with m.If(issue):
        m.d.sync += bit.eq(lookup(counter, np.roll(pattern, -1)))
    return bit
