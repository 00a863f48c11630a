"""Where words are kept: the rules that decide between flip-flops, LUTs and block RAM.

The hardware is built by them and the cost model counts by them.
"""

__all__ = ["in_luts", "in_registers"]

#: Words and bits of a block RAM of 18 kbit.
_BLOCK_SHAPES = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))


def in_registers(depth: int, width: int) -> bool:
    """Return whether `depth` words of `width` bits are kept in flip-flops rather than in a memory.

    iCE40 has no LUT RAM: there a memory is block RAMs of 16 bits in width, and a device has about 170 logic cells for
    each. In registers a bit costs one cell, a word another four.
    """
    return depth <= 10 or depth * (width + 4) <= 320


def in_luts(depth: int, width: int) -> bool:
    """Return whether a read-only memory of `depth` words of `width` bits is made of LUTs rather than of block RAM.

    A bit takes one LUT4 per 16 words, and more to choose between them. Block RAM of most families has 512 words of 36
    bits to 16,384 of one, of iCE40 256 words of 16 bits to 2,048 of two; a device has 200 to 400 LUTs for each.
    """
    sixteens = -(-depth // 16)
    half_luts = 2 if sixteens == 1 else 5 * sixteens - 4
    blocks = min(-(-depth // words) * -(-width // bits) for words, bits in _BLOCK_SHAPES)
    return depth <= 16 or half_luts * width <= 2 * 200 * blocks
