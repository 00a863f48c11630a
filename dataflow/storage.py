"""The rules that decide whether words are stored in flip-flops, LUTs or block RAM.

The hardware is built by these rules, and the cost model uses them too.
"""

__all__ = ["in_luts", "in_registers"]

#: Words and bits of a block RAM of 18 kbit.
_BLOCK_SHAPES = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))


def in_registers(depth: int, width: int) -> bool:
    """Return whether `depth` words of `width` bits are stored in flip-flops rather than in a memory.

    iCE40 has no LUT RAM, so a memory consists of block RAMs with a width of 16 bits, and a device has about 170 logic
    cells per block. In registers a bit costs one cell, and a word another four.
    """
    return depth <= 10 or depth * (width + 4) <= 320


def in_luts(depth: int, width: int) -> bool:
    """Return whether a read-only memory of `depth` words of `width` bits is made of LUTs rather than of block RAM.

    A bit takes one LUT4 per 16 words, and more to select between them. A block RAM of most families has 512 words of
    36 bits to 16,384 words of one bit, one of iCE40 256 words of 16 bits to 2,048 words of two bits. A device has 200
    to 400 LUTs per block.
    """
    sixteens = -(-depth // 16)
    half_luts = 2 if sixteens == 1 else 5 * sixteens - 4
    blocks = min(-(-depth // words) * -(-width // bits) for words, bits in _BLOCK_SHAPES)
    return depth <= 16 or half_luts * width <= 2 * 200 * blocks
