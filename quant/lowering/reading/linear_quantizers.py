"""ONNX's own quantizers as QONNX's: QuantizeLinear, perhaps Clip, and DequantizeLinear become one Quant."""

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dataflow import InputError
from quant._tensors import array_of

__all__ = ["with_quants"]

_domain = "qonnx.custom_op.general"

#: The integers of a quantizer, by the type of its zero point.
_CODES = {
    **{getattr(TensorProto, f"INT{bits}"): (-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (4, 8, 16)},
    **{getattr(TensorProto, f"UINT{bits}"): (0, (1 << bits) - 1) for bits in (4, 8, 16)},
}


def with_quants(model: onnx.ModelProto, shapes: Callable[[], dict[str, tuple[int, ...]]]) -> onnx.ModelProto:
    """Return a model in which Quant stands for QuantizeLinear, for a Clip of its codes, and for DequantizeLinear.

    A DequantizeLinear of stored codes, or of the model's input, becomes the arithmetic that it is.

    Parameters
    ----------
    model : it remains as it is
    shapes : the shapes of tensors, which are needed where channels have scales of their own

    Raises
    ------
    InputError
        Codes that are read by something else, are of another type than ONNX's integers of up to 16 bits, are clipped to
        what is no number of bits, or have scales in blocks.
    """
    if not any(node.op_type in {"QuantizeLinear", "DequantizeLinear"} for node in model.graph.node):
        return model
    written = onnx.ModelProto()
    written.CopyFrom(model)
    _Writer(written.graph, shapes).write()
    if all(each.domain != _domain for each in written.opset_import):
        written.opset_import.append(helper.make_opsetid(_domain, 1))
    return written


class _Writer:
    """The nodes of a graph, and what is put in their places."""

    def __init__(self, graph: onnx.GraphProto, shapes: Callable[[], dict[str, tuple[int, ...]]]) -> None:
        self.graph, self.shapes = graph, shapes
        self.stored = {tensor.name: tensor for tensor in graph.initializer}
        self.readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        self.ends = {value.name for value in graph.output}
        for node in graph.node:
            for name in node.input:
                self.readers[name].append(node)
            if (
                node.op_type == "Constant"
                and node.output
                and node.attribute
                and node.attribute[0].type == onnx.AttributeProto.TENSOR
            ):
                self.stored[node.output[0]] = node.attribute[0].t
        self.taken = {*self.stored, *self.readers, *self.ends, *(name for node in graph.node for name in node.output)}
        #: What replaces a node, by the node's first output.
        self.replaced: dict[str, list[onnx.NodeProto]] = {}

    def write(self) -> None:
        whole = [node for node in self.graph.node if _is_whole(node)]  # others are refused like any operator
        for node in whole:
            if node.op_type == "QuantizeLinear":
                self._quantizer(node)
        for node in whole:
            if node.op_type == "DequantizeLinear" and node.output[0] not in self.replaced:
                self._arithmetic(node)
        nodes = [each for node in self.graph.node for each in self.replaced.get(next(iter(node.output), ""), [node])]
        del self.graph.node[:]
        self.graph.node.extend(nodes)

    def _free(self, name: str) -> str:
        """Return a name that no tensor has, and keep it."""
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def _constant(self, values: np.ndarray | np.generic, name: str) -> str:
        """Store a tensor, and return its name."""
        name = self._free(name)
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def _quantizer(self, node: onnx.NodeProto) -> None:
        shown, codes = f"node {node.name or node.output[0]!r} (QuantizeLinear)", node.output[0]
        low, high = self._codes(node, shown)
        self.replaced[codes] = []
        if codes not in self.ends and [each.op_type for each in self.readers[codes]] == ["Clip"]:
            (clip,) = self.readers[codes]
            if clip.attribute:
                raise InputError(f"Bounds of the Clip after {shown} must be operands, not attributes")
            bounds = [
                self._number(name, end) for name, end in zip([*clip.input[1:], "", ""], (low, high), strict=False)
            ]
            low, high, codes = max(low, bounds[0]), min(high, bounds[1]), clip.output[0]
            self.replaced[codes] = []
        ends = self.readers[codes]
        if codes in self.ends or not ends or any(not self._undoes(each, node) for each in ends):
            kinds = dict.fromkeys("another" if each.op_type == "DequantizeLinear" else each.op_type for each in ends)
            read = ", ".join(kinds) or "nothing"
            raise InputError(
                f"Codes of {shown} must be read by a DequantizeLinear of the same scale and zero point only, "
                f"not by {read}: export the model in the form QDQ or QCDQ"
            )
        bits, signed, narrow = _width(low, high, shown)
        first, *others = [each.output[0] for each in ends]
        scale, zero, before = self._parameters(node, first)
        width = self._constant(np.float32(bits), f"{first}_bits")
        options = {"signed": int(signed), "narrow": int(narrow), "rounding_mode": "ROUND", "domain": _domain}
        if len(node.input) < 3 or not node.input[2] or not (self._array(node.input[2]).astype(np.int64) % 2).any():
            quant = [helper.make_node("Quant", [node.input[0], scale, zero, width], [first], node.name, **options)]
        else:
            # ONNX rounds before it adds the zero point, QONNX after it: ties differ where that is odd.
            parts = [self._free(f"{first}_{part}") for part in ("quotient", "rounded", "code")]
            one = self._constant(np.float32(1), f"{first}_one")
            quant = [
                helper.make_node("Div", [node.input[0], scale], [parts[0]]),
                helper.make_node("Round", [parts[0]], [parts[1]]),
                helper.make_node("Quant", [parts[1], one, zero, width], [parts[2]], node.name, **options),
                helper.make_node("Mul", [parts[2], scale], [first]),
            ]
        self.replaced[first] = [*before, *quant]
        for other in others:
            self.replaced[other] = [helper.make_node("Identity", [first], [other])]

    def _codes(self, node: onnx.NodeProto, shown: str) -> tuple[int, int]:
        """Return the least and the greatest code that the node's type has."""
        zero = node.input[2] if len(node.input) > 2 else ""
        if zero and zero not in self.stored:
            raise InputError(f"Zero point of {shown} must be stored, not computed")
        attributes = {each.name: each.i for each in node.attribute}
        kind = self.stored[zero].data_type if zero else attributes.get("output_dtype", 0) or TensorProto.UINT8
        if kind not in _CODES:
            known = kind in TensorProto.DataType.values()
            found = TensorProto.DataType.Name(kind).lower() if known else f"type {kind}"
            raise InputError(f"Codes of {shown} must be integers of 4, 8 or 16 bits, not {found}")
        return _CODES[kind]

    def _number(self, name: str, default: int) -> int:
        """Return a stored bound of a Clip, or the default where it is left out."""
        if not name:
            return default
        if name not in self.stored:
            raise InputError(f"Bound {name!r} of a Clip of codes must be stored, not computed")
        numbers = self._array(name)
        if numbers.size != 1:
            raise InputError(f"Bound {name!r} of a Clip of codes must be one number, not {numbers.size} of them")
        if numbers.dtype.kind == "f" and numbers.item() % 1:
            raise InputError(f"Bound {name!r} of a Clip of codes must be an integer, not {numbers.item()}")
        return int(numbers.item())

    def _array(self, name: str) -> np.ndarray:
        """Return a stored tensor."""
        return array_of(self.stored[name], f"Constant {name!r}")

    def _undoes(self, node: onnx.NodeProto, quantizer: onnx.NodeProto) -> bool:
        """Return whether a node gives the numbers that a quantizer's codes stand for."""
        return (
            node.op_type == "DequantizeLinear"
            and _is_whole(node)
            and _axis(node) == _axis(quantizer)
            and all(
                self._alike(*names)
                for names in zip([*node.input[1:], ""][:2], [*quantizer.input[1:], ""][:2], strict=True)
            )
        )

    def _alike(self, one: str, other: str) -> bool:
        if one == other:
            return True
        if one not in self.stored or other not in self.stored:
            return False
        left, right = self._array(one), self._array(other)
        return left.dtype == right.dtype and np.array_equal(left, right)

    def _arithmetic(self, node: onnx.NodeProto) -> None:
        """Put ``(codes - zero point) * scale`` in the place of a node."""
        output = node.output[0]
        scale, zero, before = self._parameters(node, output)
        moved = self._free(f"{output}_moved")
        self.replaced[output] = [
            *before,
            helper.make_node("Sub", [node.input[0], zero], [moved]),
            helper.make_node("Mul", [moved, scale], [output], node.name),
        ]

    def _parameters(self, node: onnx.NodeProto, output: str) -> tuple[str, str, list[onnx.NodeProto]]:
        """Return the names of the scale and the zero point in a shape that fits, and the nodes that make them so.

        Types are left as they are: a Cast would round what ONNX's formula ``(codes - zero point) * scale`` does not,
        codes of biases beyond 24 bits and scales of double precision.
        """
        attributes = {each.name: each.i for each in node.attribute}
        shown = f"node {node.name or node.output[0]!r} ({node.op_type})"
        if attributes.get("block_size", 0):
            raise InputError(f"Scales of {shown} must be one for all numbers, or one for each channel, not of blocks")
        names, nodes = [], []
        for name, what in zip([*node.input[1:], ""][:2], ("scale", "zero"), strict=True):
            made = self._free(f"{output}_{what}")
            if not name:
                self.graph.initializer.append(numpy_helper.from_array(np.float32(0), made))
            else:
                sizes = self._free(f"{made}_shape")
                shape = self._broadcast(node, name, attributes.get("axis", 1), shown)
                self.graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), sizes))
                nodes.append(helper.make_node("Reshape", [name, sizes], [made]))
            names.append(made)
        return names[0], names[1], nodes

    def _broadcast(self, node: onnx.NodeProto, name: str, axis: int, shown: str) -> list[int]:
        """Return the shape in which a parameter of one number, or of one for each channel, meets the node's input."""
        count = self._array(name).size if name in self.stored else 1
        if count == 1:
            return []
        source = node.input[0]
        shape = self._array(source).shape if source in self.stored else self.shapes().get(source, ())
        if not -len(shape) <= axis < len(shape) or shape[axis] != count:
            raise InputError(
                f"Parameter {name!r} of {shown} must have a number for each channel along axis {axis}, not {count}"
            )
        return [count if index == axis % len(shape) else 1 for index in range(len(shape))]


def _axis(node: onnx.NodeProto) -> int:
    return next((each.i for each in node.attribute if each.name == "axis"), 1)


def _is_whole(node: onnx.NodeProto) -> bool:
    """Return whether a node is one of ONNX or ONNX Runtime, and has what it reads and what it makes."""
    if node.domain not in {"", "ai.onnx", "com.microsoft"}:
        return False
    return len(node.input) in {2, 3} and all(node.input[:2]) and len(node.output) == 1 and bool(node.output[0])


def _width(low: int, high: int, shown: str) -> tuple[int, bool, bool]:
    """Return bits, whether they are signed, and whether the range is the narrow one, of a range of codes."""
    for bits in range(1, 17):
        for narrow in (False, True):
            if (low, high) == (0, (1 << bits) - 1 - narrow) and high > 0:
                return bits, False, narrow
            # One signed bit is a sign in QONNX.
            if (low, high) == (-(1 << bits - 1) + narrow, (1 << bits - 1) - 1) and bits > 1:
                return bits, True, narrow
    raise InputError(f"Codes of {shown} must be all those of a number of bits, not those from {low} to {high}")
