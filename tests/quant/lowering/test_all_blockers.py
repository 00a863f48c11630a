"""All causes that prevent lowering are told at once, each where it is, and nothing that only follows from one."""

import numpy as np
import onnx
import pytest

from quant.lowering import lower
from quant.lowering.refusals import NotLowerableError
from tests.quant.lowering.assertions import assert_exact, assert_refused
from tests.quant.lowering.oracle import Builder

rng = np.random.default_rng(37)
SIGNS = [rng.choice([-1.0, 1.0], shape) for shape in ((4, 2, 3, 3), (4, 4, 2, 2), (6, 36), (3, 6))]
#: By the part of the model that has it: a cause, in the order of the passes that find them.
CAUSES = {
    "pool": "Operator of node 'pool' must be one that lowering supports, not LpPool: among the operators on images, "
    "Conv, MaxPool, AveragePool and Pad are supported",
    "curve": "Operator of node 'curve' must be piecewise linear at its place, not Tanh: "
    "replace it by Clip (HardTanh), HardSigmoid or Relu",
    "shift": "Parameters of node 'shift' (Add) must be the same at every pixel of an image, "
    "not differ by row or column: use one per channel",
    "bit": "Node 'bit' (Sign) must not meet zero, not in channel 0: use BipolarQuant, whose sign of 0 is +1",
    "weights": "Weights of node 'last' must be binary, or integers of 8 bits times one number for each neuron, "
    "not -1, 0.001, 1 in neuron 1: quantize them by a BipolarQuant, or by a Quant of 2 to 8 bits, "
    "as xnorflow quantize does",
}


def model_of(*broken: str) -> onnx.ModelProto:
    """Return a model of two convolutions and two dense layers, with these of its parts such that they are refused."""
    net = Builder((1, 2, 6, 6))
    x = net("Sub", net("Mul", net.input, 255.0), 64.0)
    x = net("Sign", x, name="bit") if "bit" in broken else net("BipolarQuant", x, 1.0, name="bit")
    x = net.conv(x, SIGNS[0], name="conv0", pads=[1, 1, 1, 1])
    shift = np.arange(36.0).reshape(6, 6) if "shift" in broken else 0.5
    x = net("BipolarQuant", net("Add", x, shift, name="shift"), 1.0, name="sign0")
    x = net.conv(x, SIGNS[1], name="conv1", strides=[1, 1])
    pool = "LpPool" if "pool" in broken else "MaxPool"
    x = net("BipolarQuant", net(pool, x, kernel_shape=[3, 3], name="pool"), 1.0, name="sign1")
    x = net("Gemm", net("Flatten", x), SIGNS[2], name="fc0", transB=1)
    x = net("Tanh", x, name="curve") if "curve" in broken else net("Relu", x, name="curve")
    x = net("BipolarQuant", net("Sub", x, 0.25), 1.0, name="sign2")
    weights = SIGNS[3].copy()
    weights[1, 2] = 0.001 if "weights" in broken else weights[1, 2]
    return net.model(net("Gemm", x, weights, name="last", transB=1))


def sentences(*broken: str) -> list[str]:
    return [CAUSES[part] for part in CAUSES if part in broken]


def test_nothing_prevents_the_whole_model() -> None:
    assert_exact(model_of())


@pytest.mark.parametrize("part", CAUSES)
def test_one_cause_is_one_sentence(part: str) -> None:
    assert_refused(model_of(part), CAUSES[part])


def test_five_causes_are_five_sentences() -> None:
    assert_refused(model_of(*CAUSES), *sentences(*CAUSES))


@pytest.mark.parametrize("mended", CAUSES)
def test_after_one_is_mended_four_are_left(mended: str) -> None:
    left = [part for part in CAUSES if part != mended]
    assert_refused(model_of(*left), *sentences(*left))


@pytest.mark.long
@pytest.mark.parametrize("first", CAUSES)
@pytest.mark.parametrize("second", CAUSES)
def test_two_causes(first: str, second: str) -> None:
    assert_refused(model_of(first, second), *sentences(first, second))


def test_the_error_has_them_one_by_one() -> None:
    with pytest.raises(NotLowerableError) as caught:
        lower(model_of(*CAUSES))
    assert caught.value.refusals == tuple(sentences(*CAUSES))


def test_a_cause_in_each_of_two_branches() -> None:
    net = Builder((1, 8))
    x = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0)
    left = net("BipolarQuant", net("Erf", net("Add", net("Tanh", x, name="tanh"), 0.5), name="erf"), 1.0)
    right = net("MatMul", x, 0.5 + 7 * np.arange(64.0).reshape(8, 8), name="wide")
    joined = net("Add", left, net("BipolarQuant", right, 1.0), name="join")
    model = net.model(net.dense(net("BipolarQuant", net("Add", joined, 0.5), 1.0), np.ones((2, 8))))
    with pytest.raises(NotLowerableError) as caught:
        lower(model)
    assert [each.split(" must ")[0] for each in caught.value.refusals] == [
        "Operator of node 'tanh'",
        "Weights of node 'wide'",
    ]


def test_the_same_cause_at_two_nodes() -> None:
    net = Builder((1, 8))
    x = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0)
    for name in ("first", "second"):
        x = net("BipolarQuant", net("MatMul", x, 0.5 + 7 * np.arange(64.0).reshape(8, 8), name=name), 1.0)
    with pytest.raises(NotLowerableError) as caught:
        lower(net.model(net.dense(x, np.ones((2, 8)))))
    assert [each.split(" must ")[0] for each in caught.value.refusals] == [
        "Weights of node 'first'",
        "Weights of node 'second'",
    ]
