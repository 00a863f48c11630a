"""Networks that end in bits: one neuron, several of which each answers, and models that end in their own quantizer."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

import hwsim
from dataflow import MatrixVector, Network, Threshold
from quant.lowering import lower
from tests.quant.lowering.assertions import assert_exact, assert_refused
from tests.quant.lowering.oracle import Builder, Oracle, fractions

W = np.array([[1, -1, 1, 1, -1, 1], [-1, -1, 1, -1, 1, 1], [1, 1, 1, -1, -1, -1]], float)
End = Callable[[Builder, str], str]
FRAMES = np.array(np.meshgrid(*[[0, 255]] * 6)).reshape(6, -1).T  # sums of six signs: ties at 0 among them


def model_of(neurons: int, end: End = lambda net, x: x) -> onnx.ModelProto:
    """Return six pixels, a dense layer and what follows its scores."""
    net = Builder((1, 6))
    x = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0, name="binarize")
    return net.model(end(net, net.dense(x, W[:neurons], name="fc")))


def scores(neurons: int) -> np.ndarray:
    """Return the exact scores of all frames, (frames, neurons)."""
    model = model_of(neurons)
    return np.array([Oracle(model, fractions(frame) / 255).output for frame in FRAMES])


def answers(network: Network) -> np.ndarray:
    assert [end.name for end in network.outputs] == ["bits"]
    found, packed = (hwsim.predict(network, FRAMES, engine=engine) for engine in ("reference", "packed"))
    np.testing.assert_array_equal(found.predictions, packed.predictions)
    return found.predictions


@pytest.mark.parametrize("outputs", ["auto", "bits"])
def test_a_single_score_answers_whether_it_is_at_least_zero(outputs: str) -> None:
    network = lower(model_of(1), outputs=outputs)
    np.testing.assert_array_equal(answers(network), scores(1) >= 0)
    assert (scores(1) == 0).any(), "ties"
    assert isinstance(network.nodes[-1], MatrixVector)


def test_several_independent_scores() -> None:
    network = lower(model_of(3), outputs="bits")
    np.testing.assert_array_equal(answers(network), scores(3) >= 0)
    assert [end.name for end in lower(model_of(3)).outputs] == ["class"]


def test_scores_with_an_affine_by_neuron() -> None:
    factor, shift = np.array([2.0, -1.0, 0.0]), np.array([-4.0, 2.0, -1.0])
    model = model_of(3, lambda net, x: net("Add", net("Mul", x, factor), shift))
    np.testing.assert_array_equal(answers(lower(model, outputs="bits")), scores(3) * factor + shift >= 0)


ONE_BIT: dict[str, Any] = {"signed": 1, "narrow": 1, "rounding_mode": "ROUND"}
#: What a model ends in, and when its bit is 1.
ENDS: dict[str, tuple[End, Callable[[np.ndarray], np.ndarray]]] = {
    "bipolar": (lambda net, x: net("BipolarQuant", x, 1.0, name="sign"), lambda s: s >= 0),
    "bipolar-scaled": (lambda net, x: net("BipolarQuant", net("Sub", x, 2.0), 0.3, name="sign"), lambda s: s >= 2),
    "bipolar-of-what-falls": (lambda net, x: net("BipolarQuant", net("Neg", x), 1.0, name="sign"), lambda s: s <= 0),
    "one-bit": (lambda net, x: net("Quant", x, 0.5, 0.0, 1.0, name="sign", **ONE_BIT), lambda s: s >= 0),
    "zero-and-one": (
        lambda net, x: net("Quant", x, 1.0, 0.0, 1.0, name="sign", **{**ONE_BIT, "signed": 0, "narrow": 0}),
        lambda s: s >= 1,
    ),
    "at-least": (lambda net, x: net("GreaterOrEqual", x, 2.0, name="sign"), lambda s: s >= 2),
    "greater": (lambda net, x: net("Greater", x, 2.0, name="sign"), lambda s: s > 2),
    "less": (lambda net, x: net("Less", x, 2.0, name="sign"), lambda s: s < 2),
    "at-most": (lambda net, x: net("LessOrEqual", x, 2.0, name="sign"), lambda s: s <= 2),
    "at-least-cast": (
        lambda net, x: net("Cast", net("GreaterOrEqual", x, 0.0, name="sign"), to=TensorProto.FLOAT),
        lambda s: s >= 0,
    ),
    "scaled-after": (
        lambda net, x: net("Add", net("Mul", net("BipolarQuant", x, 1.0, name="sign"), 0.5), 0.5),
        lambda s: s >= 0,
    ),
    "sigmoid-at-least": (
        lambda net, x: net("GreaterOrEqual", net("Sigmoid", x), 0.5, name="sign"),
        lambda s: s >= 0,
    ),
    "sigmoid-greater": (lambda net, x: net("Greater", net("Sigmoid", x), 0.5, name="sign"), lambda s: s > 0),
    "sigmoid-less": (lambda net, x: net("Less", net("Sigmoid", x), 0.5, name="sign"), lambda s: s < 0),
    "sigmoid-round": (  # half to even: 1/2 becomes 0
        lambda net, x: net("BipolarQuant", net("Sub", net("Round", net("Sigmoid", x)), 0.5), 1.0, name="sign"),
        lambda s: s > 0,
    ),
    "sigmoid-rounded-at-the-end": (lambda net, x: net("Round", net("Sigmoid", x), name="sign"), lambda s: s > 0),
    "sigmoid-sub": (
        lambda net, x: net("BipolarQuant", net("Sub", net("Sigmoid", x), 0.5), 1.0, name="sign"),
        lambda s: s >= 0,
    ),
    "sigmoid-add": (
        lambda net, x: net("BipolarQuant", net("Add", -0.5, net("Sigmoid", net("Mul", x, 0.1))), 1.0, name="sign"),
        lambda s: s >= 0,
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("neurons", [1, 3])
@pytest.mark.parametrize("form", ENDS)
def test_own_quantizer_at_the_end(form: str, neurons: int) -> None:
    end, rule = ENDS[form]
    network = lower(model_of(neurons, end))
    np.testing.assert_array_equal(answers(network), rule(scores(neurons)).astype(int))
    assert network.scores is None
    assert [node.name for node in network.nodes] == ["binarize", "fc"]


def test_limits_by_neuron() -> None:
    limits = np.array([2.0, 0.0, -2.0])
    network = lower(model_of(3, lambda net, x: net("LessOrEqual", x, limits, name="sign")))
    np.testing.assert_array_equal(answers(network), scores(3) <= limits)


@pytest.mark.parametrize("outputs", ["class", "scores", "both"])
def test_a_model_that_ends_in_bits_has_no_scores(outputs: str) -> None:
    message = f"Outputs of a model that ends in the bits of node 'sign' must be 'bits', not {outputs!r}"
    assert_refused(model_of(3, ENDS["bipolar"][0]), message, outputs=outputs)


@pytest.mark.parametrize("kind", ["Sigmoid", "Tanh"])
@pytest.mark.parametrize("neurons", [1, 3])
def test_functions_that_keep_the_half_go(kind: str, neurons: int) -> None:
    """A probability of at least 1/2 is a score of at least 0."""
    network = lower(model_of(neurons, lambda net, x: net(kind, x, name="curve")), outputs="bits")
    np.testing.assert_array_equal(answers(network), scores(neurons) >= 0)
    assert network.metadata["dropped"] == f"{kind} 'curve'"


@pytest.mark.parametrize("neurons", [1, 3])
@pytest.mark.parametrize("kind", ["Softmax", "LogSoftmax", "ArgMax", "Softplus", "Exp"])
def test_what_keeps_no_half_ends_no_bits(kind: str, neurons: int) -> None:
    attributes = {"axis": 1} if kind.lower().endswith("max") else {}
    message = (
        f"Node 'end' ({kind}) must end a model of which the class is taken, not bits: "
        "leave it out, so that the bits are score >= 0"
    )
    model = model_of(neurons, lambda net, x: net(kind, x, name="end", **attributes))
    assert_refused(model, message, outputs="bits")
    if neurons == 1:
        assert_refused(model, message)


@pytest.mark.parametrize("neurons", [1, 3])
def test_hard_sigmoid_at_the_end(neurons: int) -> None:
    model = model_of(neurons, lambda net, x: net("HardSigmoid", x, alpha=0.2, beta=0.5, name="curve"))
    network = lower(model, outputs="bits")
    np.testing.assert_array_equal(answers(network), scores(neurons) >= 0)
    assert network.metadata["dropped"] == "HardSigmoid 'curve'"


@pytest.mark.parametrize(("kind", "numbers"), [("Relu", ()), ("Abs", ()), ("Clip", (0.0, 1.0))])
def test_bits_that_would_be_the_same_for_every_frame_are_refused(kind: str, numbers: tuple[float, ...]) -> None:
    message = (
        f"Node 'end' ({kind}) must leave scores below 0 and above, of which the bit score >= 0 is taken, not make it "
        "the same for every frame: leave it out of the exported model"
    )
    assert_refused(model_of(1, lambda net, x: net(kind, x, *numbers, name="end")), message)


def test_what_bends_scores_but_keeps_their_signs() -> None:
    network = lower(model_of(3, lambda net, x: net("Clip", x, -1.0, 1.0)), outputs="bits")
    np.testing.assert_array_equal(answers(network), scores(3) >= 0)


def test_the_class_of_a_single_score_is_refused() -> None:
    message = "Outputs of a model with one score must be 'bits' or 'scores', not 'class', which would always be 0"
    assert_refused(model_of(1), message, outputs="class")


def test_a_single_score_itself() -> None:
    network = lower(model_of(1), outputs="scores")
    assert network.scores is not None
    found = hwsim.predict(network, FRAMES).scores
    np.testing.assert_array_equal(found, scores(1).astype(float))


def test_bits_of_images() -> None:
    """The end of a convolution over the whole image, after a pool, and of an average pool."""
    net = Builder((1, 2, 4, 4))
    x = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0)
    x = net.conv(x, np.random.default_rng(3).choice([-1.0, 1.0], (3, 2, 2, 2)), name="conv")
    pooled = net("Flatten", net("GlobalAveragePool", x, name="mean"))
    network = assert_exact(net.model(net("BipolarQuant", net("Sub", pooled, 0.25), 1.0, name="sign")))
    assert isinstance(network.node("sign"), Threshold)
    assert network.bits is not None
    assert network.bits.stream.shape == (3,)
