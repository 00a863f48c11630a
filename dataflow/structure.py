"""What hardware is made of: for each node kind, the parts that its cost grows with.

Counted here as `rtl.components` builds them: adders of the popcount, registers, counters, memories. What a part costs
in a device family is fitted to synthesis, see `dataflow.cost`.
"""

from functools import singledispatch

import numpy as np

from dataflow.elements import Bipolar, Element, Integer, integer_for, numbers_of, signed_for, unsigned_for
from dataflow.logic import Groups, Ring, Rom
from dataflow.nodes import (
    Add,
    ArgMax,
    Concat,
    Fork,
    MatrixVector,
    Node,
    PoolNode,
    SlidingWindow,
    SumPool,
    Threshold,
    WidthConverter,
    popcount_group,
    popcount_stages,
)
from dataflow.parts import Parts, Structure
from dataflow.storage import in_registers
from dataflow.streams import beats_of

__all__ = ["fifo_structure", "structure"]


def fifo_structure(width: int, depth: int) -> Structure:
    """Return what a FIFO of `depth` words of `width` bits is made of."""
    found = Parts()
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
    found = Parts()
    synapse_folds, neuron_folds = node.synapse_folds, node.neuron_folds
    steps, of_bits = synapse_folds * neuron_folds * node.groups, isinstance(node.operand, Bipolar)
    found.count(steps, synapse_folds)
    found.registers += 4 + popcount_stages(node.simd) + node.latency
    _held_vector(found, synapse_folds if neuron_folds > 1 else 1, node.simd * node.operand.width, neuron_folds > 1)

    fixed = found.read_only(steps, node.pe * node.simd, lambda: node.weight_words)
    weight_memories, found.blocks = tuple(found.blocks), []
    if of_bits:
        whole, rest = divmod(node.simd, popcount_group)
        found.groups += [Groups(popcount_group, whole, node.pe, fixed)] * (whole > 0)
        found.groups += [Groups(rest, 1, node.pe, fixed)] * (rest > 0)
        _popcount(found, node.simd, node.pe)
    else:
        found.add(inverted_bits=node.pe * node.simd * node.operand.width * (1 - fixed))
        _integer_sum(found, _factor(node.operand), node.simd, node.pe)
    _accumulators(found, node)
    _watch_inert(found, node)
    if node.position_classes is not None:
        found.count(len(node.position_classes))
        found.add(class_bits=4 * int(node.position_classes.max()).bit_length())
    kind = "MatrixVector.bits" if of_bits else "MatrixVector.integers"
    return found.structure(kind, weight_memories=weight_memories, read_only=tuple(found.blocks), one_port=True)


def _accumulators(found: Parts, node: MatrixVector) -> None:
    """Add what sums over the groups of synapses, what it starts from, and the outputs."""
    levels, width = _levels(node)
    rows = -node.neuron_words(levels)
    if (rows != rows[0]).any():
        found.count(node.neuron_folds * node.groups)
        found.read_only(len(rows), node.pe * width, lambda: _bits(rows, width))
    if node.synapse_folds > 1:
        found.add(started_bits=node.pe * width)
    found.total((width, width), width, node.pe)
    found.registers += node.pe * node.element.width
    if node.thresholds is not None:
        found.add(signs=node.pe)


def _watch_inert(found: Parts, node: Node) -> None:
    """Add what tells the last beat of a vector out, where it has inert lanes; the lanes' registers are reset then."""
    (stream,) = node.output_streams
    if stream.inert:
        found.count(stream.vector_beats)
        found.registers += 1


def _held_vector(found: Parts, folds: int, width: int, repeated: bool) -> None:
    """Add the vector of a matrix, `folds` beats of `width` bits."""
    if repeated and folds > 1:
        found.add(held_bits=width)
    if in_registers(folds, width):
        found.rings.append(Ring(folds, width))
        return
    found.registers += width + 1
    found.written(folds, width)


def _popcount(found: Parts, simd: int, copies: int) -> None:
    """Add the registered sums of a popcount, the counts of the groups among them."""
    limits = [min(popcount_group, simd - start) for start in range(0, simd, popcount_group)]
    found.registers += copies * sum(limit.bit_length() for limit in limits)
    while len(limits) > 1:
        groups = [limits[start : start + 3] for start in range(0, len(limits), 3)]
        limits = [sum(group) for group in groups]
        for group in groups:
            found.total([limit.bit_length() for limit in group], sum(group).bit_length(), copies)


def _integer_sum(found: Parts, factor: Integer, simd: int, copies: int) -> None:
    """Add the registered sums of integers."""
    counts, size = [1] * simd, popcount_group
    while len(counts) > 1 or size == popcount_group:
        groups = [counts[start : start + size] for start in range(0, len(counts), size)]
        counts, size = [sum(group) for group in groups], 3
        for group in groups:
            widths = [signed_for(each * factor.minimum, each * factor.maximum).width for each in (*group, sum(group))]
            found.total(widths[:-1] if len(group) > 2 else [widths[-1] - 1] * len(group), widths[-1], copies)


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
    found = Parts()
    words = node.input_streams[0].vector_beats if node.thresholds.size > 1 else 1
    _watch_inert(found, node)
    found.registers += 4
    if words <= 1:
        limits = node.thresholds.tolist() * (node.pe if node.thresholds.size == 1 else 1)
        found.constants += [_compared_bits(node.element, limit) for limit in limits]
        found.registers += 2 * node.pe
        return found.structure("Threshold")
    low, high = int(node.thresholds.min()), int(node.thresholds.max())
    limit = unsigned_for(high) if low >= 0 else signed_for(low, high)
    found.count(words)
    rows = beats_of(node.thresholds, node.input_streams[0])
    found.read_only(words, node.pe * limit.width, lambda: _bits(rows, limit.width))
    width = node.pe * max(limit.width, node.element.width)
    found.add(compared_bits=width, limit_columns=sum(rom.columns for rom in found.roms) or width)
    found.registers += node.pe * (node.element.width + 1)
    return found.structure("Threshold", read_only=tuple(found.blocks))


def _compared_bits(element: Element, limit: int) -> int:
    """Return the bits of a number that decide whether it reaches a limit: those below the limit's lowest 1 do not."""
    if limit <= element.minimum or limit > element.maximum:
        return 0
    return element.width - ((limit & -limit).bit_length() - 1) if limit else 1


@structure.register
def _(node: WidthConverter) -> Structure:
    found = Parts()
    width = node.element.width
    schedule = node.schedule()
    found.count(schedule.period)
    found.registers += 3
    patterns = [*schedule.consumes, *schedule.emits, *(node.windows if node.shifts_in else node.arrivals).values()]
    distinct = {pattern.tobytes(): min(pattern.sum(), (~pattern).sum()) for pattern in patterns}
    # A step among others is told by few LUTs, steps here and there by a table.
    found.add(step_luts=sum(min(int(rarer), schedule.period / 8) for rarer in distinct.values()))
    (_chosen_beats if node.shifts_in else _entering_beats)(found, node)
    found.registers += node.depth * width
    return found.structure("WidthConverter")


def _chosen_beats(found: Parts, node: WidthConverter) -> None:
    """Add what cuts the beats out out of a register."""
    shown = np.array([count for _, count in node.windows])[:, None] > np.arange(node.lanes_out)
    sources = shown.sum(axis=0) + (~shown).any(axis=0)
    found.choose(sources, node.element.width)
    # One of three costs up to a LUT more: the choice comes from many steps.
    if node.schedule().period > 4:
        found.add(cut_threes=node.element.width * int((sources == 3).sum()))
    found.add(patterns=len(shown) - 1)


def _entering_beats(found: Parts, node: WidthConverter) -> None:
    """Add what enters beats into a register above what is held there, which moves down."""
    places = np.arange(node.depth)
    entering = np.array(list(node.arrivals))[:, None]
    sources = ((places >= entering) & (places < entering + node.lanes_in)).sum(axis=0)
    for amount in (node.lanes_out, *node.short_shifts):
        sources += places + amount < node.depth
    found.choose(sources, node.element.width)
    found.add(entering_threes=node.element.width * int((sources == 3).sum()))
    found.choose(np.full(sum(node.lanes_out - count for count in node.short_beats), 2), node.element.width)
    found.add(patterns=len(entering) + len(node.short_shifts) + len(node.short_beats) - 1)


@structure.register
def _(node: ArgMax) -> Structure:
    found = Parts()
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
        if (scale != scale[0]).any() or abs(int(scale[0])) & (abs(int(scale[0])) - 1):
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
    found = Parts()
    found.registers += node.latency
    count, exact = len(node.operands), integer_for(*node.span).width
    if all(isinstance(operand, Bipolar) for operand in node.operands):
        # All sums are even, or all are odd: their lowest bit is no register.
        found.registers += node.pe * (exact - 1)
        found.add(bit_sums=node.pe * (exact - 1), bit_trees=node.pe * (count > 2))
    else:
        numbers = [numbers_of(operand) for operand in node.operands]
        widths = [high.bit_length() if low >= 0 else exact - 1 for low, high in numbers]
        width = min(widths) if count == 2 else node.term.width - (min(node.span) >= 0)
        found.total([width] * count, exact, node.pe)
    if node.saturates:
        # Without a sign, what is too much sets the register.
        held = "saturated_bits" if node.element.signed else "capped_bits"
        found.add(**{held: node.pe * node.element.width}, lacking_bits=node.pe * (exact + 1 - node.element.width))
        found.registers += node.pe * node.element.width
    _watch_inert(found, node)
    return found.structure("Add")


@structure.register
def _(node: Concat) -> Structure:
    found = Parts()
    bits, ports = node.pe * node.element.width, len(node.operands)
    found.count(node.schedule().period)
    found.choose(np.array([ports]), bits)
    found.add(ports=ports)
    found.registers += bits + ports + node.latency
    return found.structure("Concat")


@structure.register
def _(node: Fork) -> Structure:
    found = Parts()
    found.add(copies=node.copies)
    found.registers += node.pe * node.element.width + 1
    return found.structure("Fork")


@structure.register(SlidingWindow)
@structure.register(PoolNode)
def _(node: SlidingWindow | PoolNode) -> Structure:
    found = Parts()
    at_once, (tall, wide) = node.taps_at_once, node.kernel
    taps = (tall * wide // max(at_once, wide), wide // min(at_once, wide))
    loops = [size for size in (*node.positions, *taps, node.channel_folds) if size > 1]
    found.count(*loops)
    found.add(loops=len(loops))
    found.registers += len(loops) + node.latency + 2
    place_bits = (node.places - 1).bit_length()
    found.count(node.places)
    # What an address grows by is found once for all; growing is two sums, of which one is taken. A bit that is 0 in all
    # that an address may grow by needs no LUT where a carry takes it as it is.
    steps = _address_steps(node)
    moving = sum(
        int(np.bitwise_or.reduce(each)).bit_count() for each in (steps, (steps - node.places) % (2 * node.places))
    )
    found.add(address_sum_bits=2 * at_once * place_bits, moving_address_bits=at_once * moving)
    found.add(chosen_address_bits=at_once * place_bits, chosen_bits=place_bits * len(loops))
    found.registers += at_once * place_bits
    for values in _beats_by_window(node):
        found.add(sum_bits=place_bits + 1)
        found.registers += place_bits + 1
        _by_window(found, values)
    # Each of the rows and columns that are read at once is watched for being in the image.
    at_once_each = (max(1, at_once // wide), min(at_once, wide))
    padded = zip(at_once_each, node.shape, _pads(node), strict=False)
    inside = sum(count * ((size - 1).bit_length() + 1) for count, size, pads in padded if pads)
    found.add(inside_bits=inside)
    found.registers += inside + (at_once if inside else 0)
    width = node.pe * node.element.width
    taken = node.pe * node.output_element.width if isinstance(node, PoolNode) else at_once * width
    if isinstance(node, PoolNode):
        found.count(node.taps)
    if isinstance(node, SumPool):
        found.add(summed_bits=taken)
    elif isinstance(node, PoolNode):
        found.add(**{"greatest_bits" if width > node.pe else "greatest_bit": taken})
    else:
        found.add(padded_bits=taken if inside else 0)
    found.registers += taken
    _watch_inert(found, node)
    for _ in range(at_once):
        found.written(node.places, width)
    return found.structure("Window")


def _address_steps(node: SlidingWindow | PoolNode) -> np.ndarray:
    """Return what an address may grow by, modulo the places, int64: as much for each loop, and for a new frame."""
    pixel, (down, right), (apart_y, apart_x) = node.channel_folds, node.stride, node.dilation
    line, (tall, wide) = node.shape[1] * pixel, node.kernel
    high, broad = max(1, node.taps_at_once // wide), min(node.taps_at_once, wide)
    sizes = np.array([*node.positions, tall // high, wide // broad, pixel])
    beats = np.array([down * line, right * pixel, high * apart_y * line, broad * apart_x * pixel, 1])
    back = np.append(np.cumsum((beats * (sizes - 1))[::-1])[::-1][1:], 0)
    steps = np.append(beats - back, node.shape[0] * line - (beats * (sizes - 1)).sum())
    return steps[np.append(sizes > 1, True)] % node.places


def _beats_by_window(node: SlidingWindow | PoolNode) -> tuple[np.ndarray, np.ndarray]:
    """Return how many beats more the window behind each needs, and how many each frees, both (rows, columns) int64."""
    schedule, shape = node.schedule(), node.positions
    needs = schedule.needs.reshape(shape[0] * shape[1], -1)[:, 0]
    frees = schedule.frees.reshape(shape[0] * shape[1], -1)[:, -1]
    until = np.cumsum(frees) - frees + needs
    claims = np.append(until[1:], until[0] + frees.sum()) - until
    return claims.reshape(shape), frees.reshape(shape)


def _by_window(found: Parts, grid: np.ndarray) -> None:
    """Add what tells a number of each window by its row and column, of which a few kinds differ."""
    if (grid == grid.flat[0]).all():
        return
    bits = int(grid.max()).bit_length()
    following = np.roll(grid.ravel(), -1).reshape(grid.shape)
    kinds = np.unique(following, axis=0)
    found.add(grid_bits=bits, grid_kinds=len(kinds) - 1 + len(np.unique(kinds, axis=1).T) - 1)
    found.registers += bits


def _pads(node: SlidingWindow | PoolNode) -> tuple[bool, bool]:
    """Return whether rows and columns outside the image are read."""
    top, bottom, left, right = node.padding
    return bool(top or bottom), bool(left or right)
