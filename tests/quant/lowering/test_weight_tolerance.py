"""Weights that float32 arithmetic left a little off -s and +s: refused with the tolerance that helps, taken with it."""

import re

import numpy as np
import onnx
import pytest

from dataflow import InputError
from quant.lowering import lower
from tests.quant.lowering.assertions import assert_exact, assert_refused
from tests.quant.lowering.oracle import Builder

rng = np.random.default_rng(29)
LATENT = rng.normal(size=(5, 12)).astype(np.float32)
#: Signs times the mean size of all weights.
SIGNS = np.where(LATENT >= 0, 1, -1).astype(np.float32) * np.abs(LATENT).mean(dtype=np.float32)
#: A straight-through estimator as its formula has it, in float32.
NOISY = (SIGNS - LATENT) + LATENT


def model_of(weights: np.ndarray, *, image: bool = False) -> onnx.ModelProto:
    """Return a model whose first layer has the weights as they are, dense or as a convolution of 2x2 pixels."""
    net = Builder((1, 3, 3, 3) if image else (1, 12))
    x = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0)
    if image:
        x = net("Conv", x, weights.reshape(-1, 3, 2, 2), name="first")
    else:
        x = net("MatMul", x, weights.T, name="first")
    x = net("BipolarQuant", net("Add", x, 0.5), 1.0, name="sign")
    synapses = 5 * (4 if image else 1)
    return net.model(net.dense(net("Flatten", x), np.resize([1.0, -1.0, 1.0], (3, synapses)), name="last"))


def refusal_of(model: onnx.ModelProto, *, tolerance: float = 0.0) -> str:
    """Return why a model is not lowered, or nothing."""
    try:
        lower(model, weight_tolerance=tolerance)
    except InputError as error:
        return str(error)
    return ""


def assert_same(left: onnx.ModelProto, right: onnx.ModelProto, tolerance: float) -> None:
    """Assert that a model with noise becomes the network of the one without."""
    network, exact = lower(left, weight_tolerance=tolerance), assert_exact(right)
    for a, b in zip(network.nodes, exact.nodes, strict=True):
        assert a.name == b.name
        for field in a.array_fields:
            np.testing.assert_array_equal(getattr(a, field), getattr(b, field))


def test_the_formula_leaves_noise() -> None:
    assert 0 < np.abs(NOISY / SIGNS - 1).max() < 1e-6


@pytest.mark.parametrize("image", [False, True])
def test_refusal_has_sizes_that_differ_and_a_tolerance_that_works(image: bool) -> None:
    text = refusal_of(model_of(NOISY, image=image))
    found = re.fullmatch(
        r"Weights of node 'first' must be binary, -s or \+s for each neuron, not of sizes from (\S+) to (\S+) in "
        r"neuron \d, (\S+) of their size apart, as float32 arithmetic in the model leaves them: use weight tolerance "
        r"(\S+), or quantize them by a BipolarQuant",
        text,
    )
    assert found is not None, text
    smallest, largest, apart, tolerance = map(float, found.groups())
    assert smallest < largest
    assert apart == pytest.approx((largest - smallest) / largest, rel=0.1)
    assert_same(model_of(NOISY, image=image), model_of(SIGNS, image=image), tolerance)


def test_one_tolerance_serves_all_neurons() -> None:
    """Told the tolerance of one neuron after the other, people end at one that fits all."""
    told = 0.0
    for neurons in range(1, 6):
        model = model_of(np.concatenate([NOISY[:neurons], SIGNS[neurons:]]))
        sentence = refusal_of(model, tolerance=told)
        if sentence:
            told = float(sentence.partition("use weight tolerance ")[2].partition(",")[0])
            assert refusal_of(model, tolerance=told) == ""
    assert 0 < told < 1e-6


def test_metadata_say_what_changed() -> None:
    network = lower(model_of(NOISY), weight_tolerance=1e-6)
    name, most = network.metadata["weights_changed"].split()
    assert name == "first"
    changes = []
    for row in np.abs(NOISY.astype(float)):
        sizes, counts = np.unique(row, return_counts=True)
        changes.append(np.abs(row / sizes[counts.argmax()] - 1).max())
    assert float(most) == pytest.approx(max(changes), rel=0.05)
    assert "weights_changed" not in lower(model_of(SIGNS), weight_tolerance=1e-6).metadata


def test_size_is_the_one_that_most_weights_of_the_neuron_have() -> None:
    sizes = np.linspace(0.25, 1.25, 5, dtype=np.float32)[:, None]
    weights = SIGNS * sizes
    weights[:, 3] *= np.float32(1 + 2**-20)
    assert_same(model_of(weights), model_of(SIGNS * sizes), 1e-5)


def test_a_smaller_tolerance_is_not_enough() -> None:
    assert refusal_of(model_of(NOISY), tolerance=1e-9) == refusal_of(model_of(NOISY)) != ""


@pytest.mark.parametrize("tolerance", [0.0, 1e-6, 0.01])
def test_weights_of_several_sizes_are_no_noise(tolerance: float) -> None:
    weights = np.where(np.arange(12) % 2, 0.5, 1.0) * SIGNS
    network = assert_exact(model_of(weights), weight_tolerance=tolerance)
    assert str(network.nodes[1].weight_element) == "int3"
    assert "weights_changed" not in network.metadata


def test_zeros_are_no_noise() -> None:
    weights = SIGNS.copy()
    weights[2, 4] = 0
    network = assert_exact(model_of(weights), weight_tolerance=0.5)
    assert str(network.nodes[1].weight_element) == "int2"
    assert "weights_changed" not in network.metadata


@pytest.mark.parametrize("tolerance", [-0.1, 1.0, float("nan")])
def test_tolerance_that_is_none(tolerance: float) -> None:
    message = f"Weight tolerance must be at least 0 and less than 1, not {tolerance!r}"
    assert_refused(model_of(SIGNS), message, weight_tolerance=tolerance)
