"""Sum: the sum of integers."""

from amaranth import Module, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

import dataflow
from dataflow.nodes import popcount_group, popcount_stages
from rtl.streams import Lanes

__all__ = ["Sum"]


class Sum(wiring.Component):
    """Sum of a vector: ``o[t + latency] = sum(i[t])``.

    Throughput one vector per cycle; latency ``popcount_stages(lanes)`` cycles, like a `Popcount`: a register after sums
    of six numbers, and one after each sum of three of those.

    Parameters
    ----------
    element : dataflow.Integer
        Type of the numbers.
    lanes : int
        Number of numbers.

    Members
    -------
    i : ``In(Lanes(element, lanes))``
        The numbers.
    o : ``Out(signed)``
        Their sum, in the fewest bits that hold every sum.
    """

    def __init__(self, element: dataflow.Integer, lanes: int) -> None:
        assert lanes >= 1
        self.element, self.lanes = element, lanes
        shape = signed(element.width) if element.signed else unsigned(element.width)
        super().__init__({"i": In(Lanes(shape, lanes)), "o": Out(self._shape(lanes))})

    @property
    def latency(self) -> int:
        return popcount_stages(self.lanes)

    def _shape(self, count: int) -> Value:
        """Return the shape of a sum of `count` numbers."""
        return signed(dataflow.signed_for(count * self.element.minimum, count * self.element.maximum).width)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        sums = [(self.i[k], 1) for k in range(self.lanes)]
        for stage in range(self.latency):
            size = 3 if stage else popcount_group
            starts = range(0, len(sums), size)
            sums = [self._sum(m, sums[k : k + size], f"sum_{stage}_{k // size}") for k in starts]
        ((total, _),) = sums
        m.d.comb += self.o.eq(total)
        return m

    def _sum(self, m: Module, parts: list[Value], name: str) -> tuple[Signal, int]:
        """Return the registered sum of partial sums, each given with the count of its numbers."""
        count = sum(each for _, each in parts)
        total = Signal(self._shape(count), name=name, reset_less=True)
        pairs = [sum((value for value, _ in parts[k + 1 : k + 2]), parts[k][0]) for k in range(0, len(parts), 2)]
        first, *others = pairs
        m.d.sync += total.eq(sum(others, first))
        return total, count
