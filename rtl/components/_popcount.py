"""Popcount: the number of ones in a vector of bits."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dataflow.nodes import popcount_group, popcount_stages

__all__ = ["Popcount"]


class Popcount(wiring.Component):
    """Ones of a vector: ``o[t + latency] = sum(i[t])``.

    Throughput one vector per cycle; latency ``popcount_stages(lanes)`` cycles: a register after groups of six bits, and
    one after each sum of three counts.

    Parameters
    ----------
    lanes : int
        Bits of the vector.

    Members
    -------
    i : ``In(lanes)``
        The bits.
    o : ``Out(range(lanes + 1))``
        How many of them are 1.
    """

    def __init__(self, lanes: int) -> None:
        assert lanes >= 1
        self.lanes = lanes
        super().__init__({"i": In(lanes), "o": Out(range(lanes + 1))})

    @property
    def latency(self) -> int:
        return popcount_stages(self.lanes)

    def elaborate(self, platform) -> Module:
        m = Module()
        counts = [(self.i[k], 1) for k in range(self.lanes)]
        for stage in range(self.latency):
            group = popcount_group if stage == 0 else 3
            starts = range(0, len(counts), group)
            counts = [self._sum(m, counts[k : k + group], f"ones_{stage}_{k // group}") for k in starts]
        ((ones, _),) = counts
        m.d.comb += self.o.eq(ones)
        return m

    def _sum(self, m: Module, counts: list, name: str) -> tuple[Signal, int]:
        """Return the registered sum of counts, each a value and the most it can be, in the same form."""
        most = sum(limit for _, limit in counts)
        ones = Signal(range(most + 1), name=name, reset_less=True)
        m.d.sync += ones.eq(_balanced([value for value, _ in counts]))
        return ones, most


def _balanced(terms: list):
    """Return the sum of terms as a balanced tree, whose width grows with the logarithm of their number only."""
    while len(terms) > 1:
        terms = [sum(terms[k + 1 : k + 2], terms[k]) for k in range(0, len(terms), 2)]
    return terms[0]
