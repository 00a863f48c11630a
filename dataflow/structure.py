"""What hardware is made of: for each node kind, the parts that its cost grows with.

Counted here as `rtl.components` builds them: adders of the popcount, registers, counters, memories. What a part costs
in a device family is fitted to synthesis, see `dataflow.cost`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import singledispatch
from itertools import chain
from typing import Any

import numpy as np

from dataflow.elements import Bipolar, Element, Integer, signed_for, unsigned_for
from dataflow.nodes import (
    Add,
    ArgMax,
    Concat,
    Fork,
    MatrixVector,
    Node,
    PoolNode,
    SlidingWindow,
    Threshold,
    WidthConverter,
    popcount_group,
    popcount_stages,
)
from dataflow.storage import in_luts, in_registers
from dataflow.streams import beats_of

__all__ = ["Rom", "Structure", "fifo_structure", "structure"]


@dataclass(frozen=True)
class Rom:
    """A read-only memory in LUTs: its words, and how many of its bits differ from each other and from constants."""

    depth: int
    columns: int


@dataclass(frozen=True)
class Structure:
    """What a unit is made of.

    Parameters
    ----------
    kind : whose coefficients count
    parts : how many there are of each kind of part that takes LUTs
    registers : flip-flops
    roms : read-only memories in LUTs
    weight_memories : (depth, width) of block RAMs that hold weights
    read_only : (depth, width) of the other read-only block RAMs
    memories : (depth, width) of memories that are written
    multipliers : (width, width) of multiplications
    """

    kind: str
    parts: Mapping[str, float]
    registers: int
    roms: tuple[Rom, ...] = ()
    weight_memories: tuple[tuple[int, int], ...] = ()
    read_only: tuple[tuple[int, int], ...] = ()
    memories: tuple[tuple[int, int], ...] = ()
    multipliers: tuple[tuple[int, int], ...] = ()


@dataclass
class _Parts:
    """A structure in the making."""

    parts: Counter = field(default_factory=Counter)
    registers: int = 0
    roms: list[Rom] = field(default_factory=list)
    blocks: list[tuple[int, int]] = field(default_factory=list)
    memories: list[tuple[int, int]] = field(default_factory=list)

    def add(self, **parts: float) -> None:
        self.parts.update(parts)

    def count(self, *periods: int) -> None:
        """Add counters modulo some periods."""
        for period in periods:
            bits = (period - 1).bit_length()
            self.add(counter_bits=bits, odd_counter_bits=bits if period & (period - 1) else 0)
            self.registers += bits

    def read_only(self, depth: int, width: int, words: Callable[[], np.ndarray]) -> float:
        """Add a read-only memory of `depth` words of `width` bits; return which part of its bits are constant.

        Parameters
        ----------
        words : gives its bits, (depth, width); asked only where they may repeat
        """
        columns, fixed = width, 0.0
        if depth <= 8:
            kinds = np.bincount(np.packbits(words(), axis=0, bitorder="little").ravel(), minlength=1 << depth)
            columns, fixed = int(np.count_nonzero(kinds[1:-1])), float(kinds[0] + kinds[-1]) / width
        elif width <= 64:
            bits = words()
            columns = int((bits != bits[0]).any(axis=0).sum())
            fixed = 1 - columns / width
        if depth == 1 or not columns:
            return 1.0
        if in_luts(depth, width):
            self.roms.append(Rom(depth, columns))
            self.registers += columns
        else:
            self.blocks.append((depth, columns))
        return fixed

    def written(self, depth: int, width: int) -> None:
        """Add a memory that is written."""
        self.memories.append((depth, width))

    def sums(self, groups: Iterable[tuple[int, int]], copies: int) -> None:
        """Add registered sums, each of some operands and so many bits wide, `copies` times."""
        for operands, width in groups:
            self.registers += copies * width
            if operands > 1:
                self.add(adder_bits=copies * width, carry_save_bits=copies * width * (operands - 2), adders=copies)

    def structure(self, kind: str, **fields: Any) -> Structure:
        memories = tuple(self.memories)
        return Structure(kind, dict(self.parts), self.registers, tuple(self.roms), memories=memories, **fields)


def fifo_structure(width: int, depth: int) -> Structure:
    """Return what a FIFO of `depth` words of `width` bits is made of."""
    found = _Parts()
    found.count(depth + 1)
    found.registers += 1
    if in_registers(depth, width):
        found.registers += depth * (width + 1)
        found.add(moving_bits=(depth - 1) * width, slots=depth)
        return found.structure("Fifo.registers")
    found.count(depth, depth, depth + 1)
    found.registers += 2 + width
    found.add(fresh_bits=width)
    found.written(depth, width)
    return found.structure("Fifo.memory")


@singledispatch
def structure(node: Node) -> Structure:
    """Return what a node is made of."""
    raise TypeError(f"Node {node.name!r} must be of a kind with a cost, not {node.kind}")


@structure.register
def _(node: MatrixVector) -> Structure:
    found = _Parts()
    synapse_folds, neuron_folds = node.synapse_folds, node.neuron_folds
    steps, of_bits = synapse_folds * neuron_folds * node.groups, isinstance(node.operand, Bipolar)
    counted = popcount_stages(node.simd) + 1
    found.count(steps, synapse_folds, steps // synapse_folds)
    found.registers += 3 + counted + node.latency
    _held_vector(found, synapse_folds if neuron_folds > 1 else 1, node.simd * node.operand.width, neuron_folds > 1)

    fixed = found.read_only(steps, node.pe * node.simd, lambda: node.weight_words)
    weight_memories, found.blocks = tuple(found.blocks), []
    if of_bits:
        whole, rest = divmod(node.simd, popcount_group)
        groups, rest_bits = node.pe * whole, node.pe * rest
        found.add(groups=groups * (1 - fixed), fixed_groups=groups * fixed)
        found.add(rest_bits=rest_bits * (1 - fixed), fixed_rest_bits=rest_bits * fixed)
        found.sums(_popcount_sums(node.simd), node.pe)
    else:
        factor = _factor(node.operand)
        bits = node.pe * node.simd * factor.width
        found.add(inverted_bits=bits * (1 - fixed), fixed_inverted_bits=bits * fixed)
        found.sums(_integer_sums(factor, node.simd), node.pe)

    levels, width = _levels(node)
    rows = node.neuron_words(levels)
    roms = len(found.roms)
    found.read_only(len(rows), node.pe * width, lambda: _bits(rows, width))
    found.add(level_columns=sum(rom.columns for rom in found.roms[roms:]))
    found.registers += node.pe * width
    found.add(**{"accumulator_bits" if synapse_folds > 1 else "level_bits": node.pe * width})
    found.registers += node.pe * node.element.width
    _watch_inert(found, node)
    if node.position_classes is not None:
        found.count(len(node.position_classes))
        found.add(class_bits=4 * int(node.position_classes.max()).bit_length())
    kind = "MatrixVector.bits" if of_bits else "MatrixVector.integers"
    return found.structure(kind, weight_memories=weight_memories, read_only=tuple(found.blocks))


def _watch_inert(found: _Parts, node: Node) -> None:
    """Add what tells the last beat of a vector out, where it has inert lanes; the lanes' registers are reset then."""
    (stream,) = node.output_streams
    if stream.inert:
        found.count(stream.vector_beats)
        found.registers += 1


def _held_vector(found: _Parts, folds: int, width: int, repeated: bool) -> None:
    """Add the vector of a matrix, `folds` beats of `width` bits."""
    if repeated:
        found.add(held_bits=width)
    if in_registers(folds, width):
        found.registers += folds * width
        return
    found.registers += width + 1
    found.written(folds, width)


def _popcount_sums(simd: int) -> list[tuple[int, int]]:
    """Return operands and width of every registered sum of a popcount, the counts of the groups among them."""
    limits = [min(popcount_group, simd - start) for start in range(0, simd, popcount_group)]
    sums = [(1, limit.bit_length()) for limit in limits]
    while len(limits) > 1:
        groups = [limits[start : start + 3] for start in range(0, len(limits), 3)]
        limits = [sum(group) for group in groups]
        sums += [(len(group), sum(group).bit_length()) for group in groups]
    return sums


def _integer_sums(factor: Integer, simd: int) -> list[tuple[int, int]]:
    """Return operands and width of every registered sum of integers."""
    counts, sums, size = [1] * simd, [], popcount_group
    while len(counts) > 1 or size == popcount_group:
        groups = [counts[start : start + size] for start in range(0, len(counts), size)]
        counts, size = [sum(group) for group in groups], 3
        for group in groups:
            count = sum(group)
            sums.append((len(group), signed_for(count * factor.minimum, count * factor.maximum).width))
    return sums


def _factor(operand: Element) -> Integer:
    """Return the type of an integer, inverted or not."""
    assert isinstance(operand, Integer)
    return operand if operand.signed else Integer(operand.width + 1, signed=True)


def _levels(node: MatrixVector) -> tuple[np.ndarray, int]:
    """Return what the sums start from, (classes * neurons,) int64, and the bits of the accumulator."""
    of_bits = isinstance(node.operand, Bipolar)
    bare = np.zeros(node.neurons, np.int64) if not of_bits else np.full(node.neurons, (node.synapses + 1) // 2)
    levels = bare if node.thresholds is None else node.thresholds
    if node.offsets is not None:
        levels = levels - node.offsets
    least, most = (0, 1) if of_bits else (_factor(node.operand).minimum, _factor(node.operand).maximum)
    if not of_bits:
        levels = levels - (node.weights < 0).sum(axis=1)
    low, high = node.synapses * least - int(levels.max()), node.synapses * most - int(levels.min())
    width = signed_for(min(low, -int(levels.max())), max(high, -int(levels.min()))).width
    return levels, width


def _bits(words: np.ndarray, width: int) -> np.ndarray:
    """Return the bits of words of numbers, (depth, numbers * width)."""
    return ((words[:, :, None] >> np.arange(width)) & 1).reshape(len(words), -1)


@structure.register
def _(node: Threshold) -> Structure:
    found = _Parts()
    words = node.input_streams[0].vector_beats if node.thresholds.size > 1 else 1
    _watch_inert(found, node)
    found.registers += 4
    if words <= 1:
        limits = chain.from_iterable([node.thresholds.tolist()] * (node.pe if node.thresholds.size == 1 else 1))
        found.add(compared_luts=sum(_constant_luts(node.element, limit) for limit in limits))
        found.registers += 2 * node.pe
        return found.structure("Threshold")
    low, high = int(node.thresholds.min()), int(node.thresholds.max())
    limit = unsigned_for(high) if low >= 0 else signed_for(low, high)
    found.count(words)
    rows = beats_of(node.thresholds, node.input_streams[0])
    found.read_only(words, node.pe * limit.width, lambda: _bits(rows, limit.width))
    found.add(compared_bits=node.pe * max(limit.width, node.element.width))
    found.registers += node.pe * (node.element.width + 1)
    return found.structure("Threshold", read_only=tuple(found.blocks))


def _constant_luts(element: Element, limit: int) -> int:
    """Return the LUT4s that compare a number with a constant: its lowest zeros do not matter."""
    if limit <= element.minimum or limit > element.maximum:
        return 0
    zeros = (limit & -limit).bit_length() - 1 if limit else element.width
    return -(-max(element.width - zeros - 1, 0) // 3)


@structure.register
def _(node: WidthConverter) -> Structure:
    found = _Parts()
    width = node.element.width
    found.count(node.schedule().period)
    found.registers += 3
    if node.shifts_in:
        bits, places = node.depth * width, len(node.windows)
        found.add(chosen_bits=node.lanes_out * width * (places - 1), patterns=places)
    else:
        bits, places = node.depth * width, len(node.arrivals)
        moved = bits - node.lanes_out * width
        found.add(moved_bits=moved, shifted_bits=bits * (places - 1), patterns=places)
    found.registers += bits
    return found.structure("WidthConverter")


@structure.register
def _(node: ArgMax) -> Structure:
    found = _Parts()
    steps, width = node.input_streams[0].beats, node.key_element.width
    found.count(steps)
    index = (node.classes - 1).bit_length()
    multipliers = []
    for lane in range(node.pe):
        for values in (node.scale[lane :: node.pe], node.offset[lane :: node.pe]):
            if len(set(values.tolist())) > 1:
                bits = signed_for(int(values.min()), int(values.max())).width
                found.registers += bits
                found.roms.append(Rom(steps, bits))
        scale = node.scale[lane :: node.pe]
        if (scale != scale[0]).any():
            multipliers.append((node.element.width, signed_for(int(scale.min()), int(scale.max())).width))
        if node.offset[lane :: node.pe].any():
            found.add(offset_bits=width)
    ranked, lanes = node.pe, (node.pe - 1).bit_length()
    found.registers += node.pe * width
    while ranked > 1:
        found.add(ranked_bits=(ranked // 2) * (2 * width + lanes))
        ranked = -(-ranked // 2)
        found.registers += ranked * (width + lanes)
    found.add(best_bits=width, index_bits=index)
    found.registers += width + 2 * index + 2 * node.latency + 3
    return found.structure("ArgMax", multipliers=tuple(multipliers))


@structure.register
def _(node: Add) -> Structure:
    found = _Parts()
    sums = _integer_sums(node.term, len(node.operands))
    found.registers += node.latency + node.pe * sum(width for _, width in sums)
    exact = sums[-1][1]
    if all(isinstance(operand, Bipolar) for operand in node.operands):
        # All sums are even, or all are odd: their lowest bit is no register.
        found.registers -= node.pe
        found.add(bit_sums=node.pe * (exact - 1) * (len(node.operands) - 1))
    else:
        adders = node.pe * (len(node.operands) - 1)
        found.add(adder_bits=adders * exact, odd_adders=adders * (exact & 1))
    if node.saturates:
        found.add(saturated_bits=node.pe * node.element.width, lacking_bits=node.pe * (exact + 1 - node.element.width))
        found.registers += node.pe * node.element.width
    _watch_inert(found, node)
    return found.structure("Add")


@structure.register
def _(node: Concat) -> Structure:
    found = _Parts()
    bits, ports = node.pe * node.element.width, len(node.operands)
    found.count(node.schedule().period)
    found.add(chosen_bits=bits * (ports - 1), ports=ports)
    found.registers += bits + ports + node.latency
    return found.structure("Concat")


@structure.register
def _(node: Fork) -> Structure:
    found = _Parts()
    found.add(copies=node.copies)
    found.registers += node.pe * node.element.width + 1
    return found.structure("Fork")


@structure.register(SlidingWindow)
@structure.register(PoolNode)
def _(node: SlidingWindow | PoolNode) -> Structure:
    found = _Parts()
    at_once, (tall, wide) = node.taps_at_once, node.kernel
    taps = (tall * wide // max(at_once, wide), wide // min(at_once, wide))
    loops = [size for size in (*node.positions, *taps, node.channel_folds) if size > 1]
    found.count(*loops)
    found.add(loops=len(loops))
    found.registers += len(loops) + node.latency + 2
    place_bits = (node.places - 1).bit_length()
    found.count(node.places)
    # What an address grows by is found once for all.
    found.add(address_bits=(0.4 + 0.6 * at_once) * place_bits, chosen_bits=place_bits * len(loops))
    found.registers += at_once * place_bits
    schedule = node.schedule()
    for name, values in (("waited", schedule.needs), ("freed", schedule.frees)):
        bits = int(values.max()).bit_length()
        kinds = len(np.unique(values[values > 0]))
        found.add(sum_bits=place_bits + 1, **{f"{name}_bits": bits if kinds > 1 else 0, f"{name}_kinds": kinds - 1})
        found.registers += place_bits + 1 + (bits if kinds > 1 else 0)
    inside = sum((size - 1).bit_length() + 1 for size, pads in zip(node.shape, _pads(node), strict=False) if pads)
    found.add(inside_bits=min(3, at_once) * inside)
    found.registers += min(3, at_once) * inside + (at_once if inside else 0)
    width = node.pe * node.element.width
    taken = node.pe * node.output_element.width if isinstance(node, PoolNode) else at_once * width
    if isinstance(node, PoolNode):
        found.add(**{"greatest_bits" if width > node.pe else "greatest_bit": taken})
    else:
        found.add(padded_bits=taken if inside else 0)
    found.registers += taken
    _watch_inert(found, node)
    for _ in range(at_once):
        found.written(node.places, width)
    return found.structure("Window")


def _pads(node: SlidingWindow | PoolNode) -> tuple[bool, bool]:
    """Return whether rows and columns outside the image are read."""
    top, bottom, left, right = node.padding
    return bool(top or bottom), bool(left or right)
