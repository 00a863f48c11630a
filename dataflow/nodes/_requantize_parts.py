"""The parts of a node that maps numbers to codes: memories, comparisons, selections, multiplications."""

from typing import TYPE_CHECKING

import numpy as np

from dataflow.elements import integer_for
from dataflow.logic import Adders
from dataflow.parts import Parts, Structure, compared_bits, number_bits
from dataflow.storage import in_luts

if TYPE_CHECKING:
    from dataflow.nodes.requantize import Requantize

__all__ = ["requantize_structure"]


def requantize_structure(node: "Requantize") -> Structure:
    """Return the parts of a node."""
    found, (stream,) = Parts(), node.output_streams
    found.registers += node.latency
    if node.rows == 1 and stream.inert:
        found.watch_inert(stream)
        found.registers += node.latency - 1
    if node.groups > 1:
        found.count(node.groups)
    if node.form == "table":
        _count_table(node, found)
    elif node.form == "steps":
        _count_starts(node, found, node.selecting)
        _count_selection(node, found, node.pieces.offsets, node.selecting)
    else:
        _count_lines(node, found)
    multipliers = _multipliers(node) if node.form == "lines" else ()
    return found.structure(f"Requantize.{node.form}", read_only=tuple(found.blocks), multipliers=multipliers)


def _count_table(node: "Requantize", found: Parts) -> None:
    """Add a memory and a register of codes for each lane. In LUTs, only tables that differ from each other count."""
    assert node.table is not None
    width = node.result.width
    tables = node.by_group(np.roll(node.table, node.element.minimum, axis=1))
    found.registers += node.pe * width
    for k in range(node.pe):
        codes = tables[:, k].reshape(-1, 1)
        found.read_only(len(codes), width, lambda codes=codes: number_bits(codes, width))  # type: ignore[misc]
        if in_luts(len(codes), width):
            bits = number_bits(codes, width)
            for inputs in (4, 6):
                leaves, choices = _distinct_tables(bits, inputs)
                found.add(**{f"tables_of_{inputs}": leaves, f"choices_of_{inputs}": choices})
    found.roms.clear()


def _distinct_tables(bits: np.ndarray, inputs: int) -> tuple[int, int]:
    """Return the tables of so many inputs of which functions consist, and the choices between tables.

    A table is shared, also by its inverse. A choice between equal ones is none.

    Parameters
    ----------
    bits : (words, functions) bool
    """
    size, words = 1 << inputs, 1 << (len(bits) - 1).bit_length()
    columns = np.pad(bits.astype(bool).T, ((0, 0), (0, max(size, words) - len(bits))), mode="edge")
    counts: list[int] = []
    while size <= columns.shape[1]:
        parts = columns.reshape(-1, size)
        parts = parts ^ parts[:, :1]
        different = parts[:, size // 2 :] != parts[:, : size // 2] if counts else parts
        kept = parts[different.any(axis=1)]
        counts.append(len({part.tobytes() for part in np.packbits(kept, axis=1)}))
        size *= 2
    return counts[0], sum(counts[1:])


def _count_lines(node: "Requantize", found: Parts) -> None:
    """Add the selections of multipliers and offsets, products, sums, and saturation."""
    pieces, width = node.pieces, node.sum_width
    multipliers, offsets = node.wrapped(pieces.multipliers), node.wrapped(pieces.offsets)
    _count_starts(node, found, node.selecting + 1)
    before = found.registers
    _count_selection(node, found, multipliers, node.selecting)
    _count_selection(node, found, offsets, node.selecting + 1)
    # Registers of selected factors and summands of a lane.
    selected = (found.registers - before) // node.pe
    if node.groups > 1:
        selected = sum(integer_for(int(each.min()), int(each.max())).width for each in (multipliers, offsets))
    for values in _lane_multipliers(node):
        factor = integer_for(min(values), max(values)).width
        product = min(width, node.element.width + factor)
        if len(values) == 1:
            # The digits of a constant that are not 0 are added.
            found.add(constant_product_bits=max(0, _digits(*values) - 1) * product)
        else:
            found.add(product_bits=min(node.element.width, factor) * product)
        operands = [width, product] if pieces.offsets.any() else [width]
        # The bits that the shift removes are not stored.
        kept = width - min(node.shift, width - 1)
        if _is_multiplied(values):
            found.add(wide_product_bits=max(0, node.element.width - 18, factor - 18) * product)
            found.product_registers += product + node.element.width
            found.registers -= node.element.width
            # A constant is not added in a DSP block.
            if node.groups > 1 or pieces.count > 1:
                found.product_registers += kept
            else:
                found.registers += kept
            if pieces.count > 1:
                found.product_registers += node.element.width + selected
                found.registers -= node.element.width + selected
            found.sums += [Adders(2, product, width, 1, multiplied=1)] * (len(operands) - 1)
        else:
            found.registers += product + kept - width
            found.total(operands, width, 1)
    if node.saturates:
        held = "saturated_bits" if node.result.signed else "capped_bits"
        lacking = node.pe * max(1, width - node.shift + 1 - node.result.width)
        found.add(**{held: node.pe * node.result.width}, lacking_bits=lacking)
        found.registers += node.pe * node.result.width


def _lane_multipliers(node: "Requantize") -> list[set[int]]:
    """Return the multipliers of each lane."""
    lanes = np.moveaxis(node.by_group(node.wrapped(node.pieces.multipliers)), 1, 0)
    return [{int(value) for value in lane.ravel()} for lane in lanes]


def _is_multiplied(values: set[int]) -> bool:
    """Return whether numbers are multiplied. A product with a power of two takes no logic."""
    magnitude = abs(min(values))
    return len(values) > 1 or magnitude & (magnitude - 1) != 0


def _digits(number: int) -> int:
    """Return the fewest powers of two that number is the sum or difference of."""
    return (3 * abs(number) ^ abs(number)).bit_count()


def _multipliers(node: "Requantize") -> tuple[tuple[int, int], ...]:
    """Return the widths of the multiplications."""
    return tuple(
        (node.element.width, integer_for(min(values), max(values)).width)
        for values in _lane_multipliers(node)
        if _is_multiplied(values)
    )


def _count_starts(node: "Requantize", found: Parts, last: int) -> None:
    """Add the comparisons of numbers with starts, and the registers of numbers and of what they have met.

    Parameters
    ----------
    last : the cycle up to which it is known what starts a number has met
    """
    numbers = node.selecting if node.form == "lines" else 0
    if node.pieces.count > 1:
        numbers = max(numbers, node.comparing - 1)
        starts = node.by_group(node.pieces.starts)
        found.registers += starts[0].size * (last - node.comparing)
        if node.groups == 1:
            found.constants += [compared_bits(node.element, start) for start in starts.ravel().tolist()]
        else:
            element = integer_for(int(starts.min()), int(starts.max()))
            rows = starts.reshape(node.groups, -1)
            width = rows.shape[1] * max(element.width, node.element.width)
            _count_rows(found, rows, element.width)
            found.add(compared_bits=width, limit_columns=sum(rom.columns for rom in found.roms) or width)
    found.registers += node.pe * node.element.width * numbers


def _count_selection(node: "Requantize", found: Parts, values: np.ndarray, cycle: int) -> None:
    """Add the memory of the values of pieces, and the exclusive or of those bits that change at a start.

    Parameters
    ----------
    values : (rows, pieces)
    cycle : in which a value is selected
    """
    element = integer_for(int(values.min()), int(values.max()))
    bits = values & ((1 << element.width) - 1)
    rows = node.by_group(np.concatenate([bits[:, :1], bits[:, 1:] ^ bits[:, :-1]], axis=1))
    if node.groups > 1:
        words = rows.reshape(node.groups, -1)
        _count_rows(found, words, element.width)
        delay = cycle - 1 - (node.pieces.count > 1)
        found.registers += delay * (node.groups - 1).bit_length()
    if node.pieces.count == 1:
        found.registers += node.pe * element.width if node.groups == 1 and node.form == "steps" else 0
        return
    ever = (rows[..., None] >> np.arange(element.width) & 1).astype(bool)
    often, always = np.logical_or.reduce(ever), np.logical_and.reduce(ever)
    if node.groups == 1:
        # Bits that change at the same starts are one, and need no logic if they change at one start.
        for lane in always[:, 1:]:
            places = {tuple(np.flatnonzero(bit)) for bit in lane.T} - {()}
            found.registers += len(places)
            found.add(flipped_bits=sum(map(len, places)) - len(places))
        return
    changing = often[:, 1:].any(axis=1)
    # A bit that no start changes is a constant, or is read.
    found.registers += int(np.count_nonzero(changing | (often & ~always)[:, 0]))
    flipped, chosen = np.count_nonzero(always[:, 1:]), np.count_nonzero((often & ~always)[:, 1:])
    found.add(flipped_bits=int(flipped), chosen_bits=int(chosen), started_bits=int(np.count_nonzero(changing)))


def _count_rows(found: Parts, rows: np.ndarray, width: int) -> None:
    """Add a memory of rows of numbers, of which bits that never change are not stored."""
    blocks = len(found.blocks)
    found.read_only(len(rows), rows.shape[1] * width, lambda: number_bits(rows, width))
    if len(found.blocks) > blocks:
        bits = number_bits(rows, width)
        found.blocks[-1] = (len(rows), int(np.count_nonzero((bits != bits[0]).any(axis=0))))
