"""The network's input as a stream: pixels, or the codes of the model's own input quantizer."""

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from dataflow import InputError, Integer, signed_for, unsigned_for
from quant.lowering.exact.numbers import Constant
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.operations import Elementwise
from quant.lowering.graph.walks import Chain, between
from quant.lowering.streams.functions import codes_of
from quant.lowering.streams.stream import IntegerStream

__all__ = ["Frame", "frames_of"]

#: Codes are enumerated, so they are at most this wide.
_widest = 16
#: A model that takes numbers up to 1 has no reason to begin by dividing them by more than this, or to subtract it.
_large = 64


@dataclass(frozen=True, eq=False)
class Frame:
    """What a frame of the network holds.

    Parameters
    ----------
    kind : "uint8/255" or "quant", see `lower`, or the type of integers that the model takes as they are
    element : type of its numbers
    stream : their meaning in the model
    metadata : what people need to make frames
    requantized : whether the network may make codes, or tabled bits, of a frame's numbers itself
    """

    kind: str
    element: Integer
    stream: IntegerStream
    metadata: dict[str, str]
    requantized: bool = False


def frames_of(graph: Graph) -> list[Frame]:
    """Return what a frame may hold, what is to be tried first before the others.

    The model's own codes come before pixels of which the network makes codes, since that is left to who has the pixels.

    Raises
    ------
    InputError
        The kind of input asked for does not fit the model.
    """
    kind, element = graph.input_kind, graph.input_element
    if kind in {"uint8/255", "uint8"} and element is not None and (kind != "uint8" or element != Integer(8)):
        other = "uint8" if element == Integer(8) else "quant"
        raise InputError(f"Input kind of a model that takes {element} must be 'auto' or {other!r}, not {kind!r}")
    if kind in {"uint8/255", "uint8"}:
        return _both(_pixels(graph, kind))
    quantizer = _input_quantizer(graph)
    if element is not None:  # first the integers as they are
        plain = _both(_integers(graph, element))
    elif kind == "auto":
        _check_range(graph)
        plain = _both(_pixels(graph, "uint8/255"))
    elif quantizer is None:
        raise InputError(
            f"Input kind must be 'uint8/255' or 'uint8' for model {graph.name!r}, whose input has no Quant of several "
            f"bits, not {kind!r}"
        )
    else:
        plain = []
    if quantizer is None:
        return plain
    codes = replace(_codes(graph, quantizer), requantized=True)
    return [*plain[:1], codes, *plain[1:]]


def _both(frame: Frame) -> list[Frame]:
    return [frame, replace(frame, requantized=True)]


def _check_range(graph: Graph) -> None:
    """Refuse to guess what a model takes whose first operators look like those that scale pixels from 0 to 255."""
    scaling = _scaling(graph)
    if scaling is not None:
        raise InputError(
            f"Input kind of model {graph.name!r} must be given, since its node {scaling.name!r} ({scaling.kind}) may "
            "scale pixels from 0 to 255, not left open: use input kind 'uint8' if it takes such pixels, 'uint8/255' if "
            "it takes them divided by 255"
        )


def _scaling(graph: Graph) -> Elementwise | None:
    """Return the first operator on the input that divides by, or adds, more than numbers up to 1 ask for."""
    for operation in graph.operations:
        if not isinstance(operation, Elementwise) or graph.input not in operation.inputs:
            continue
        numbers = [graph.constants[name].floats() for name in operation.operands if name in graph.constants]
        size = max((float(np.abs(values).max()) for values in numbers if values.size), default=0.0)
        small = operation.kind == "Mul" and 0 < size < 1 / _large
        if small or (operation.kind in {"Add", "Div", "Sub"} and size > _large):
            return operation
    return None


def _pixels(graph: Graph, kind: str) -> Frame:
    scale = Constant.of(np.array(Fraction(1, 255 if kind == "uint8/255" else 1), object))
    stream = IntegerStream(graph.input, graph.input, np.arange(256), scale, _zero(), numbers="pixels")
    return Frame(kind, Integer(8), stream, {})


def _integers(graph: Graph, element: Integer) -> Frame:
    points = np.arange(element.minimum, element.maximum + 1)
    stream = IntegerStream(graph.input, graph.input, points, Constant(np.ones(())), _zero(), numbers="integers")
    return Frame(str(element), element, stream, {})


def _zero() -> Constant:
    return Constant(np.zeros(()))


def _input_quantizer(graph: Graph) -> Elementwise | None:
    """Return the first quantizer to several bits that only the model's input goes into."""
    for operation in graph.operations:
        if not isinstance(operation, Elementwise) or operation.kind not in {"Quant", "IntQuant"}:
            continue
        several = operation.attributes["step"] != "bipolar" and operation.attributes["high"] > (
            operation.attributes["low"] + 1
        )
        if several and between(graph, graph.input, operation.output) is not None:
            return operation
    return None


def _codes(graph: Graph, quantizer: Elementwise) -> Frame:
    low, high = quantizer.attributes["low"], quantizer.attributes["high"]
    if high - low >= 1 << _widest:
        raise InputError(
            f"Codes of the input's node {quantizer.name!r} must have at most {_widest} bits, not {low} to {high}"
        )
    scale, zero_point = (graph.constants[name] for name in quantizer.operands[1:3])
    offset = Constant.of((-(scale.exact() * zero_point.exact())).values)
    element = signed_for(low, high) if low < 0 else unsigned_for(high)
    # All numbers of the type, so that a frame with a code that the quantizer never gives is computed like any other.
    points = np.arange(element.minimum, element.maximum + 1)
    stream = IntegerStream(quantizer.name, quantizer.output, points, scale, offset, numbers="codes")
    return Frame("quant", element, stream, _codes_of_pixels(graph, quantizer))


def _codes_of_pixels(graph: Graph, quantizer: Elementwise) -> dict[str, str]:
    """Return the code that each pixel of 8 bits gets, for those who have pixels; nothing where that is no one table."""
    steps = between(graph, graph.input, quantizer.output)
    unknown = graph.input_element is None and _scaling(graph) is not None  # whether of pixels or of pixels / 255
    if not steps or unknown or graph.input_element not in {None, Integer(8)}:
        return {}
    scale = Constant.of(np.array(Fraction(1, 255 if graph.input_element is None else 1), object))
    pixels = IntegerStream(graph.input, graph.input, np.arange(256), scale, _zero())
    codes = codes_of(graph, Chain(graph.input, steps[:-1], quantizer), pixels).joined()
    return {"codes_of_pixels": " ".join(map(str, codes.at(pixels.points)[:, 0]))} if codes.channels == 1 else {}
