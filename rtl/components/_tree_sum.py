"""A neuron's sum of products in carry chains, as `dataflow.nodes.AdderTree` divides it."""

from collections.abc import Mapping, Sequence

from amaranth import Cat, Const, Module, Signal, Value

from dataflow.nodes import AdderTree
from rtl.components._carry_chain import ACCUMULATE, ADD, ADD_PRODUCT, ADD_PRODUCTS, INJECT, Half, chained

__all__ = ["Base", "tree_sum", "waiting"]

#: The bits of the lanes that are not yet added, by lane.
Lanes = Mapping[int, Sequence[Value]]

#: What an accumulator adds to: a level; or whether it starts, the level from which it starts, and its last value.
Base = tuple[Value] | tuple[Value, Value, Value]

_ZERO = Const(0, 1)


def waiting(m: Module, tree: AdderTree, value: Value, *, name: str) -> list[Lanes]:
    """Return the lanes of a vector after each number of registers, as far as they are added then or later.

    Parameters
    ----------
    value : the lanes, all of the same width
    """
    width = len(value) // tree.lanes
    current = Signal(len(value), name=f"{name}_0")
    m.d.comb += current.eq(value)
    first, found = 0, list[Lanes]()
    for stage in range(tree.stages + 1):
        if stage:
            rest = tree.first_lane(stage)
            late = Signal(width * (tree.lanes - rest), name=f"{name}_{stage}", reset_less=True)
            m.d.sync += late.eq(current[width * (rest - first) :])
            current, first = late, rest
        found.append({lane: list(current.word_select(lane - first, width)) for lane in range(first, tree.lanes)})
    return found


def tree_sum(
    m: Module,
    tree: AdderTree,
    numbers: Sequence[Lanes],
    weights: Sequence[Lanes],
    *,
    base: Base,
    name: str,
) -> Value:
    """Return the next value of a neuron's accumulator.

    Parameters
    ----------
    numbers, weights : what `waiting` returned for the vector, and for the neuron's inverted weights
    name : prefix of the names of signals
    """
    sums = {
        place: Signal(tree.width(place), name=f"{name}_sum_{place[0]}_{place[1]}", reset_less=True)
        for place in tree.places
    }
    *others, total = tree.places
    found: dict[tuple[int, int], Value] = {}
    halves_of = _counted if tree.counts else _added
    for number, chain in enumerate(tree.chains):
        halves: list[Half] = []
        ends = [0]
        for place in chain:
            level, addition = place[0], tree.addition(place)
            below = [sums[level - 1, each] for each in addition.sums]
            stage = tree.stage(level)
            lanes = [(numbers[stage][lane], weights[stage][lane]) for lane in addition.lanes]
            halves += halves_of(tree, below, lanes, tree.width(place), base if place == total else ())
            ends.append(len(halves))
        if len(halves) < tree.length(chain):
            halves.append(Half(INJECT, _ZERO, _ZERO))
        outputs = chained(m, f"{name}_chain_{number}", halves)
        for place, start, end in zip(chain, ends[:-1], ends[1:], strict=True):
            # The first half of a count gives out the carry of the count before it, which is that count's highest bit.
            bits = outputs[start + 1 : end + 1] if tree.counts else outputs[start:end]
            found[place] = Cat(bits[: tree.width(place)])
    for place in others:
        passed_on = sums[place[0] - 1, tree.addition(place).sums[0]] if place not in found else found[place]
        m.d["sync" if tree.is_registered(place[0]) else "comb"] += sums[place].eq(passed_on)
    return found[total].as_signed()


def _counted(
    tree: AdderTree,
    below: Sequence[Value],
    lanes: Sequence[tuple[Sequence[Value], Sequence[Value]]],
    width: int,
    base: Base | tuple[()],
) -> list[Half]:
    """Return the halves of a count: of matches, of which the first is the carry, and of up to two counts."""
    matches = [(number[0], weight[0]) for number, weight in lanes]
    carry, *others = matches or [(_ZERO, _ZERO)]
    halves = [Half(INJECT, *carry)]
    if others:
        factors = [factor for match in others for factor in match]
        halves.append(Half(ADD_PRODUCTS, *factors, *[_ZERO] * (4 - len(factors))))
    places = width if base else max((len(each) for each in below), default=0)
    return halves + [_add([_bit(each, place, signed=False) for each in below], base, place) for place in range(places)]


def _added(
    tree: AdderTree,
    below: Sequence[Value],
    lanes: Sequence[tuple[Sequence[Value], Sequence[Value]]],
    width: int,
    base: Base | tuple[()],
) -> list[Half]:
    """Return the halves of a sum: of up to two integers, or of one and a lane, or of up to two lanes."""
    halves = []
    for place in range(width):
        bits = [_bit(each, place, signed=True) for each in below]
        factors = []
        for number, weight in lanes:
            # An unsigned number has one bit less than its term, which is 0.
            factors += [_bit(number, place, signed=tree.term.width == len(number)), weight[0]]
        if below:
            halves.append(Half(ADD_PRODUCT, *bits, *factors) if lanes else _add(bits, base, place))
        else:
            halves.append(Half(ADD_PRODUCTS, *factors, *[_ZERO] * (4 - len(factors))))
    return halves


def _add(bits: Sequence[Value], base: Base | tuple[()], place: int) -> Half:
    """Return the half that adds two bits, or a bit to the accumulator's."""
    if not base:
        return Half(ADD, *bits)
    (bit,) = bits
    if len(base) == 1:
        return Half(ADD, bit, base[0][place])
    start, level, last = base
    return Half(ACCUMULATE, bit, level[place], last[place], start)


def _bit(bits: Value | Sequence[Value], place: int, *, signed: bool) -> Value:
    """Return a bit of a number; beyond its highest one, its sign or 0."""
    if place < len(bits):
        return bits[place]
    return bits[len(bits) - 1] if signed else _ZERO
