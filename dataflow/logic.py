"""What pieces of logic become in LUTs, by what a family's LUTs and carries can do.

Looked up in what Yosys makes of such pieces alone; `docs/cost-model.md` tells how. The rest of a unit, and what a piece
costs in its place, is fitted (`dataflow.cost`).
"""

from bisect import bisect_left
from dataclasses import dataclass
from functools import cache
from math import log

from dataflow.families import Family

__all__ = [
    "Adders",
    "Groups",
    "Mux",
    "Ring",
    "Rom",
    "adder_luts",
    "constant_luts",
    "group_luts",
    "mux_luts",
    "part_luts",
    "ring_luts",
    "rom_luts",
    "sum_luts",
]


@dataclass(frozen=True)
class Rom:
    """A read-only memory in LUTs: its words, and how many of its bits differ from each other and from constants."""

    depth: int
    columns: int


@dataclass(frozen=True)
class Groups:
    """Groups of `bits` bits, at most six, that are compared with weights and counted.

    Parameters
    ----------
    bits : of a group
    places : how many groups a vector has
    copies : how many neurons compare each of them
    fixed : part of the copies whose weights never change
    """

    bits: int
    places: int
    copies: int
    fixed: float


@dataclass(frozen=True)
class Adders:
    """Registered sums: `copies`, each of `operands` numbers, `width` bits wide.

    `operand_width` is the width of the second widest operand; of two with a sign, of their sum without it.
    """

    operands: int
    operand_width: int
    width: int
    copies: int


@dataclass(frozen=True)
class Mux:
    """Multiplexers: `copies`, each of `inputs` bits."""

    inputs: int
    copies: int


@dataclass(frozen=True)
class Ring:
    """Words of `width` bits that go round in `depth` registers."""

    depth: int
    width: int


#: LUTs of 4 and of 6 inputs that compare so many bits with as many others, and count those that are equal.
_GROUP_LUTS = {4: (0, 1, 2, 4, 8, 9.5, 10.5), 6: (0, 1, 2, 2, 5, 8, 7)}
#: LUTs of 4 inputs per bit of a memory of so many words, if no two bits have anything in common.
_ROM_LUTS = (
    *((0, 0.0), (8, 0.8), (10, 1.0), (16, 1.0), (20, 2.05), (24, 3.1), (32, 3.95), (40, 5.4), (48, 6.4), (64, 9.4)),
    *((128, 19.4), (256, 41.0), (512, 87.0)),
)
#: The same of 6 inputs, as Yosys maps them where nothing is in a hurry.
_ROM_LUT6S = ((0, 0.0), (8, 0.8), (10, 1.0), (16, 1.0), (30, 1.3), (32, 1.8), (36, 2.3), (64, 3.0), (128, 8.7))
#: LUTs of 6 inputs that compare so many bits with a constant.
_CONSTANT_LUT6S = ((0, 0.0), (1, 0.0), (2, 1.0), (6, 1.0), (7, 2.0), (11, 2.6), (14, 5.8))
#: LUTs of 6 inputs per bit of so many numbers, before the adder. Some inputs of a LUT are free beside a carry.
_SUM_LUTS = (0, 0, 0, 1, 2.2, 4.4, 6.2)


def group_luts(groups: Groups, family: Family) -> float:
    """Return the LUTs of groups that are compared and counted.

    Where weights are constants, what the counts start with is the same for all neurons, up to its sign: the sums of
    three bits, and their carries, of which there are four.
    """
    bits, copies = groups.bits, groups.copies * groups.fixed
    each = _GROUP_LUTS[family.lut_inputs][bits] * groups.copies * (1 - groups.fixed)
    few = 4 * (1 - 0.75**copies)
    if bits <= 3:
        shared = (0.0, 0.0, 1 + few, 1 + few)[bits]
    elif bits == 4 or family.lut_inputs == 6:
        shared = 1 + 2 * copies
    else:
        shared = (2 if bits == 5 else 3) + (bits - 4) * few + 2 * copies
    return groups.places * (each + (shared if copies else 0.0))


def rom_luts(rom: Rom, family: Family) -> float:
    """Return the LUTs of a read-only memory: tables of as many words as a LUT has, and the choice between them.

    Of many bits, many have parts of their tables in common.
    """
    if family.lut_inputs == 6:
        return rom.columns * _between(_ROM_LUT6S, rom.depth)
    each = _between(_ROM_LUTS, rom.depth)
    if each <= 1:
        return rom.columns * each
    alone = max(0.4, 1 - 0.13 * max(0.0, log(rom.columns / 30)))
    return rom.columns * (1 + (each - 1) * alone)


def _between(points: tuple[tuple[int, float], ...], place: float) -> float:
    """Return the value at a place between points, and beyond the last in proportion."""
    if place >= points[-1][0]:
        return points[-1][1] * place / points[-1][0]
    index = bisect_left(points, (place, -1.0))
    (start, low), (end, high) = points[max(0, index - 1) : max(0, index - 1) + 2]
    return low + (high - low) * (place - start) / (end - start)


@cache
def sum_luts(sums: Adders, family: Family) -> float:
    """Return the LUTs of sums: a full adder of two LUTs per bit for each number but two, and an adder."""
    if sums.operands == 1:
        return 0.0
    if family.lut_inputs == 6:
        adder = sums.operand_width if sums.operands == 2 else sums.width - 2
        return sums.copies * (_SUM_LUTS[sums.operands] * sums.operand_width + adder)
    full = 2 * (sums.operands - 2) * sums.operand_width
    return sums.copies * (full + adder_luts(sums.width, family))


def adder_luts(width: int, family: Family) -> int:
    """Return the LUTs of a sum of two numbers, in whole cells of the carry chain."""
    return -(-width // family.carry_bits) * family.carry_bits


def mux_luts(mux: Mux, family: Family) -> int:
    """Return the LUTs of multiplexers, whose choice is known beforehand: a LUT of 4 inputs takes one more input."""
    return mux.copies * (mux.inputs - 1 if family.lut_inputs == 4 else mux.inputs // 2)


def constant_luts(bits: int, family: Family) -> float:
    """Return the LUTs that compare a number with a constant, without the constant's lowest zeros.

    Yosys makes a carry chain of them where a LUT has 4 inputs.
    """
    if family.lut_inputs == 4:
        return bits if bits > 2 else max(0, bits - 1)
    return _between(_CONSTANT_LUT6S, bits)


def part_luts(parts: int, width: int, family: Family) -> int:
    """Return the LUTs that choose between parts of a memory: one of four is two LUTs of 4 inputs, or one of 6."""
    return width * (-(-2 * (parts - 1) // 3) if family.lut_inputs == 4 else -(-parts // 4) * (parts > 1))


def ring_luts(ring: Ring, family: Family) -> tuple[float, int]:
    """Return the LUTs that are shift registers in a ring of registers, and the flip-flops that are left."""
    behind = ring.depth - 1
    if not family.shift_registers or behind < 3:
        return 0.0, ring.depth * ring.width
    return float(ring.width * -(-behind // 32)), ring.width
