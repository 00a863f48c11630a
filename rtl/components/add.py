"""Add: the sums of several streams, number by number."""

from typing import ClassVar

from amaranth import Cat, Const, Module, Signal, Value

import dataflow
from rtl.components._component import NodeComponent
from rtl.components._saturated import saturated
from rtl.components._sum import Sum
from rtl.steps import ends_vector, issue_steps

__all__ = ["Add"]


class Add(NodeComponent[dataflow.Add]):
    """Sums of numbers: ``o[c] = min(max(f_0*i_0[c] + f_1*i_1[c] + ..., least), greatest)``, the factors constant.

    A bit counts as -1 or +1; inert lanes give 0.

    Throughput one beat per cycle. Latency 1 cycle for up to six inputs, like a `Sum`, and one more if sums saturate.

    Parameters
    ----------
    node : dataflow.Add

    Members
    -------
    i_0, i_1 ... : ``In(stream.Signature(payload))``
        Beats of `pe` numbers.
    o : ``Out(Reserved(payload))``
        Beats of `pe` sums.
    """

    kind: ClassVar = dataflow.Add

    def elaborate(self, platform: object) -> Module:
        m = Module()
        issue, (stream,) = Signal(), self.node.output_streams
        issue_steps(m, self, issue, consumes=Const(1), emits=Const(1))
        last = ends_vector(m, issue, stream)
        for k in range(self.node.pe):
            there = ~last if k >= self.node.pe - stream.inert else Const(1)
            m.submodules[f"sum_{k}"] = lane = Sum(self.node.term, len(self.inputs))
            m.d.comb += [lane.i[n].eq(self._term(n, k, there)) for n in range(len(self.inputs))]
            m.d.comb += self.o.payload[k].eq(self.saturated(m, lane.o, k) if self.node.saturates else lane.o)
        return m

    def _term(self, n: int, k: int, there: Value) -> Value:
        """Return the term of an input in a lane."""
        factor, number = self.node.all_factors[n], self.lane_number(n, k, there)
        return number if factor == 1 else number * factor

    def lane_number(self, n: int, k: int, there: Value) -> Value:
        """Return the number of an input in a lane: 0 in an inert lane, as integers carry it there."""
        value = self.inputs[n].payload[k]
        if isinstance(self.node.operands[n], dataflow.Bipolar):
            # In two's complement 1 is 01 and -1 is 11.
            return Cat(there, there & ~value).as_signed()
        return value

    def saturated(self, m: Module, exact: Value, k: int) -> Signal:
        """Return the register of a sum that saturates to the type of the result."""
        return saturated(m, exact, self.node.element, str(k))
