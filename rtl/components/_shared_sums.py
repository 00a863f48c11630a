"""The neurons of a MatrixVector whose weights never change, as `dataflow.nodes.AdderGraph` shares their sums."""

from collections.abc import Callable, Sequence

from amaranth import Cat, Const, Module, Signal, Value, signed

import dataflow
from dataflow.nodes import AdderGraph, Count, Sum

__all__ = ["shared_sums"]


def shared_sums(m: Module, node: dataflow.MatrixVector, vector: Value) -> list[Value]:
    """Return the outputs of all neurons, from registers.

    Parameters
    ----------
    vector : the bits of the vector, from a register
    """
    graph, (levels,) = node.adder_graph, node.accumulator.levels.tolist()
    numbers = _numbers(m, graph, vector)
    made = graph.stage(graph.last_level)
    outputs: list[Value] = []
    for k, (result, level) in enumerate(zip(graph.results, levels, strict=True)):
        number = numbers(result.number, made)
        if node.thresholds is None:
            excess = result.constant - level + (-number if result.negative else number)
            assert node.accumulator.odds is not None
            output: Value = Cat(Const(int(node.accumulator.odds[0, k]), 1), excess).as_signed()
        elif result.negative:
            output = ~_reaches(m, number, graph.ranges[result.number], result.constant - level + 1, name=f"not_{k}")
        else:
            output = _reaches(m, number, graph.ranges[result.number], level - result.constant, name=f"reaches_{k}")
        shape = 1 if node.thresholds is not None else signed(node.element.width)
        for stage in range(made, graph.stages):
            late = Signal(shape, name=f"output_{k}_{stage}", reset_less=True)
            m.d.sync += late.eq(output)
            output = late
        outputs.append(output)
    return outputs


def _numbers(m: Module, graph: AdderGraph, vector: Value) -> Callable[[int, int], Value]:
    """Add the numbers of a graph; return a function that returns a number in a stage at or after its own."""
    lanes: list[list[Value]] = [[vector[lane]] for lane in range(graph.lanes)]
    found: list[list[Value]] = []

    def late(values: list[Value], stages: int, name: str) -> Value:
        """Return a value after a number of registers, which are added as they are needed."""
        while len(values) <= stages:
            following = Signal.like(values[-1], name=f"{name}_{len(values)}", reset_less=True)
            m.d.sync += following.eq(values[-1])
            values.append(following)
        return values[stages]

    def late_lane(lane: int, stage: int) -> Value:
        return late(lanes[lane], stage, f"lane_{lane}")

    def number(index: int, stage: int) -> Value:
        return late(found[index], stage - graph.stage(graph.levels[index]), f"number_{index}_late")

    for index, (each, level) in enumerate(zip(graph.numbers, graph.levels, strict=True)):
        low, high = graph.ranges[index]
        value = Signal(range(low, high + 1), name=f"number_{index}")
        stage = graph.stage(level)
        if isinstance(each, Count):
            bits = [late_lane(lane, stage) ^ inverted for lane, inverted in each.lanes]
            m.d.comb += value.eq(Cat(_count(m, bits, name=f"count_{index}")))
        elif isinstance(each, Sum):
            left, right = number(each.left, stage), number(each.right, stage)
            if each.carry is None:
                m.d.comb += value.eq(left + right)
            else:
                # A place below the lowest one gives the carry. Yosys adds three operands with two adders.
                lane, inverted = each.carry
                total = Signal(len(value) + 1, name=f"carried_{index}")
                m.d.comb += [total.eq(Cat(Const(1, 1), left) + Cat(late_lane(lane, stage) ^ inverted, right))]
                m.d.comb += value.eq(total[1:])
        else:
            total, part = number(each.total, stage), number(each.part, stage)
            # The lowest bit of the total goes through.
            m.d.comb += value.eq(Cat(total[0], total[1:] - part))
        found.append([value])
    return number


def _count(m: Module, bits: Sequence[Value], *, name: str) -> list[Value]:
    """Return the number of ones among up to six bits, the lowest bit first.

    It is written as full adders, because Yosys turns sums of bits into carry chains, which take more cells.
    """
    if len(bits) <= 3:
        return _added(m, bits, name=name)
    low, high = _added(m, bits[:3], name=f"{name}_low"), _added(m, bits[3:], name=f"{name}_high")
    ones, *carries = _added(m, [low[0], high[0]], name=f"{name}_ones")
    return [ones, *_added(m, [low[1], *high[1:], *carries], name=f"{name}_twos")]


def _added(m: Module, bits: Sequence[Value], *, name: str) -> list[Value]:
    """Return the sum of up to three bits."""
    if len(bits) == 1:
        return list(bits)
    low, high = Signal(name=f"{name}_1"), Signal(name=f"{name}_2")
    a, b, c = (*bits, Const(0, 1))[:3]
    m.d.comb += [low.eq(a ^ b ^ c), high.eq((a & b) | (a & c) | (b & c))]
    return [low, high]


def _reaches(m: Module, number: Value, span: tuple[int, int], limit: int, *, name: str) -> Value:
    """Return whether a number is at least a constant.

    It is written as gates, from the lowest bit on, because Yosys turns comparisons into carry chains, which take a LUT
    of 4 inputs per bit instead of one for three.

    Parameters
    ----------
    span : least and greatest value of the number
    """
    if limit <= span[0] or limit > span[1]:
        return Const(int(limit <= span[0]), 1)
    # With its highest bit inverted, a signed number is one without a sign.
    width, is_signed = len(number), span[0] < 0
    limit += is_signed << width - 1
    met: Value = Const(1, 1)
    for place in range(width):
        bit = number[place] ^ (is_signed and place == width - 1)
        met = bit & met if limit >> place & 1 else bit | met
    reached = Signal(name=name)
    m.d.comb += reached.eq(met)
    return reached
