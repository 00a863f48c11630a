"""CarryChain: a chain of ECP5's carry cells, and a model of it. `dataflow.nodes._adder_tree` describes the cell."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from amaranth import Cat, Const, Instance, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.platforms import has_cells

__all__ = ["ACCUMULATE", "ADD", "ADD_PRODUCT", "ADD_PRODUCTS", "INJECT", "CarryChain", "Half", "chained"]

#: Tables of the LUT of a half, the bit for ``a + 2*b + 4*c + 8*d``; what is left out is 1.
INJECT = 0x0006  #: the sum is the carry alone, and the next carry ``a ^ b``
ADD = 0x660A  #: ``a + b``
ADD_PRODUCT = 0x960A  #: ``a + (b ^ c)``
ADD_PRODUCTS = 0x6996  #: ``(a ^ b) + (c ^ d)``
ACCUMULATE = 0x665A  #: ``a + (b if d else c)``


#: The table of INJECT for two zeros.
_NOTHING = 0


class Half(NamedTuple):
    """Half of a carry cell: the table of its LUT, and its inputs."""

    table: int
    a: Value = Const(1)
    b: Value = Const(1)
    c: Value = Const(1)
    d: Value = Const(1)


class CarryChain(wiring.Component):
    """A chain of carry cells, whose first carry is 0: ``s = LUT4 ^ carry``.

    Combinational. On a platform with cells it consists of CCU2C, else of an addition that does the same.

    Parameters
    ----------
    tables : sequence of int
        Table of 16 bits of each half, the bit for ``a + 2*b + 4*c + 8*d``. With the table `INJECT`, `c` and `d` must
        be 1.

    Members
    -------
    a, b, c, d : ``In(len(tables))``
        The inputs of each half.
    s : ``Out(len(tables))``
        Its sum.
    """

    def __init__(self, tables: Sequence[int]) -> None:
        assert len(tables) > 0
        self.tables = tuple(tables)
        size = len(self.tables)
        super().__init__({**{name: In(size) for name in "abcd"}, "s": Out(size)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if has_cells(platform):
            self._cells(m)
        else:
            self._model(m)
        return m

    def _cells(self, m: Module) -> None:
        carry: Value = Const(0, 1)
        for start in range(0, len(self.tables), 2):
            following = Signal(name=f"carry_{start + 2}")
            ports: dict[str, object] = {"i_CIN": carry, "o_COUT": following}
            for half in (0, 1):
                place = start + half
                used = place < len(self.tables)
                ports[f"p_INIT{half}"] = Const(self.tables[place] if used else 0, 16)
                ports[f"p_INJECT1_{half}"] = "NO"
                for name in "abcd":
                    ports[f"i_{name.upper()}{half}"] = getattr(self, name)[place] if used else Const(1)
                ports[f"o_S{half}"] = self.s[place] if used else Signal(name=f"unused_{place}")
            m.submodules[f"cell_{start // 2}"] = Instance("CCU2C", **ports)
            carry = following

    def _model(self, m: Module) -> None:
        """Add carries as an adder does: a half that propagates adds 0 + 1, and one that generates v adds v + v.

        There is an adder from each half that begins an addition to the next one: if any bit of an addition is undefined
        in Verilog, its whole sum is, and one of a chain may come back to the chain.
        """
        size = len(self.tables)
        whole, part, generated = Signal(size), Signal(size), Signal(size)
        m.d.comb += [
            whole.eq(self._looked_up(range(16), (self.a, self.b, self.c, self.d))),
            part.eq(self._looked_up(range(4), (self.a, self.b))),
            generated.eq(part & ~whole),
        ]
        starts = [place for place, table in enumerate(self.tables) if place == 0 or table in (INJECT, _NOTHING)]
        carry: Value = Const(0, 1)
        sums = []
        for start, end in pairwise([*starts, size]):
            total = Signal(end - start + 1, name=f"total_{start}")
            generating = generated[start:end]
            m.d.comb += total.eq(generating + (generating | whole[start:end]))
            # The half that begins an addition adds nothing to the carry that it gives out.
            sums += [carry if start else total[0], total[1 : end - start]]
            carry = total[end - start]
        m.d.comb += self.s.eq(Cat(sums))

    def _looked_up(self, entries: range, inputs: Sequence[Value]) -> Value:
        """Return the bit of each table for the inputs."""
        found: Value = Const(0, len(self.tables))
        for entry in entries:
            ones = sum((table >> entry & 1) << place for place, table in enumerate(self.tables))
            if ones:
                meets = Const(ones, len(self.tables))
                for bit, each in enumerate(inputs):
                    meets &= each if entry >> bit & 1 else ~each
                found |= meets
        return found


def chained(m: Module, name: str, halves: Sequence[Half]) -> list[Value]:
    """Add a carry chain, and return the sum of each half. Constant zeros among its inputs go into the tables."""
    m.submodules[name] = chain = CarryChain([_table(half) for half in halves])
    for port, inputs in zip("abcd", zip(*(half[1:] for half in halves), strict=True), strict=True):
        m.d.comb += getattr(chain, port).eq(Cat(Const(1) if _is_zero(each) else each for each in inputs))
    sums = Signal(len(halves), name=f"{name}_s")
    m.d.comb += sums.eq(chain.s)
    return list(sums)


def _table(half: Half) -> int:
    """Return a half's table for inputs that are 1 instead of constant zeros, which would need a wire each."""
    table = half.table
    for bit, each in enumerate(half[1:]):
        if _is_zero(each):
            low = [entry & ~(1 << bit) for entry in range(16)]
            table = sum((table >> entry & 1) << place for place, entry in enumerate(low))
    return table


def _is_zero(value: Value) -> bool:
    return isinstance(value, Const) and value.value == 0
