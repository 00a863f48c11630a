"""Popcount: the number of ones in a vector of bits."""

from amaranth import Cat, Module, Signal, Value
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

    def elaborate(self, platform: object) -> Module:
        m = Module()
        counts = self._counts(m)
        for stage in range(1, self.latency):
            starts = range(0, len(counts), 3)
            counts = [self._sum(m, counts[k : k + 3], f"ones_{stage}_{k // 3}") for k in starts]
        ((ones, _),) = counts
        m.d.comb += self.o.eq(ones)
        return m

    def _counts(self, m: Module) -> list[Value]:
        """Return the registered number of ones of each group of bits, and its maximum.

        The sums are written as full adders, for all groups at once, because Yosys turns sums of six bits into carry
        chains, which take a tenth more cells on iCE40.
        """
        groups = -(-self.lanes // popcount_group)
        bits = []
        for k in range(popcount_group):
            bits.append(Signal(groups, name=f"bits_{k}"))
            m.d.comb += bits[k].eq(Cat(self.i[k::popcount_group]))
        low_sum, low_carry = _full_adder(m, *bits[:3], name="low")
        high_sum, high_carry = _full_adder(m, *bits[3:], name="high")
        carry = Signal(groups)
        m.d.comb += carry.eq(low_sum & high_sum)
        twos, fours = _full_adder(m, low_carry, high_carry, carry, name="carries")
        places = [Signal(groups, name=f"ones_0_{place}", reset_less=True) for place in range(3)]
        m.d.sync += [places[0].eq(low_sum ^ high_sum), places[1].eq(twos), places[2].eq(fours)]
        limits = [min(popcount_group, self.lanes - group * popcount_group) for group in range(groups)]
        return [
            (Cat(place[group] for place in places[: limit.bit_length()]), limit) for group, limit in enumerate(limits)
        ]

    def _sum(self, m: Module, counts: list[Value], name: str) -> tuple[Signal, int]:
        """Return the registered sum of up to three counts, and its maximum."""
        most = sum(limit for _, limit in counts)
        ones = Signal(range(most + 1), name=name, reset_less=True)
        first, *others = (value for value, _ in counts)
        m.d.sync += ones.eq(sum(others, first))
        return ones, most


def _full_adder(m: Module, a: Signal, b: Signal, c: Signal, *, name: str) -> tuple[Signal, Signal]:
    """Return the sums of the bits at each place of three vectors, as their low bits and their high bits."""
    low, high = Signal(len(a), name=f"{name}_1"), Signal(len(a), name=f"{name}_2")
    m.d.comb += [low.eq(a ^ b ^ c), high.eq((a & b) | (a & c) | (b & c))]
    return low, high
