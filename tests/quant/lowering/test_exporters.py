"""The same model as different exporters and opsets write it: the network is the same."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from dataflow import Network
from hwsim import predict
from quant.lowering import lower
from tests.quant.lowering.oracle import QONNX, Builder

rng = np.random.default_rng(9)
W0, W1 = rng.choice([-1.0, 1.0], (5, 8)), rng.choice([-1.0, 1.0], (3, 5))
NORM = (*rng.normal(size=(3, 5)), rng.random(5) * 9)


def network_of(
    opset: int = 20, weights: Callable[[Builder, np.ndarray], str] | None = None, **forms: Callable[..., str]
) -> onnx.ModelProto:
    """Return a model with some of its parts in another form."""
    net = Builder((1, 2, 2, 2), opset=opset)
    make = weights or (lambda net, values: net("BipolarQuant", values, 1.0))
    clip = forms.get("clip", lambda net, x: net("Clip", x, -1.0, 1.0))
    flatten = forms.get("flatten", lambda net, x: net("Flatten", x))
    x = net("BipolarQuant", flatten(net, net("Sub", net.input, 0.5)), 1.0, name="binarize")
    bias = (0.0,) if opset < 11 else ()
    x = net("Gemm", x, make(net, W0), *bias, name="fc0", transB=1)
    sign = forms.get("sign", lambda net, x: net("BipolarQuant", x, 1.0, name="sign0"))
    x = sign(net, clip(net, net.batch_norm(x, *NORM)))
    return net.model(net("Gemm", x, make(net, W1), *bias, name="fc1", transB=1))


def assert_same(model: onnx.ModelProto) -> Network:
    expected, network = lower(network_of()), lower(model)
    for a, b in zip(expected.nodes, network.nodes, strict=True):
        assert (a.name, a.kind) == (b.name, b.kind)
        for field in a.array_fields:
            np.testing.assert_array_equal(getattr(a, field), getattr(b, field))
    assert network.frame_shape == (2, 2, 2)
    return network


def constant_node(net: Builder, values: Any, dtype: type = np.float32) -> str:
    return net("Constant", value=numpy_helper.from_array(np.asarray(values, dtype)))


WEIGHTS: dict[str, Callable[[Builder, np.ndarray], str]] = {
    "plain": lambda net, values: net.constant(values),
    "double": lambda net, values: net.constant(values, np.float64),
    "half": lambda net, values: net.constant(values, np.float16),
    "integers-cast": lambda net, values: net("Cast", net.constant(values, np.int8), to=TensorProto.FLOAT),
    "constant-node": lambda net, values: net("BipolarQuant", constant_node(net, values), constant_node(net, 1.0)),
    "by-quant": lambda net, values: net(
        "Quant", values * 0.3, 1.0, 0.0, 1.0, signed=1, narrow=1, rounding_mode="ROUND"
    ),
    "by-int-quant": lambda net, values: net(
        "IntQuant", values, 1.0, 0.0, 1.0, signed=1, narrow=0, rounding_mode="ROUND"
    ),
    "by-sign": lambda net, values: net("Sign", values * 0.1),
    "scaled-and-back": lambda net, values: net("Div", net("Mul", net("BipolarQuant", values, 1.0), 0.3), 0.3),
    "normalized": lambda net, values: net(
        "Div", net("BipolarQuant", values, 2.0), net("Sqrt", net("Pow", net("Add", 1.0, 1.0), 2.0))
    ),
    "reciprocal": lambda net, values: net("Mul", net("BipolarQuant", values, 3.0), net("Reciprocal", 3.0)),
    "power": lambda net, values: net("Mul", net("BipolarQuant", values, 2.0), net("Pow", 4.0, -0.5)),
    "expanded": lambda net, values: net(
        "Mul", values, net("Expand", constant_node(net, [1.0]), constant_node(net, values.shape, np.int64))
    ),
    "filled": lambda net, values: net(
        "Mul",
        values,
        net(
            "ConstantOfShape",
            constant_node(net, values.shape, np.int64),
            value=numpy_helper.from_array(np.ones(1, np.float32)),
        ),
    ),
    "joined": lambda net, values: net("Concat", values[:2], values[2:], axis=0),
    "sliced": lambda net, values: net(
        "Slice",
        net("Concat", values, values, axis=1),
        *(net.constant(each, np.int64) for each in ([values.shape[1]], [2**62], [1], [1])),
    ),
    "reversed-twice": lambda net, values: reverse(net, reverse(net, net.constant(values))),
    "transposed-twice": lambda net, values: net("Transpose", net("Transpose", values, perm=[1, 0])),
    "by-where": lambda net, values: net("Where", net("Greater", values, 0.0), 1.0, -1.0),
    "times-their-mean-size": lambda net, values: net(
        "Mul", net("Sign", values), net("ReduceMean", net("Abs", values), net.constant([1], np.int64))
    ),
    "times-their-largest": lambda net, values: net(
        "Mul", net("Sign", values), net("ReduceMax", values, net.constant([0, 1], np.int64), keepdims=0)
    ),
    "times-a-sum": lambda net, values: net(
        "Mul", net("Sign", values), net("ReduceSum", net.constant([0.25, 0.5, 0.25]), keepdims=0)
    ),
    "gathered": lambda net, values: net("Gather", values, net.constant(np.arange(len(values)), np.int64), axis=0),
}


def reverse(net: Builder, x: str) -> str:
    return net("Slice", x, *(net.constant(each, np.int64) for each in ([-1], [-(2**62)], [0], [-1])))


@pytest.mark.parametrize("form", WEIGHTS)
def test_form_of_the_weights(form: str) -> None:
    assert_same(network_of(weights=WEIGHTS[form]))


def straight_through(net: Builder, x: str, curve: str) -> str:
    """Return a sign with the gradient of a curve, as authors write it."""
    sign = net("Where", net("GreaterOrEqual", x, 0.0), 1.0, -1.0)
    return net("Add", net("Sub", net("Identity", sign), net("Identity", curve)), curve)


SIGNS: dict[str, Callable[[Builder, str], str]] = {
    "where": lambda net, x: net("Where", net("GreaterOrEqual", x, 0.0), 1.0, -1.0),
    "where-for-each": lambda net, x: net("Where", net("LessOrEqual", 0.0, x), np.ones((1, 5)), -1.0),
    "straight-through": lambda net, x: straight_through(net, x, net("Clip", x, -1.0, 1.0)),
    "straight-through-identity": lambda net, x: net(
        "Add",
        net("Identity", clipped := net("Mul", x, 0.5)),
        net("Identity", net("Sub", net("BipolarQuant", x, 1.0), net("Dropout", clipped))),
    ),
    "subtracted-again": lambda net, x: net("Sub", net("Add", x, net("BipolarQuant", x, 1.0)), x),
    "cast": lambda net, x: net(
        "Sub", net("Mul", net("Cast", net("GreaterOrEqual", x, 0.0), to=TensorProto.FLOAT), 2.0), 1.0
    ),
}
#: These give the other bit, so weights of hardware are inverted.
INVERTED: dict[str, Callable[[Builder, str], str]] = {
    "where-less": lambda net, x: net("Where", net("Less", x, 0.0), -1.0, 1.0),
    "where-not": lambda net, x: net("Where", net("Not", net("Less", x, 0.0)), 1.0, -1.0),
}


@pytest.mark.parametrize("form", SIGNS)
def test_form_of_the_sign(form: str) -> None:
    assert_same(network_of(sign=SIGNS[form]))


@pytest.mark.parametrize("form", INVERTED)
def test_form_of_the_sign_that_gives_the_other_bit(form: str) -> None:
    networks = lower(network_of()), lower(network_of(sign=INVERTED[form]))
    frames = rng.integers(0, 256, (300, 2, 2, 2))
    one, two = (predict(network, frames) for network in networks)
    np.testing.assert_array_equal(one.predictions, two.predictions)
    assert one.scores is not None
    assert two.scores is not None
    np.testing.assert_array_equal(one.scores, two.scores)


@pytest.mark.parametrize("opset", [9, 10, 13, 17, 20, 23])
def test_opset(opset: int) -> None:
    forms: dict[str, Callable[..., str]] = {}
    if opset < 11:
        forms["clip"] = lambda net, x: net("Clip", x, min=-1.0, max=1.0)
    if opset < 13:
        forms["flatten"] = lambda net, x: net("Squeeze", net("Unsqueeze", net("Flatten", x), axes=[0, 3]), axes=[0, 3])
    network = assert_same(network_of(opset, **forms))
    assert network.metadata["opset"] == str(opset)


def test_slice_by_attributes() -> None:
    def sliced(net: Builder, values: np.ndarray) -> str:
        twice = net.constant(np.concatenate([values, values], 1))
        return net("Slice", twice, starts=[0], ends=[values.shape[1]], axes=[1])

    assert_same(network_of(9, sliced, clip=lambda net, x: net("Clip", x, min=-1.0, max=1.0)))


def test_initializers_that_are_also_inputs() -> None:
    model = network_of()
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    assert_same(model)


def test_other_domains_of_the_quantizers() -> None:
    for domain in ("finn.custom_op.general", "onnx.brevitas"):
        model = network_of()
        for node in model.graph.node:
            node.domain = domain if node.domain == QONNX else ""
        assert_same(model)


def test_functions_of_the_model_are_inlined() -> None:
    model = network_of()
    clip = next(node for node in model.graph.node if node.op_type == "Clip")
    inner = helper.make_node("Clip", ["x", "low", "high"], ["y"])
    function = helper.make_function("local", "HardTanh", ["x", "low", "high"], ["y"], [inner], model.opset_import[:1])
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("local", 1))
    clip.op_type, clip.domain = "HardTanh", "local"
    assert_same(model)


def test_nodes_without_names() -> None:
    model = network_of()
    for node in model.graph.node:
        node.name = ""
    assert [node.name for node in lower(model).nodes] == ["t2", "t4", "t9", "arg_max"]


def test_frame_without_a_batch() -> None:
    net = Builder((8,))
    x = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0, name="binarize")
    x = net("MatMul", net.constant(W0), x, name="fc0")
    network = lower(net.model(x))
    assert network.frame_shape == (8,)
    np.testing.assert_array_equal(network.node("fc0").weights, W0)  # type: ignore[attr-defined]
