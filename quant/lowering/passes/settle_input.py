"""The input's own operators and quantizer become thresholds on the integers of a frame."""

from fractions import Fraction

import numpy as np

from dataflow import InputError, Integer, signed_for, unsigned_for
from quant.lowering._chains import Source, between, code_value, codes_of, find_chain
from quant.lowering._graph import Dense, Graph, InputBits
from quant.lowering._reals import Constant, Exact
from quant.lowering._switches import levels_of, switch_of

__all__ = ["settle_input"]

#: Codes are enumerated, so they are at most this wide.
_widest = 16


def settle_input(graph: Graph) -> Graph:
    """Return the graph with `InputBits` in front of the first dense layer.

    Where a bit falls with the integer, the hardware's bit is the other one, ``x >= threshold`` with the two values that
    it stands for exchanged; the exchange ends up as an inverted column of the next weights.

    Raises
    ------
    InputError
        Integers that are not made binary, or that do not fit the kind of input asked for.
    """
    first = next(each for each in graph.operations if isinstance(each, Dense))
    start, element, source = _start_of(graph, first)
    chain = find_chain(graph, start, first.source)
    if chain is None:
        raise InputError(
            f"Input of node {first.name!r} must be binary, not {element} numbers: "
            "binarize the input with a BipolarQuant, or a Quant of one bit, in front of it"
        )
    codes = codes_of(graph, chain, source)
    low, high = levels_of(chain.quantizer, codes)
    switch = switch_of(codes == high, chain.quantizer.name, "input", source.points)
    ends = np.append(source.points, element.maximum + 1)
    thresholds = np.where(switch.place == 0, element.minimum, ends[switch.place])
    zero, one = (code_value(graph, chain.quantizer, code) for code in (low, high))
    bits = InputBits(
        chain.quantizer.name,
        chain.quantizer.output,
        graph.input,
        element,
        thresholds.astype(np.int64),
        _choose(switch.rising, zero, one),
        _choose(switch.rising, one, zero),
    )
    behind = between(graph, chain.quantizer.output, first.source)
    assert behind is not None
    later = graph.operations[graph.operations.index(first) :]
    return graph.with_operations((bits, *behind, *later))


def _start_of(graph: Graph, first: Dense) -> tuple[str, Integer, Source]:
    """Return the tensor that the network's integers stand for, their type and their values."""
    none = Constant(np.zeros(()))
    if graph.input_kind == "uint8/255":
        if graph.input_element is not None:
            raise InputError(
                f"Input kind of a model that takes {graph.input_element} must be 'quant', not {graph.input_kind!r}"
            )
        slope = Constant.of(np.array(Fraction(1, 255), object))
        return graph.input, Integer(8), Source(np.arange(256), slope, none)
    if graph.input_element is not None:
        points = np.arange(graph.input_element.minimum, graph.input_element.maximum + 1)
        return graph.input, graph.input_element, Source(points, Constant(np.ones(())), none)
    return _quantized_start(graph, first)


def _quantized_start(graph: Graph, first: Dense) -> tuple[str, Integer, Source]:
    for operation in between(graph, graph.input, first.source) or ():
        if operation.kind not in {"Quant", "IntQuant"} or between(graph, operation.output, first.source) is None:
            continue
        low, high = operation.attributes["low"], operation.attributes["high"]
        if operation.attributes["step"] == "bipolar" or high - low < 2:
            continue
        if high - low >= 1 << _widest:
            raise InputError(
                f"Codes of the input's node {operation.name!r} must have at most {_widest} bits, not {low} to {high}"
            )
        scale, zero_point = (graph.constants[name] for name in operation.operands[1:3])
        offset = -(scale.exact() * zero_point.exact())
        element = signed_for(low, high) if low < 0 else unsigned_for(high)
        return operation.output, element, Source(np.arange(low, high + 1), scale, Constant.of(offset.values))
    raise InputError(
        f"Input kind must be 'uint8/255' for model {graph.name!r}, whose input has no Quant of several bits, "
        f"not {graph.input_kind!r}"
    )


def _choose(where: np.ndarray, yes: Exact, no: Exact) -> Constant:
    """Return `yes` or `no` by channel; without channels if `where` is true everywhere."""
    chosen = yes.values if where.all() else np.where(where, yes.values, no.values)
    return Constant.of(chosen.reshape(()) if chosen.size == 1 else chosen)
