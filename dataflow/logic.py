"""LUTs of single parts of logic, depending on the LUTs and carries of a family.

The numbers were found by synthesizing such parts alone, see `docs/cost-model.md`. The rest of a unit, and the price of
a part in its context, is fitted (`dataflow.cost`).
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
    """A read-only memory in LUTs: its words, and its columns that differ from each other and from constants."""

    depth: int
    columns: int


@dataclass(frozen=True)
class Groups:
    """Groups of `bits` bits, at most six, that are compared with weights and counted.

    Parameters
    ----------
    bits : bits of a group
    places : groups of a vector
    copies : neurons that compare each of them
    fixed : fraction of the copies whose weights never change
    """

    bits: int
    places: int
    copies: int
    fixed: float


@dataclass(frozen=True)
class Adders:
    """Registered sums: `copies`, each of `operands` numbers, `width` bits wide.

    `operand_width` is the width of the second widest operand; for two signed ones, of their sum without the sign.
    `multiplied` operands are products each of which some families add to another operand in its DSP block.
    """

    operands: int
    operand_width: int
    width: int
    copies: int
    multiplied: int = 0


@dataclass(frozen=True)
class Mux:
    """Multiplexers: `copies`, each of `inputs` bits, which `select_bits` choose; 3 stand for any more."""

    inputs: int
    copies: int
    select_bits: int = 3


@dataclass(frozen=True)
class Ring:
    """Words of `width` bits that rotate through `depth` registers, of which the first `read` are read as well."""

    depth: int
    width: int
    read: int = 1


#: LUTs of 4 and of 6 inputs that compare 0, 1, 2 ... bits with as many others, and count the equal ones.
_GROUP_LUTS = {4: (0, 1, 2, 4, 8, 9.5, 10.5), 6: (0, 1, 2, 2, 5, 8, 7)}
#: (words, LUTs of 4 inputs per column) of a memory, if no two columns have anything in common.
_ROM_LUTS = (
    *((0, 0.0), (8, 0.8), (10, 1.0), (16, 1.0), (20, 2.05), (24, 3.1), (32, 3.95), (40, 5.4), (48, 6.4), (64, 9.4)),
    *((128, 19.4), (256, 41.0), (512, 87.0)),
)
#: The same with 6 inputs, as Yosys maps them if the path is not critical.
_ROM_LUT6S = ((0, 0.0), (8, 0.8), (10, 1.0), (16, 1.0), (30, 1.3), (32, 1.8), (36, 2.3), (64, 3.0), (128, 8.7))
#: (bits, LUTs of 6 inputs) of a comparison with a constant.
_CONSTANT_LUT6S = ((0, 0.0), (1, 0.0), (2, 1.0), (6, 1.0), (7, 2.0), (11, 2.6), (14, 5.8))
#: LUTs of 6 inputs per bit of a sum of 0, 1, 2 ... numbers, before the adder. A LUT in a carry chain has free inputs.
_SUM_LUTS = (0, 0, 0, 1, 2.2, 4.4, 6.2)


def group_luts(groups: Groups, family: Family) -> float:
    """Return the LUTs of groups that are compared and counted.

    If weights are constants, the first stage of the counts is the same for all neurons up to its sign: the sums of
    three bits and their carries, of which there are four.
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
    """Return the LUTs of a read-only memory: tables of as many words as a LUT has, and multiplexers between them.

    In a wide memory many columns share parts of their tables.
    """
    if family.lut_inputs == 6:
        return rom.columns * _between(_ROM_LUT6S, rom.depth)
    each = _between(_ROM_LUTS, rom.depth)
    if each <= 1:
        return rom.columns * each
    alone = max(0.4, 1 - 0.13 * max(0.0, log(rom.columns / 30)))
    return rom.columns * (1 + (each - 1) * alone)


def _between(points: tuple[tuple[int, float], ...], place: float) -> float:
    """Return the value interpolated between points, and beyond the last one in proportion to it."""
    if place >= points[-1][0]:
        return points[-1][1] * place / points[-1][0]
    index = bisect_left(points, (place, -1.0))
    (start, low), (end, high) = points[max(0, index - 1) : max(0, index - 1) + 2]
    return low + (high - low) * (place - start) / (end - start)


@cache
def sum_luts(sums: Adders, family: Family) -> float:
    """Return the LUTs of sums: a full adder of two LUTs per bit for each number after the second, and an adder."""
    if sums.multiplied and family.adds_products:
        sums = Adders(sums.operands - sums.multiplied, sums.operand_width + 1, sums.width, sums.copies)
    if sums.operands <= 1:
        return 0.0
    if family.lut_inputs == 6:
        adder = sums.operand_width if sums.operands == 2 else sums.width - 2
        return sums.copies * (_SUM_LUTS[sums.operands] * sums.operand_width + adder)
    full = 2 * (sums.operands - 2) * sums.operand_width
    return sums.copies * (full + adder_luts(sums.width, family))


def adder_luts(width: int, family: Family) -> int:
    """Return the LUTs of a sum of two numbers, in complete cells of the carry chain."""
    return -(-width // family.carry_bits) * family.carry_bits


def mux_luts(mux: Mux, family: Family) -> int:
    """Return the LUTs of multiplexers with a registered select: each LUT of 4 inputs adds one input.

    A LUT of 6 inputs has the bits that choose, and for each LUT after the first the output of the one before.
    """
    if family.lut_inputs == 4:
        return mux.copies * (mux.inputs - 1)
    first = 6 - mux.select_bits
    return mux.copies * (1 + -(-max(0, mux.inputs - first) // (first - 1)))


def constant_luts(bits: int, family: Family) -> float:
    """Return the LUTs that compare a number with a constant, without the constant's lowest zeros.

    With LUTs of 4 inputs, Yosys builds a carry chain.
    """
    if family.lut_inputs == 4:
        return bits if bits > 2 else max(0, bits - 1)
    return _between(_CONSTANT_LUT6S, bits)


def part_luts(parts: int, width: int, family: Family) -> int:
    """Return the LUTs that select a part of a memory: one of four takes two LUTs of 4 inputs, or one of 6."""
    return width * (-(-2 * (parts - 1) // 3) if family.lut_inputs == 4 else -(-parts // 4) * (parts > 1))


def ring_luts(ring: Ring, family: Family) -> tuple[float, int]:
    """Return the LUTs of a ring of registers that become shift registers, and the remaining flip-flops."""
    shifted = ring.depth - ring.read
    if not family.shift_registers or shifted < 3:
        return 0.0, ring.depth * ring.width
    return float(ring.width * -(-shifted // 32)), ring.read * ring.width
