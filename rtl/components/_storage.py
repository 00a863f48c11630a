"""Where words are kept: the one place that decides between flip-flops, LUTs and block RAM."""

from collections.abc import Sequence

from amaranth import Module, unsigned
from amaranth.lib.memory import Memory

__all__ = ["in_registers", "read_only"]


def in_registers(depth: int, width: int) -> bool:
    """Return whether `depth` words of `width` bits are kept in flip-flops rather than in a memory.

    iCE40 has no LUT RAM, so that a memory is a block RAM of 16 bits in width, worth about 160 logic cells.
    """
    return depth <= 10 or depth * (width + 4) <= 320


def read_only(m: Module, name: str, rows: Sequence[int], width: int, address):
    """Add a read-only memory and return its data, which are those of the `address` one cycle ago.

    Parameters
    ----------
    rows : unsigned words of `width` bits
    """
    style = "logic" if len(rows) <= 16 else "block"
    memory = Memory(shape=unsigned(width), depth=len(rows), init=rows, attrs={"rom_style": style})
    m.submodules[name] = memory
    port = memory.read_port()
    m.d.comb += port.addr.eq(address)
    return port.data
