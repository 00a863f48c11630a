"""The parts of a node that maps numbers to codes: memories, comparisons, selections, multiplications."""

from typing import TYPE_CHECKING

import numpy as np

from dataflow.elements import integer_for
from dataflow.parts import Parts, Structure, compared_bits, number_bits

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
    """Add a memory and a register of codes for each lane."""
    assert node.table is not None
    tables, width = node.by_group(node.table), node.result.width
    found.registers += node.pe * width
    for k in range(node.pe):
        codes = tables[:, k].reshape(-1, 1)
        found.read_only(len(codes), width, lambda codes=codes: number_bits(codes, width))  # type: ignore[misc]


def _count_lines(node: "Requantize", found: Parts) -> None:
    """Add the selections of multipliers and offsets, products, sums, and saturation."""
    pieces, width = node.pieces, node.sum_width
    _count_starts(node, found, node.selecting + 1)
    _count_selection(node, found, node.wrapped(pieces.multipliers), node.selecting)
    _count_selection(node, found, node.wrapped(pieces.offsets), node.selecting + 1)
    found.registers += node.pe * width
    if pieces.offsets.any():
        found.total([width, width], width, node.pe)
    else:
        found.registers += node.pe * width
    if node.saturates:
        held = "saturated_bits" if node.result.signed else "capped_bits"
        lacking = node.pe * max(1, width - node.shift + 1 - node.result.width)
        found.add(**{held: node.pe * node.result.width}, lacking_bits=lacking)
        found.registers += node.pe * node.result.width


def _multipliers(node: "Requantize") -> tuple[tuple[int, int], ...]:
    """Return the widths of the multiplications. One by a power of two takes no logic."""
    found = []
    for lane in np.moveaxis(node.by_group(node.wrapped(node.pieces.multipliers)), 1, 0):
        values = {int(value) for value in lane.ravel()}
        if len(values) > 1 or abs(min(values)) & (abs(min(values)) - 1):
            found.append((node.element.width, integer_for(min(values), max(values)).width))
    return tuple(found)


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
            found.read_only(node.groups, rows.shape[1] * element.width, lambda: number_bits(rows, element.width))
            found.add(compared_bits=rows.shape[1] * max(element.width, node.element.width))
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
        found.read_only(node.groups, words.shape[1] * element.width, lambda: number_bits(words, element.width))
        delay = cycle - 1 - (node.pieces.count > 1)
        found.registers += delay * (node.groups - 1).bit_length()
    if node.pieces.count == 1:
        found.registers += node.pe * element.width if node.groups == 1 and node.form == "steps" else 0
        return
    ever = (rows[..., None] >> np.arange(element.width) & 1).astype(bool)
    often, always = np.logical_or.reduce(ever), np.logical_and.reduce(ever)
    changing = often[:, 1:].any(axis=1)
    # A bit that no start changes is a constant, or is read.
    found.registers += int(np.count_nonzero(changing | (often & ~always)[:, 0]))
    flipped, chosen = np.count_nonzero(always[:, 1:]), np.count_nonzero((often & ~always)[:, 1:])
    found.add(flipped_bits=int(flipped), chosen_bits=int(chosen), started_bits=int(np.count_nonzero(changing)))
