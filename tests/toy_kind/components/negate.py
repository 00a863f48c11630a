"""Negate: numbers to their opposites."""

from typing import ClassVar

from amaranth import Const, Module, Signal

from dataflow.kinds import kind_named
from rtl.components._component import NodeComponent
from rtl.steps import issue_steps

__all__ = ["Negate"]


class Negate(NodeComponent):
    """Negated numbers: ``o[t + 1] = -i[t]``.

    Throughput one beat per cycle, latency 1 cycle.
    """

    kind: ClassVar = kind_named("Negate")

    def elaborate(self, platform) -> Module:
        m = Module()
        issue_steps(m, self, Signal(name="issue"), consumes=Const(1), emits=Const(1))
        numbers = Signal(self.o.payload.shape(), reset_less=True)
        m.d.sync += [numbers[k].eq(-self.i.payload[k]) for k in range(self.node.pe)]
        m.d.comb += self.o.payload.eq(numbers)
        return m
