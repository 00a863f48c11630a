"""Read-only memories, in LUTs or block RAM by the rules of `dataflow.storage`."""

from collections.abc import Sequence

from amaranth import Const, Module, Value, unsigned
from amaranth.lib.memory import Memory

from dataflow.storage import in_luts

__all__ = ["packed", "read_only"]


def packed(numbers: Sequence[int], width: int) -> int:
    """Return a word that consists of numbers of `width` bits in two's complement, the first in the lowest bits."""
    mask = (1 << width) - 1
    return sum((number & mask) << k * width for k, number in enumerate(numbers))


def read_only(
    m: Module, name: str, rows: Sequence[int], width: int, address: Value, *, luts: bool | None = None
) -> Value:
    """Add a read-only memory; return its data, which belong to the `address` of the previous cycle.

    Parameters
    ----------
    rows : unsigned words of `width` bits
    luts : whether it is made of LUTs rather than of block RAM; None for what `dataflow.storage` says
    """
    if len(set(rows)) == 1:
        return Const(rows[0], width)
    style = "logic" if (in_luts(len(rows), width) if luts is None else luts) else "block"
    memory = Memory(shape=unsigned(width), depth=len(rows), init=rows, attrs={"rom_style": style})
    m.submodules[name] = memory
    port = memory.read_port()
    m.d.comb += port.addr.eq(address)
    return port.data
