"""Exact evaluation of ONNX and QONNX graphs, operator by operator as the standards have them.

Shares no code with lowering. Frames are evaluated together: every tensor has an axis of frames before the axes
that the model gives it (its batch, which is 1, among them). Tensors are computed when they are asked for, so what no
output depends on may be anything.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
import onnx.inliner
from onnx import numpy_helper

from tests.quant.lowering import exact_elementwise, exact_shapes, exact_windows
from tests.quant.lowering.exact_numbers import Numbers

__all__ = ["Evaluation", "best_classes"]

Operator = Callable[[list[Any], dict[str, Any]], Numbers]

_DOMAINS = {"", "ai.onnx", "qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas"}
_OPERATORS: dict[str, Operator] = {
    **exact_elementwise.OPERATORS,
    **exact_shapes.OPERATORS,
    **exact_windows.OPERATORS,
}


class Evaluation:
    """The tensors of a model for some frames.

    Parameters
    ----------
    model : any model; only operators that are asked for must be known
    given : tensors that are not computed: the input, or what stands for it; frames first
    """

    def __init__(self, model: onnx.ModelProto, given: Mapping[str, Numbers]) -> None:
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
        self.output = model.graph.output[0].name
        self._nodes = {name: node for node in model.graph.node for name in node.output if name}
        self._stored = {tensor.name: tensor for tensor in model.graph.initializer}
        self._tensors = dict(given)
        self._opset = next(each.version for each in model.opset_import if each.domain in {"", "ai.onnx"})

    def tensor(self, name: str) -> Numbers:
        """Return the numbers of a tensor.

        Raises
        ------
        NotImplementedError
            The tensor depends on an operator that is not known here.
        """
        if name not in self._tensors:
            if name in self._stored:
                self._tensors[name] = Numbers.of(numpy_helper.to_array(self._stored[name]))
            else:
                self._tensors[name] = self._computed(self._nodes[name], name)
        return self._tensors[name]

    def _computed(self, node: onnx.NodeProto, name: str) -> Numbers:
        known = node.domain in _DOMAINS and node.op_type in _OPERATORS
        if not known or (name != node.output[0] and node.op_type not in {"Split", "TopK"}):
            raise NotImplementedError(f"{node.domain}.{node.op_type}, output {list(node.output).index(name)}")
        given = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        operands = [self.tensor(operand) if operand else None for operand in node.input]
        if node.op_type == "Split":
            given |= {"outputs": list(node.output), "output": list(node.output).index(name)}
        return _OPERATORS[node.op_type](operands, {**given, "opset": self._opset})


def best_classes(scores: Numbers) -> np.ndarray:
    """Return the index of the highest number of each frame, the first one at a tie, (frames,) int64."""
    flat = scores.move(lambda tops: tops.reshape(len(tops), -1))
    best = np.zeros(len(flat.tops), np.int64)
    rows = np.arange(len(best))
    for index in range(1, flat.tops.shape[1]):
        lead = Numbers(flat.tops[:, index] - flat.tops[rows, best], flat.bottom, flat.rough)
        best[lead.signs() > 0] = index
    return best
