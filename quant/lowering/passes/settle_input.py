"""The input's own operators and quantizer become thresholds on the integers of a frame.

Where they are no quantizer to one bit, the first layer takes the integers themselves, if what it is fed is an affine
function of them: ``sum(w * (a*p + b))`` is a function of ``sum(w * p)``.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from dataflow import InputError, Integer, signed_for, unsigned_for
from quant.lowering._padding import integer_outside
from quant.lowering._pools import takes_and
from quant.lowering._switches import Switch, choose, levels_of, switch_of
from quant.lowering.exact.numbers import Affine, Constant, Exact, NotAffineError
from quant.lowering.graph.chains import (
    Chain,
    Source,
    affine_behind,
    between,
    code_value,
    codes_of,
    find_chain,
    values_behind,
)
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.hardware import InputBits, InputIntegers
from quant.lowering.graph.operations import Dense, Elementwise, Operation, parameter_name

__all__ = ["settle_input"]

#: Codes are enumerated, so they are at most this wide.
_widest = 16


class _NoPixelsError(InputError):
    """The first layer takes no affine function of the integers of a frame, or none stands for its padding."""


class _NoCodesError(InputError):
    """The model's input has no Quant of several bits."""


def settle_input(graph: Graph) -> Graph:
    """Return the graph with `InputBits`, or `InputIntegers`, in front of the first layer.

    Where a bit falls with the integer, the hardware's bit is the other one, ``x >= threshold`` with the two values that
    it stands for exchanged; the exchange ends up as an inverted column of the next weights.

    Raises
    ------
    InputError
        Integers that are not made binary, or that do not fit the kind of input asked for.
    """
    return _settled_as_it_fits(graph) if graph.input_kind == "auto" else _check_reads(_settled(graph))


def _settled(graph: Graph) -> Graph:
    first = next(each for each in graph.operations if isinstance(each, Dense))
    start, element, source = _start_of(graph, first)
    chain = find_chain(graph, start, first.source)
    if chain is None:
        return _with_integers(graph, first, start, element, source)
    codes = codes_of(graph, chain, source)
    if chain.quantizer.kind in {"Quant", "IntQuant"} and len(np.unique(codes)) > 2:
        return _with_integers(graph, first, start, element, source)
    low, high = levels_of(chain.quantizer, codes)
    switch = switch_of(codes == high, chain.quantizer.name, "input", source.points)
    ends = np.append(source.points, element.maximum + 1)
    thresholds = np.where(switch.place == 0, element.minimum, ends[switch.place])
    zero, one = (code_value(graph, chain.quantizer, code) for code in (low, high))
    values = choose(switch.rising, zero, one), choose(switch.rising, one, zero)
    _check_pools(graph, first, chain, source, switch, values)
    bits = InputBits(
        chain.quantizer.name,
        chain.quantizer.output,
        graph.input,
        element,
        thresholds.astype(np.int64),
        *values,
    )
    return graph.with_operations((bits, *_behind(graph, chain.quantizer.output, first)))


def _behind(graph: Graph, start: str, first: Dense) -> list[Operation]:
    """Return what depends on a tensor among the operations in front of the first layer, and all from there on."""
    place = graph.operations.index(first)
    reached, found = {start}, []
    for operation in graph.operations[:place]:
        if operation.output not in reached and reached.intersection(operation.inputs):
            reached.add(operation.output)
            found.append(operation)
    return [*found, *graph.operations[place:]]


def _check_reads(graph: Graph) -> Graph:
    """Return the graph, none of whose branches reads the input beside its quantizer."""
    written = {operation.output for operation in graph.operations} | {graph.input, *graph.constants}
    for operation in graph.operations[1:]:
        if not written.issuperset(operation.inputs) or graph.input in operation.inputs:
            raise InputError(
                f"Node {operation.name!r} must read what a layer or the input's quantizer makes, "
                "not the model's input beside it"
            )
    return graph


def _settled_as_it_fits(graph: Graph) -> Graph:
    """Return the graph that takes pixels if the first layer can, else codes."""
    pixels, codes = (
        replace(graph, input_kind=kind, metadata={**graph.metadata, "input": kind}) for kind in ("uint8/255", "quant")
    )
    if graph.input_element is not None:
        return settle_input(codes)
    try:
        return settle_input(pixels)
    except _NoPixelsError as error:
        try:
            return settle_input(codes)
        except _NoCodesError:
            raise error from None


def _check_pools(
    graph: Graph, first: Dense, chain: Chain, source: Source, switch: Switch, values: tuple[Constant, Constant]
) -> None:
    """Refuse pools that are no OR of the input's bits, which the hardware cannot invert."""
    pools, channels = first.site.pools, len(switch.place)
    for pool in pools:
        if between(graph, chain.quantizer.output, pool.tensor) is None:
            raise InputError(
                f"Node {pool.name!r} (MaxPool) must stand behind the quantizer {chain.quantizer.name!r}, "
                "not in front of it: pool bits"
            )
    rising = replace(switch, rising=np.ones(channels, bool))
    inverted = takes_and(graph, pools, chain, source, rising, (values[0].exact(), values[1].exact()))
    if inverted.any():
        raise InputError(
            f"Node {pools[0].name!r} (MaxPool) must take bits that rise with the input's numbers, "
            f"not falling ones as in channel {int(inverted.argmax())}: use positive scales in front of it"
        )


def _with_integers(graph: Graph, first: Dense, start: str, element: Integer, source: Source) -> Graph:
    """Return the graph whose first layer takes the input's integers themselves."""
    for pool in first.site.pools:
        raise InputError(
            f"Node {pool.name!r} (MaxPool) must pool bits, not the input's {element} numbers: put it behind a layer"
        )
    slope, offset = _affine_at(graph, first, first.source, start, source)
    site = replace(first.site, pad=_padded_integer(graph, first, start, element, source))
    output = parameter_name(graph.input, "integers")
    name = next((each.name for each in reversed(graph.operations) if each.output == first.source), graph.input)
    integers = InputIntegers(name, output, graph.input, element, Constant.of(slope.values), Constant.of(offset.values))
    later = graph.operations[graph.operations.index(first) + 1 :]
    shapes = {**graph.shapes, output: graph.shapes[graph.input]}
    metadata = {**graph.metadata, **_codes_of_pixels(graph, start)}
    operations = (integers, replace(first, source=output, site=site), *later)
    return graph.with_operations(operations, shapes=shapes, metadata=metadata)


def _codes_of_pixels(graph: Graph, start: str) -> dict[str, str]:
    """Return the code that each pixel of 8 bits gets, for those who have pixels; nothing where that is no one table."""
    operations = between(graph, graph.input, start)
    if not operations or graph.input_element is not None:
        return {}
    chain = Chain(graph.input, operations[:-1], operations[-1])
    pixels = Source(np.arange(256), Constant.of(np.array(Fraction(1, 255), object)), Constant(np.zeros(())))
    codes = codes_of(graph, chain, pixels)
    return {"codes_of_pixels": " ".join(map(str, codes[:, 0]))} if (codes == codes[:, :1]).all() else {}


def _affine_at(graph: Graph, first: Dense, tensor: str, start: str, source: Source) -> tuple[Exact, Exact]:
    """Return slope and offset, () or (channels,), of a tensor over the input's integers."""
    operations = between(graph, start, tensor)
    assert operations is not None
    span = int(np.abs(source.points).max())
    try:
        affine = affine_behind(graph, operations, start, Affine(source.slope.exact(), source.offset.exact(), span))
    except NotAffineError:
        return _affine_table(graph, first, operations, start, source)
    return affine.slope, affine.offset


def _affine_table(
    graph: Graph, first: Dense, operations: tuple[Elementwise, ...], start: str, source: Source
) -> tuple[Exact, Exact]:
    """Return slope and offset of operators that might bend, by all their values."""
    points = Constant(source.points.astype(np.float64)[:, None]).exact()
    values = values_behind(graph, operations, start, points * source.slope.exact() + source.offset.exact())
    slope = Exact(values.values[1] - values.values[0])
    offset = Exact(values.values[0]) - slope * Exact(points.values[0])
    bent = (values - points * slope - offset).signs().any(axis=1)
    if bent.any():
        raise _NoPixelsError(
            f"Input of node {first.name!r} must be an affine function of the integers of a frame, "
            f"not one that bends at {int(source.points[bent.argmax() - 1])}: "
            "use input kind 'quant', where frames hold the codes of the input's Quant, or a BipolarQuant in front"
        )
    return _one_for_all(slope), _one_for_all(offset)


def _one_for_all(numbers: Exact) -> Exact:
    return Exact(numbers.values.reshape(())) if numbers.values.size == 1 else numbers


def _padded_integer(graph: Graph, first: Dense, start: str, element: Integer, source: Source) -> int:
    """Return the integer that stands for the number outside the image."""
    padding = first.site.padding
    if padding is None:
        return 0
    if between(graph, start, padding.tensor) is None:
        raise InputError(f"Node {padding.name!r} (Pad) must stand behind the input's quantizer, not in front of it")
    slope, offset = _affine_at(graph, first, padding.tensor, start, source)
    number = integer_outside(padding, source.points, slope, offset)
    if number is None:
        raise _NoPixelsError(
            f"Padding of node {padding.name!r} must be a number that an integer of a frame stands for in all channels, "
            f"not {float(padding.value.exact().values.item()):g}: pad with such a number, or leave the padding out"
        )
    return number


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
    raise _NoCodesError(
        f"Input kind must be 'uint8/255' for model {graph.name!r}, whose input has no Quant of several bits, "
        f"not {graph.input_kind!r}"
    )
