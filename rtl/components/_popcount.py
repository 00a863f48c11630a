"""Popcount: the number of ones in a vector of bits."""

from amaranth import Cat, Const, Module, Signal
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
        starts = range(0, self.lanes, popcount_group)
        counts = [self._count(m, self.i[k : k + popcount_group], f"ones_0_{k // popcount_group}") for k in starts]
        for stage in range(1, self.latency):
            starts = range(0, len(counts), 3)
            counts = [self._sum(m, counts[k : k + 3], f"ones_{stage}_{k // 3}") for k in starts]
        ((ones, _),) = counts
        m.d.comb += self.o.eq(ones)
        return m

    def _count(self, m: Module, bits, name: str) -> tuple[Signal, int]:
        """Return the registered number of ones among six bits or fewer, and the most it can be.

        Written as full adders: from a sum of six bits Yosys makes carry chains, a tenth more cells on iCE40.
        """
        ones = Signal(range(len(bits) + 1), name=name, reset_less=True)
        b = [bits[k] if k < len(bits) else Const(0) for k in range(popcount_group)]
        low_sum, low_carry = _full_adder(m, *b[:3], name=f"{name}_low")
        high_sum, high_carry = _full_adder(m, *b[3:], name=f"{name}_high")
        twos, fours = _full_adder(m, low_carry, high_carry, low_sum & high_sum, name=f"{name}_carry")
        m.d.sync += ones.eq(Cat(low_sum ^ high_sum, twos, fours))
        return ones, len(bits)

    def _sum(self, m: Module, counts: list[tuple[Signal, int]], name: str) -> tuple[Signal, int]:
        """Return the registered sum of up to three counts, and the most it can be."""
        most = sum(limit for _, limit in counts)
        ones = Signal(range(most + 1), name=name, reset_less=True)
        first, *others = (value for value, _ in counts)
        m.d.sync += ones.eq(sum(others, first))
        return ones, most


def _full_adder(m: Module, a, b, c, *, name: str) -> tuple[Signal, Signal]:
    """Return the sum of three bits, low bit and high bit."""
    low, high = Signal(name=f"{name}_1"), Signal(name=f"{name}_2")
    m.d.comb += [low.eq(a ^ b ^ c), high.eq((a & b) | (a & c) | (b & c))]
    return low, high
