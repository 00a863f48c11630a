"""Where words are kept: the one place that decides between flip-flops, LUTs and block RAM."""

from collections.abc import Sequence

from amaranth import Const, Module, unsigned
from amaranth.lib.memory import Memory

__all__ = ["in_registers", "packed", "read_only"]


def in_registers(depth: int, width: int) -> bool:
    """Return whether `depth` words of `width` bits are kept in flip-flops rather than in a memory.

    iCE40 has no LUT RAM: there a memory is block RAMs of 16 bits in width, and a device has about 170 logic cells for
    each. In registers a bit costs one cell, a word another four.
    """
    return depth <= 10 or depth * (width + 4) <= 320


def in_luts(depth: int) -> bool:
    """Return whether a read-only memory of `depth` words is made of LUTs: one LUT4 per bit up to 16 words."""
    return depth <= 16


def packed(numbers: Sequence[int], width: int) -> int:
    """Return the word that holds numbers of `width` bits in two's complement, the first in the lowest bits."""
    mask = (1 << width) - 1
    return sum((number & mask) << k * width for k, number in enumerate(numbers))


def read_only(m: Module, name: str, rows: Sequence[int], width: int, address):
    """Add a read-only memory; return its data, which belong to the `address` of the cycle before.

    Parameters
    ----------
    rows : unsigned words of `width` bits
    """
    if len(set(rows)) == 1:
        return Const(rows[0], width)
    style = "logic" if in_luts(len(rows)) else "block"
    memory = Memory(shape=unsigned(width), depth=len(rows), init=rows, attrs={"rom_style": style})
    m.submodules[name] = memory
    port = memory.read_port()
    m.d.comb += port.addr.eq(address)
    return port.data
