"""Parts of convolutional models, and their comparison with the slow oracle on frames that pools and signs find hard."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from dataflow import Network
from hwsim.packed import evaluate_only
from hwsim.reference import evaluate
from quant.lowering import lower
from tests.quant.lowering.oracle import Builder, Oracle, each, first_highest, fractions, pixels_as_model

Build = Callable[[Builder, str], str]
rng = np.random.default_rng(23)
SHAPE = (1, 3, 6, 5)
CODES = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}


def signs(*shape: int) -> np.ndarray:
    return rng.choice([-1.0, 1.0], shape)


def norm(net: Builder, x: str, channels: int, *, seed: int = 3) -> str:
    """Batch norm with scales of both signs and zero."""
    local = np.random.default_rng(seed)
    scale = local.choice([-1.5, -1.0, 1.0, 0.7], channels)
    scale[:: max(4, channels)] = -1.0
    if channels > 4:
        scale[3] = 0.0
    return net.batch_norm(
        x,
        scale,
        local.integers(-2, 3, channels) * 0.5,
        local.integers(-3, 4, channels) * 0.5,
        local.random(channels) * 4,
    )


def sign(net: Builder, x: str, *, name: str | None = None) -> str:
    return net("BipolarQuant", x, 1.0, name=name)


def by_channel(*numbers: float) -> np.ndarray:
    """Return a parameter of an image."""
    return np.array(numbers).reshape(-1, 1, 1)


def bits(net: Builder, *, scale: float = 1.0) -> str:
    """Return the binarized image, times a scale."""
    return net("BipolarQuant", net("Sub", net.input, 0.5), scale, name="binarize")


def end(net: Builder, x: str, synapses: int, classes: int = 4) -> onnx.ModelProto:
    return net.model(
        net.dense(net("Flatten", x), np.random.default_rng(9).choice([-1.0, 1.0], (classes, synapses)), name="fc")
    )


def pixels(network: Network, frame: np.ndarray) -> np.ndarray:
    return pixels_as_model(network, frame)


def assert_equal(
    model: onnx.ModelProto,
    *,
    frames: int = 6,
    seed: int = 0,
    as_model: Callable[[Network, np.ndarray], np.ndarray] = pixels,
    **options: Any,
) -> Network:
    """Compare scores and classes with the oracle on random frames; return the network."""
    network = lower(model, outputs="both", **options)
    local = np.random.default_rng(seed)
    stream = network.inputs[0].stream
    low, high = stream.element.minimum, stream.element.maximum
    images = local.integers(low, high + 1, (frames, *stream.shape))
    # Smooth, so that the bits of neighbours agree often and pools see all cases; and the two ends of the range.
    images[::2] = np.clip(
        images[::2] // 4 + local.integers(low, high, (len(images[::2]), 1, 1, 1)[: images.ndim]), low, high
    )
    images[0], images[1] = low, high
    values = evaluate(network, images)
    assert network.scores is not None
    scores_name = network.fifos_out_of(network.scores.node)[0].name
    scores = values[scores_name]
    np.testing.assert_array_equal(evaluate_only(network, images, [scores_name])[scores_name], scores)
    for index, image in enumerate(images):
        output = Oracle(model, as_model(network, image)).output
        logits = network.scores.scale * scores[index].ravel() + network.scores.bias
        np.testing.assert_allclose(logits, output.astype(float), rtol=1e-12, atol=1e-12)
        assert values["arg_max -> class"][index].item() == first_highest(output), f"frame {index}"
    return network


def size_of(net: Builder, x: str, shape: tuple[int, ...]) -> int:
    """Return how many numbers a tensor has for an image of this shape."""
    return Oracle(net.model(x), np.zeros(shape, int)).output.size


def model_of(net: Builder, x: str, shape: tuple[int, ...] = SHAPE[1:]) -> onnx.ModelProto:
    """Return the model that ends in a dense layer on a tensor, for frames of this shape."""
    return end(net, x, size_of(net, x, shape))


def as_codes(scale: float, zero_point: float) -> Callable[[Network, np.ndarray], np.ndarray]:
    """Return a function from codes to the numbers that the model's Quant rounds to them."""

    def convert(network: Network, frame: np.ndarray) -> np.ndarray:
        codes = fractions(frame.transpose(2, 0, 1) if frame.ndim == 3 else frame)
        return each(lambda code: (code - fractions(zero_point).item()) * fractions(np.float32(scale)).item(), codes)

    return convert
