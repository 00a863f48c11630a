"""Where words are kept: the rules that decide between flip-flops, LUTs and block RAM.

The hardware is built by them and the cost model counts by them.
"""

__all__ = ["in_luts", "in_registers"]


def in_registers(depth: int, width: int) -> bool:
    """Return whether `depth` words of `width` bits are kept in flip-flops rather than in a memory.

    iCE40 has no LUT RAM: there a memory is block RAMs of 16 bits in width, and a device has about 170 logic cells for
    each. In registers a bit costs one cell, a word another four.
    """
    return depth <= 10 or depth * (width + 4) <= 320


def in_luts(depth: int) -> bool:
    """Return whether a read-only memory of `depth` words is made of LUTs: one LUT4 per bit up to 16 words."""
    return depth <= 16
