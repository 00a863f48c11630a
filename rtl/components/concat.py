"""Concat: the concatenated channels of several streams."""

from functools import reduce
from operator import or_
from typing import ClassVar

from amaranth import Const, Module, Signal

import dataflow
from rtl.components._component import NodeComponent
from rtl.steps import advanced, emit_steps, foreseen

__all__ = ["Concat"]


class Concat(NodeComponent[dataflow.Concat]):
    """The beats of a position from each input in turn: ``o = i_0[0], i_0[1], ..., i_1[0], ...``.

    Throughput one beat per cycle, latency 1 cycle. A step reads one input, and waits only for that input.

    Parameters
    ----------
    node : dataflow.Concat

    Members
    -------
    i_0, i_1 ... : ``In(stream.Signature(payload))``
        Beats of `pe` numbers.
    o : ``Out(Reserved(payload))``
        Beats of `pe` numbers.
    """

    kind: ClassVar = dataflow.Concat

    def elaborate(self, platform: object) -> Module:
        m = Module()
        schedule = self.node.schedule()
        issue, step = Signal(), Signal(range(schedule.period))
        with m.If(issue):
            m.d.sync += step.eq(advanced(step, schedule.period))
        turns = [foreseen(m, issue, step, schedule.consumes[k], name=f"turn_{k}") for k in range(len(self.inputs))]
        ready = reduce(or_, [port.valid & turn for port, turn in zip(self.inputs, turns, strict=True)])
        emit_steps(m, self, issue, ready=ready, emits=Const(1))
        numbers = Signal(self.o.payload.shape(), reset_less=True)
        m.d.comb += self.o.payload.eq(numbers)
        for port, turn in zip(self.inputs, turns, strict=True):
            m.d.comb += port.ready.eq(issue & turn)
            with m.If(turn):
                m.d.sync += [numbers[k].eq(port.payload[k]) for k in range(self.node.pe)]
        return m
