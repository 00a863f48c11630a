"""Operators that cannot be lowered are one sentence that names the node, the cause and the remedy."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from onnx import TensorProto

from tests.quant.lowering.assertions import assert_refused_like
from tests.quant.lowering.oracle import Builder

rng = np.random.default_rng(11)
W0, W1 = rng.choice([-1.0, 1.0], (6, 12)), rng.choice([-1.0, 1.0], (4, 6))
I64 = np.int64


def start() -> tuple[Builder, str]:
    net = Builder((1, 12))
    return net, net("BipolarQuant", net("Sub", net.input, 0.5), 1.0, name="binarize")


CONV = "among the operators on images, Conv, MaxPool, AveragePool and Pad are supported"
MUST = "must be one that lowering supports"
BUILD: dict[str, tuple[Callable[[Builder, str], str], str]] = {
    "other-pool": (
        lambda net, x: net("LpPool", net.reshape(x, 1, 3, 2, 2), name="pool", kernel_shape=[2, 2]),
        f"Operator of node 'pool' {MUST}, not LpPool: {CONV}",
    ),
    "unknown": (
        lambda net, x: net("CumSum", x, net.constant(1, I64), name="sums"),
        f"Operator of node 'sums' {MUST}, not CumSum: replace it by operators of docs/lowering.md",
    ),
    "sqrt": (
        lambda net, x: net("Sqrt", x, name="root"),
        f"Operator of node 'root' {MUST}, not Sqrt on what is computed from the input: "
        "use operators of docs/lowering.md",
    ),
    "softmax-of-constants": (
        lambda net, x: net("Add", x, net("Softmax", np.ones((1, 12)), name="soft")),
        f"Operator of node 'soft' {MUST}, not Softmax on constants: export the model with its constants folded",
    ),
    "sigmoid": (
        lambda net, x: net("BipolarQuant", net("Sigmoid", net.dense(x, W0), name="curve"), 1.0),
        "Operator of node 'curve' must be piecewise linear at its place, not Sigmoid: "
        "replace it by Clip (HardTanh), HardSigmoid or Relu",
    ),
    "constant-root": (
        lambda net, x: net("Div", x, net("Sqrt", -1.0, name="root")),
        "Constants of node 'root' must fit its operator Sqrt, not give: a square root of a negative number",
    ),
    "variance-with-a-root": (
        lambda net, x: net.batch_norm(x, 1.0, 0.0, 0.0, net("Sqrt", np.full(12, 2.0)), name="norm"),
        "Variance of node 'norm' must be a stored number, not the result of a square root: fold the model's constants",
    ),
    "constant-reciprocal": (
        lambda net, x: net("Mul", x, net("Reciprocal", 0.0, name="one_over")),
        "Constants of node 'one_over' must fit its operator Reciprocal, not give: a division by zero",
    ),
    "constant-power": (
        lambda net, x: net("Mul", x, net("Pow", 2.0, 0.3, name="power")),
        "Constants of node 'power' must fit its operator Pow, not give: "
        "an exponent that is not one of 0, 0.5, ..., 8 or their negatives",
    ),
    "power": (
        lambda net, x: net("Pow", x, 0.5, name="power"),
        "Exponent of node 'power' must be an integer from 0 to 8, not 1/2",
    ),
    "powers": (
        lambda net, x: net("Pow", x, np.arange(12.0), name="power"),
        "Operand 1 of node 'power' (Pow) must be one number, not 12 of them",
    ),
    "division": (
        lambda net, x: net("Div", x, np.arange(12.0), name="div"),
        "Divisor of node 'div' (Div) must nowhere be zero, not 0",
    ),
    "quant-scale": (
        lambda net, x: net("Quant", x, 0.0, 0.0, 1.0, name="q", signed=1, narrow=1, rounding_mode="ROUND"),
        "Divisor of node 'q' (Quant) must nowhere be zero, not 0",
    ),
    "divisor-computed": (
        lambda net, x: net("Div", 1.0, x, name="div"),
        "Operand 1 of node 'div' (Div) must be a constant, not computed from the input",
    ),
    "norm-training": (
        lambda net, x: net("BatchNormalization", x, *np.ones((4, 12)), name="norm", training_mode=1),
        "Node 'norm' must be a BatchNormalization in evaluation mode with one scale per channel: "
        "export the model after eval()",
    ),
    "norm-variance": (
        lambda net, x: net("BatchNormalization", x, *np.ones((3, 12)), -np.ones(12), name="norm"),
        "Variance of node 'norm' must be at least 0, not negative",
    ),
    "norm-variance-zero": (
        lambda net, x: net("BatchNormalization", x, *np.ones((3, 12)), np.zeros(12), name="norm", epsilon=0.0),
        "Divisor of node 'norm' (BatchNormalization) must nowhere be zero, not 0",
    ),
    "norm-channels": (
        lambda net, x: net("BatchNormalization", x, *np.ones((4, 7)), name="norm"),
        "Operands of node 'norm' (BatchNormalization) must broadcast, not 1x12 and 7 and 7 and 7 and 7",
    ),
    "dropout": (
        lambda net, x: net("Dropout", x, 0.5, net.constant(True, bool), name="drop"),
        "Node 'drop' (Dropout) must be in evaluation mode: export the model after eval()",
    ),
    "cast": (
        lambda net, x: net("Cast", x, name="cast", to=TensorProto.FLOAT16),
        "Node 'cast' (Cast) must cast to float or double, not float16",
    ),
    "bits-of-quant": (
        lambda net, x: net("Quant", x, 1.0, 0.0, 1.5, name="q", signed=1, narrow=1, rounding_mode="ROUND"),
        "Bit width of node 'q' must be an integer from 1 to 32, not 3/2",
    ),
    "rounding-of-quant": (
        lambda net, x: net("Quant", x, 1.0, 0.0, 1.0, name="q", signed=1, narrow=1, rounding_mode="STOCHASTIC"),
        "Rounding mode of node 'q' must be one of QONNX's, not 'STOCHASTIC'",
    ),
    "operands": (
        lambda net, x: net("BipolarQuant", x, name="q"),
        "Node 'q' (BipolarQuant) must have 2 operands, not 1",
    ),
    "operands-of-add": (
        lambda net, x: net("Add", x, "", name="add"),
        "Node 'add' (Add) must have 2 operands, not 1",
    ),
    "empty-scale": (
        lambda net, x: net("Trunc", x, np.zeros(0), 0.0, 6.0, 1.0, 4.0, name="cut", signed=1, rounding_mode="FLOOR"),
        "Operand 1 of node 'cut' (Trunc) must have a number, not none",
    ),
    "operands-of-concat": (
        lambda net, x: net("Concat", x, "", x, name="joined", axis=1),
        "Node 'joined' (Concat) must have 1 or more operands, not 2",
    ),
    "operands-of-gemm": (
        lambda net, x: net("Gemm", x, W0.T, 1.0, 2.0, name="fc"),
        "Node 'fc' (Gemm) must have 2 to 3 operands, not 4",
    ),
    "undefined": (
        lambda net, x: net("Add", x, "ghost", name="add"),
        "Node 'add' (Add) must read tensors that are made before it, not 'ghost'",
    ),
    "broadcast": (
        lambda net, x: net("Add", x, np.ones(7), name="add"),
        "Operands of node 'add' (Add) must broadcast, not 1x12 and 7",
    ),
    "sizes": (
        lambda net, x: net("Gemm", x, np.ones((7, 6)), name="fc"),
        "Node 'fc' (Gemm) must multiply equal sizes, not 1x12 by 7x6",
    ),
    "reshape": (
        lambda net, x: net("Reshape", x, net.constant([1, 7], I64), name="view"),
        "Node 'view' (Reshape) must fit its input of 1x12, not be given: .+",
    ),
    "reshape-to-fractions": (
        lambda net, x: net("Reshape", x, net.constant([1.0, 12.5]), name="view"),
        "Operand 'const2' of node 'view' (Reshape) must be integers, not others",
    ),
    "reshape-computed": (
        lambda net, x: net("Reshape", x, x, name="view"),
        "Operand 't1' of node 'view' (Reshape) must be a constant, not computed from the input",
    ),
    "several-vectors": (
        lambda net, x: net("MatMul", net.reshape(x, 3, 4), np.ones((4, 6)), name="fc"),
        "Node 'fc' (MatMul) must multiply one vector of 4 numbers per frame, not 12 numbers: "
        "only dense layers after a flattened frame are supported",
    ),
    "weights-computed": (
        lambda net, x: net("MatMul", x, net("Transpose", x, perm=[1, 0]), name="fc"),
        "Weights of node 'fc' (MatMul) must be constant, not computed from the input",
    ),
    "bias-computed": (
        lambda net, x: net("Gemm", x, W0.T, net("Relu", net("Gemm", x, W0.T)), name="fc"),
        "Bias of node 'fc' must be a constant, not computed from the input",
    ),
    "bias-size": (
        lambda net, x: net("Gemm", x, W0.T, np.ones(5), name="fc"),
        "Bias of node 'fc' must fit its 6 neurons, not .+",
    ),
    "no-layer": (lambda net, x: net("Relu", x), "Model must have a layer (Gemm, MatMul or Conv), not none"),
    "constant-output": (
        lambda net, x: net("Add", 1.0, 2.0),
        "Output 't2' of the model must depend on its input, not be a constant",
    ),
    "neighbours": (
        lambda net, x: net.dense(net("Mul", x, turned(net, x), name="turned"), W0),
        "Node 'turned' (Mul) must combine each number with itself, not with another: "
        "only elementwise functions are supported",
    ),
    "order-of-the-output": (
        lambda net, x: net("Transpose", net.reshape(net.dense(x, W0), 2, 3), perm=[1, 0]),
        "Output 't5' of the model must have the order of its last layer, not another",
    ),
    "float-weights": (
        lambda net, x: net("Gemm", x, 0.5 + 9 * np.arange(72.0).reshape(12, 6), name="fc"),
        "Weights of node 'fc' must be binary, or integers of 8 bits times one number for each neuron, not 0.5, 54.5, "
        "108.5, 162.5, ... in neuron 0: quantize them by a BipolarQuant, or by a Quant of 2 to 8 bits, "
        "as xnorflow quantize does",
    ),
    "weights-of-nine-bits": (
        lambda net, x: net("Gemm", x, np.arange(-64.0, 80.0, 2.0).reshape(12, 6) * 2 + 1, name="fc"),
        "Weights of node 'fc' must be binary, or integers of 8 bits times one number for each neuron, not -127, -103, "
        "-79, -55, ... in neuron 0: quantize them by a BipolarQuant, or by a Quant of 2 to 8 bits, "
        "as xnorflow quantize does",
    ),
    "input-scales-differ": (
        lambda net, x: net("Gemm", net("Mul", x, np.arange(1.0, 500, 45)), W0.T, name="fc"),
        "Inputs of node 'fc' must differ by one scale for all, not by 2 and 92: "
        "use one scale per tensor after the quantizer",
    ),
    "no-sign": (
        lambda net, x: net("Gemm", net("Relu", net("Gemm", x, W0.T, name="fc0")), W1.T, name="fc1"),
        "Input of node 'fc1' must be an affine function of the sums of 'fc0', not one that bends: "
        "put a BipolarQuant, or a Quant, before it, as xnorflow quantize does",
    ),
    "sign-joined-with-its-input": (
        lambda net, x: net("Gemm", around_sign(net, net("Gemm", x, W0.T, name="fc0")), W1.T, name="fc1"),
        "Input of node 'fc1' must be an affine function of the sums of 'fc0', not one that bends: "
        "put a BipolarQuant, or a Quant, before it, as xnorflow quantize does",
    ),
    "sign-of-zero": (
        lambda net, x: net("Gemm", net("Sign", net("Gemm", x, W0.T), name="sign"), W1.T),
        "Node 'sign' (Sign) must not meet zero, not in channel 0: use BipolarQuant, whose sign of 0 is +1",
    ),
}


def turned(net: Builder, x: str) -> str:
    return net.reshape(net("Transpose", net.reshape(x, 3, 4), perm=[1, 0]), 1, 12)


def around_sign(net: Builder, x: str) -> str:
    return net("Add", net("BipolarQuant", x, 1.0), x)


@pytest.mark.parametrize("name", BUILD)
def test_refused_operator(name: str) -> None:
    build, message = BUILD[name]
    net, x = start()
    model = net.model(build(net, x))
    assert_refused_like(model, re.escape(message).replace(r"\.\+", ".+"))


def test_tensor_written_twice() -> None:
    net, x = start()
    model = net.model(net.dense(x, W0, name="fc"))
    model.graph.node[-2].output[0] = "t0"
    model.graph.node[-1].input[1] = "t0"
    assert_refused_like(
        model, r"Node 'bipolarquant_t2' \(BipolarQuant\) must write a tensor of its own, not 't0' again"
    )
