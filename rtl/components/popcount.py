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
        if not isinstance(lanes, int):
            raise TypeError(f"Lanes of a Popcount must be an integer, not {lanes!r}")
        if lanes < 1:
            raise ValueError(f"Lanes of a Popcount must be at least 1, not {lanes!r}")
        self.lanes = lanes
        super().__init__({"i": In(lanes), "o": Out(range(lanes + 1))})

    @property
    def latency(self) -> int:
        return popcount_stages(self.lanes)

    def elaborate(self, platform) -> Module:
        m = Module()
        sums = [(self.i[k], 1) for k in range(self.lanes)]
        for stage in range(self.latency):
            group = popcount_group if stage == 0 else 3
            sums = [self._sum(m, sums[k : k + group], f"ones_{stage}_{k // group}") for k in range(0, len(sums), group)]
        ((ones, _),) = sums
        m.d.comb += self.o.eq(ones)
        return m

    def _sum(self, m: Module, terms: list, name: str) -> tuple[Signal, int]:
        """Return the registered sum of terms, each with the most it can be."""
        most = sum(limit for _, limit in terms)
        total = Signal(range(most + 1), name=name, reset_less=True)
        m.d.sync += total.eq(sum(term for term, _ in terms))
        return total, most
