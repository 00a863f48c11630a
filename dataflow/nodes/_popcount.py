"""Counting bits and adding integers in stages: the shape of the adder trees, and their parts."""

from dataflow.elements import Integer, signed_for
from dataflow.logic import Groups
from dataflow.parts import Parts

__all__ = ["count_integer_sum", "count_matches", "popcount_group", "popcount_stages"]

#: Bits counted before the first register of the popcount. Six bits take at most three levels of LUTs.
popcount_group = 6


def popcount_stages(simd: int) -> int:
    """Return the registered stages that count `simd` bits: groups of six, then sums of three."""
    sums = -(-simd // popcount_group)
    stages = 1
    while sums > 1:
        sums = -(-sums // 3)
        stages += 1
    return stages


def count_matches(found: Parts, simd: int, copies: int, fixed: float) -> None:
    """Add the comparisons of bits with weights, and the registered sums of their popcount.

    Parameters
    ----------
    fixed : part of the weights that never change
    """
    whole, rest = divmod(simd, popcount_group)
    found.groups += [Groups(popcount_group, whole, copies, fixed)] * (whole > 0)
    found.groups += [Groups(rest, 1, copies, fixed)] * (rest > 0)
    limits = [min(popcount_group, simd - start) for start in range(0, simd, popcount_group)]
    found.registers += copies * sum(limit.bit_length() for limit in limits)
    while len(limits) > 1:
        groups = [limits[start : start + 3] for start in range(0, len(limits), 3)]
        limits = [sum(group) for group in groups]
        for group in groups:
            found.total([limit.bit_length() for limit in group], sum(group).bit_length(), copies)


def count_integer_sum(found: Parts, factor: Integer, simd: int, copies: int, *, multiplied: bool = False) -> None:
    """Add the registered sums of integers of one type.

    Parameters
    ----------
    multiplied : whether the integers are products
    """
    counts, size = [1] * simd, popcount_group
    while len(counts) > 1 or size == popcount_group:
        groups = [counts[start : start + size] for start in range(0, len(counts), size)]
        counts, size = [sum(group) for group in groups], 3
        for group in groups:
            widths = [signed_for(each * factor.minimum, each * factor.maximum).width for each in (*group, sum(group))]
            operands = widths[:-1] if len(group) > 2 else [widths[-1] - 1] * len(group)
            # Products are added in pairs first, each pair in the DSP block of one of them. The last addition and its
            # register are in one too, if one of its operands is a product: if they are odd or a single pair.
            found.total(operands, widths[-1], copies, (len(group) + 1) // 2 if multiplied else 0)
            if multiplied and len(group) in (1, 2, 3, 5):
                found.registers -= copies * widths[-1]
                found.product_registers += copies * widths[-1]
        multiplied = False
