"""Small ONNX models for the tests of lowering, and networks compared with exact evaluation of them."""

from fractions import Fraction
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dataflow import MatrixVector, Network
from hwsim.reference import evaluate
from quant.lowering import lower
from tests.quant.lowering.exact import Evaluation
from tests.quant.lowering.exact_numbers import NEAR, Numbers

QUANTIZERS = {"BipolarQuant", "Quant", "Sign"}
QONNX = "qonnx.custom_op.general"


class Builder:
    """A model made operator by operator; arrays and numbers among the inputs become float32 initializers.

    Operators are called by their kind: ``net("Add", x, 1.5, name="shift")`` gives the name of the output.
    """

    def __init__(self, shape: tuple[Any, ...], *, opset: int = 20, dtype: int = TensorProto.FLOAT) -> None:
        self.opset = opset
        self.input = "image"
        self._entry = helper.make_tensor_value_info(self.input, dtype, shape)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, value: Any, dtype: type = np.float32) -> str:
        name = f"const{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def __call__(self, kind: str, *inputs: Any, name: str | None = None, **attributes: Any) -> str:
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        output = f"t{len(self._nodes)}"
        domain = QONNX if kind in {"BipolarQuant", "IntQuant", "MultiThreshold", "Quant", "Trunc"} else ""
        outputs = ["", output] if kind == "TopK" else [output]
        node = helper.make_node(kind, names, outputs, name or f"{kind.lower()}_{output}", domain=domain, **attributes)
        self._nodes.append(node)
        return output

    def split(self, x: str, *sizes: int, axis: int = 1, name: str | None = None) -> list[str]:
        """Divide a tensor along an axis into parts of these sizes."""
        if self.opset < 13:
            first = self("Split", x, name=name, axis=axis, split=sizes)
        else:
            first = self("Split", x, self.constant(sizes, np.int64), name=name, axis=axis)
        outputs = self._nodes[-1].output
        outputs.extend(f"{first}_{part}" for part in range(1, len(sizes)))
        return list(outputs)

    def reshape(self, x: str, *shape: int) -> str:
        return self("Reshape", x, self.constant(shape, np.int64))

    def batch_norm(self, x: str, scale: Any, bias: Any, mean: Any, var: Any, *, name: str | None = None) -> str:
        return self("BatchNormalization", x, scale, bias, mean, var, name=name, epsilon=1e-5)

    def dense(self, x: str, weights: Any, *, name: str | None = None) -> str:
        quantized = self("BipolarQuant", np.asarray(weights, np.float32), 1.0)
        return self("Gemm", x, quantized, name=name, transB=1)

    def conv(self, x: str, weights: Any, *, name: str | None = None, **attributes: Any) -> str:
        quantized = self("BipolarQuant", np.asarray(weights, np.float32), 1.0)
        return self("Conv", x, quantized, name=name, **attributes)

    def pad(self, x: str, sides: tuple[int, int, int, int], value: float, *, name: str | None = None) -> str:
        """Pad an image by (top, left, bottom, right)."""
        top, left, bottom, right = sides
        pads = self.constant([0, 0, top, left, 0, 0, bottom, right], np.int64)
        return self("Pad", x, pads, value, name=name)

    def model(self, output: str, *more: str) -> onnx.ModelProto:
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in (output, *more)]
        graph = helper.make_graph(self._nodes, "test", [self._entry], ends, self._constants)
        imports = [helper.make_opsetid("", self.opset), helper.make_opsetid(QONNX, 2)]
        return helper.make_model(graph, opset_imports=imports, producer_name="tests", producer_version="1")


def fractions(values: Any) -> np.ndarray:
    array = np.asarray(values)
    flat = [Fraction(each.item() if hasattr(each, "item") else each) for each in array.ravel()]
    return np.array(flat, object).reshape(array.shape)


def each(function: Any, *arrays: Any) -> np.ndarray:
    return np.asarray(np.frompyfunc(function, len(arrays), 1)(*arrays), object)


class Oracle:
    """The values of a model for one frame, or for several, by exact evaluation.

    Attributes
    ----------
    output : the model's output, flat, Fractions
    """

    def __init__(self, model: onnx.ModelProto, frame: np.ndarray) -> None:
        entry = model.graph.input[0]
        shape = [dim.dim_value or 1 for dim in entry.type.tensor_type.shape.dim]
        numbers = Numbers.of(frame).move(lambda tops: tops.reshape(-1, *shape))
        self._evaluation = Evaluation(model, {entry.name: numbers})
        self._quantizers = {node.output[0]: node for node in model.graph.node if node.op_type in QUANTIZERS}
        self.output = self._evaluation.tensor(self._evaluation.output).fractions().ravel()

    def codes(self, tensor: str) -> np.ndarray:
        """Return the codes of a quantizer's output, in the model's shape; of several frames one after the other."""
        node, values = self._quantizers[tensor], self._evaluation.tensor(tensor)
        if node.op_type != "Sign":
            values = values / self._evaluation.tensor(node.input[1])
        if node.op_type == "Quant":
            values = values + self._evaluation.tensor(node.input[2])
        codes = values.fractions()
        return codes.reshape(-1, *codes.shape[2:])


def pixels_as_model(network: Network, frame: np.ndarray) -> np.ndarray:
    """Return a frame in H, W, C order as the model takes it, channels first, as ``pixel / 255``."""
    planes = np.moveaxis(frame.reshape(network.frame_shape), -1, 0)
    return each(lambda v: Fraction(int(v), 255), planes)


def first_highest(logits: np.ndarray) -> int:
    """Return the index of the highest number, the first at a tie; nearly the same numbers are the same."""
    return next(i for i, v in enumerate(logits) if all(v - other > -Fraction(1, 10**NEAR) for other in logits))


def assert_equal_to_oracle(
    model: onnx.ModelProto, hidden: tuple[str, ...] = (), *, frames: int = 24, seed: int = 0
) -> Network:
    """Lower a model, compare classes, scores and hidden bits with the oracle on random frames; return the network.

    Parameters
    ----------
    hidden : outputs of the hidden layers' quantizers, in order; of their two codes the upper is 1
    """
    network = lower(model, outputs="both")
    layers = [node for node in network.nodes if isinstance(node, MatrixVector)]
    assert len(layers) == len(hidden) + 1
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (frames, *network.inputs[0].stream.shape))
    images[0], images[1] = 0, 255
    values = evaluate(network, images)
    scores = values[network.fifos_out_of(network.scores.node)[0].name]
    for index, image in enumerate(images):
        oracle = Oracle(model, pixels_as_model(network, image))
        for layer, tensor in zip(layers, hidden, strict=False):
            bits = values[network.fifos_out_of(layer.name)[0].name][index]
            codes = oracle.codes(tensor).ravel()
            np.testing.assert_array_equal(bits, codes == 1, f"{layer.name}, frame {index}")
        logits = network.scores.scale * scores[index] + network.scores.bias
        np.testing.assert_allclose(logits, oracle.output.astype(float), rtol=1e-12, atol=1e-12)
        assert values["arg_max -> class"][index].item() == first_highest(oracle.output), f"frame {index}"
    return network
