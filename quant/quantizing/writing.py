"""Quant nodes in an ONNX graph."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from quant.quantizing.view import View

__all__ = ["DOMAIN", "insert_quant", "make_bipolar", "normalized"]

#: QONNX's domain.
DOMAIN = "qonnx.custom_op.general"


def insert_quant(
    view: View,
    tensor: str,
    readers: list[tuple[onnx.NodeProto, int]],
    scale: np.ndarray,
    *,
    bits: int,
    signed: bool,
    narrow: bool = False,
) -> str:
    """Let readers of a tensor read it through a Quant, and return the name of what they then read.

    Parameters
    ----------
    scale : one number, or one for each channel in a shape that broadcasts
    narrow : whether the least code is missing, so that codes are as many on both sides
    """
    graph = view.model.graph
    output = _unused(view, f"{tensor}_quantized")
    values = {
        "scale": np.asarray(scale, np.float32),
        "zero_point": np.zeros((), np.float32),
        "bit_width": np.array(bits, np.float32),
    }
    for name, value in values.items():
        graph.initializer.append(numpy_helper.from_array(value, f"{output}_{name}"))
    node = helper.make_node(
        "Quant",
        [tensor, *(f"{output}_{name}" for name in values)],
        [output],
        name=output,
        domain=DOMAIN,
        signed=int(signed),
        narrow=int(narrow),
        rounding_mode="ROUND",
    )
    for reader, place in readers:
        reader.input[place] = output
    first = min(_place_of(graph, reader) for reader, _ in readers)
    graph.node.insert(first, node)
    return output


def make_bipolar(view: View, node: onnx.NodeProto) -> None:
    """Make a Sign a BipolarQuant of scale 1, whose sign of 0 is +1."""
    scale = _unused(view, f"{node.output[0]}_scale")
    view.model.graph.initializer.append(numpy_helper.from_array(np.ones((), np.float32), scale))
    node.op_type, node.domain = "BipolarQuant", DOMAIN
    node.input.append(scale)


def normalized(model: onnx.ModelProto, mean: list[float], deviation: list[float]) -> onnx.ModelProto:
    """Return a model that takes pixels divided by 255 from one that takes them minus a mean, over a deviation.

    Parameters
    ----------
    mean, deviation : one number, or one for each channel
    """
    model = onnx.ModelProto.FromString(model.SerializeToString())
    graph = model.graph
    given = {tensor.name for tensor in graph.initializer}
    source = next(value for value in graph.input if value.name not in given)
    sizes = [dimension.dim_value for dimension in source.type.tensor_type.shape.dim]
    names = ["pixels_mean", "pixels_deviation", "pixels_centred", "pixels_normalized"]
    for name, values in zip(names, (mean, deviation), strict=False):
        array = np.array(values, np.float32)
        shape = (1, len(array), *[1] * (len(sizes) - 2)) if len(array) > 1 else ()
        graph.initializer.append(numpy_helper.from_array(array.reshape(shape), name))
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name == source.name:
                node.input[place] = names[3]
    graph.node.insert(0, helper.make_node("Div", [names[2], names[1]], [names[3]], name="normalize"))
    graph.node.insert(0, helper.make_node("Sub", [source.name, names[0]], [names[2]], name="centre"))
    return model


def _place_of(graph: onnx.GraphProto, node: onnx.NodeProto) -> int:
    return next(place for place, each in enumerate(graph.node) if each.output[0] == node.output[0])


def _unused(view: View, name: str) -> str:
    taken = {*view.constants, *view.producers, view.input, *(value.name for value in view.model.graph.initializer)}
    taken |= {output for node in view.model.graph.node for output in node.output}
    number, chosen = 1, name
    while chosen in taken:
        number += 1
        chosen = f"{name}_{number}"
    return chosen
