"""Tensors that are functions of the sign of another, as authors and exporters write a sign."""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from quant.oracle import OPERATORS
from quant.quantizing.view import View

__all__ = ["Cases", "signs_of", "undecided_signs"]

#: Operators that tell one side of 0 from the other; all but Sign do so if they compare with 0.
_STARTS = ("Sign", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")

#: Operators on single numbers by which signs are made of these.
_STEPS = (*_STARTS, "Add", "And", "Cast", "Div", "Identity", "Mul", "Neg", "Not", "Or", "Sub", "Where")


@dataclass(frozen=True, eq=False)
class Cases:
    """A function of the sign of a tensor.

    Parameters
    ----------
    source : the tensor
    values : (3,) below, at and above 0
    """

    source: str
    values: np.ndarray

    @property
    def are_two(self) -> bool:
        """Whether 0 counts to one of its sides, and the sides differ."""
        below, at, above = self.values.tolist()
        return below != above and at in (below, above)


def signs_of(view: View) -> dict[str, Cases]:
    """Return all tensors that are functions of the sign of one of the others."""
    found: dict[str, Cases] = {}
    for node in view.data_nodes:
        if node.op_type in _STEPS and len(node.output) == 1:
            cases = _cases_of(view, node, found)
            if cases is not None:
                found[node.output[0]] = cases
    return found


def undecided_signs(view: View) -> list[onnx.NodeProto]:
    """Return the Sign nodes whose 0 at 0 is read, in order: none of the operators after them decides for a side."""
    signs = signs_of(view)
    outputs = {output.name for output in view.model.graph.output}

    def is_read(name: str) -> bool:
        readers = [node.output[0] for node, _ in view.readers.get(name, [])]
        return name in outputs or any(
            each not in signs or (not signs[each].are_two and is_read(each)) for each in readers
        )

    ternary = [node for node in view.data_nodes if node.op_type == "Sign" and not _decides(signs, node)]
    return [node for node in ternary if is_read(node.output[0])]


def _decides(signs: dict[str, Cases], node: onnx.NodeProto) -> bool:
    return node.output[0] in signs and signs[node.output[0]].are_two


def _cases_of(view: View, node: onnx.NodeProto, found: dict[str, Cases]) -> Cases | None:
    places = view.data_inputs(node)
    names = [node.input[place] for place in places]
    numbers = {name: view.constants.get(name) for name in node.input if name not in names}
    if any(value is None or np.size(value) == 0 or (value != np.ravel(value)[0]).any() for value in numbers.values()):
        return None
    read = {name: found[name] for name in names if name in found}
    if len(read) < len(set(names)) or len({cases.source for cases in read.values()}) > 1:
        zero = all((value == 0).all() for value in numbers.values() if value is not None)
        if node.op_type not in _STARTS or len(places) > 1 or not zero:
            return None
        read = {names[0]: Cases(names[0], np.array([-1, 0, 1], np.float32))}
    known = {name: cases.values for name, cases in read.items()}
    known |= {name: np.ravel(value)[0] for name, value in numbers.items() if value is not None}
    return Cases(next(iter(read.values())).source, _made(view, node, known))


def _made(view: View, node: onnx.NodeProto, known: dict[str, np.ndarray]) -> np.ndarray:
    """Return what a node makes of numbers."""
    inputs = [onnx.helper.make_empty_tensor_value_info(name) for name in known]
    outputs = [onnx.helper.make_empty_tensor_value_info(node.output[0])]
    graph = onnx.helper.make_graph([node], "cases", inputs, outputs)
    alone = onnx.helper.make_model(graph, opset_imports=view.model.opset_import)
    (values,) = ReferenceEvaluator(alone, new_ops=OPERATORS).run(None, known)
    return np.broadcast_to(np.asarray(values), (3,))
