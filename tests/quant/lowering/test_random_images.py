"""Random convolutional QONNX models: packed against onnx's reference evaluator, predictions and scores.

Parameters are such that float32 decides as exact arithmetic does: what a sign takes is exact, or far from zero.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import hwsim
from quant.evaluation import predictions
from quant.lowering import lower
from quant.oracle import scores_of_qonnx
from tests.examples import examples
from tests.quant.lowering.oracle import Builder

pytestmark = pytest.mark.train

FRAMES = 5


class Maker:
    """A model of random layers on an image, made front to back."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
        self.channels, self.height, self.width = 2, self.among(*range(4, 8)), self.among(*range(4, 8))
        self.frame = (self.height, self.width, self.channels)
        self.padded = True  # where 0 is one of the numbers that a layer takes, or midway
        self.net = Builder((1, self.channels, self.height, self.width))

    def among(self, *values: Any) -> Any:
        return self.data.draw(st.sampled_from(values))

    def signs(self, *shape: int) -> np.ndarray:
        return self.rng.choice([-1.0, 1.0], shape)

    def sign(self, x: str, *, sums: bool = True) -> str:
        """Binarize an affine by channel, some of whose slopes are negative or zero."""
        shape = (self.channels, 1, 1)
        x = self.net("Mul", x, self.rng.choice([-0.5, -1.0, 1.0, 2.0, 0.0], shape, p=[0.2, 0.2, 0.3, 0.2, 0.1]))
        shift = self.rng.integers(-6, 7, shape) / 4 if sums else (2 * self.rng.integers(-6, 6, shape) + 1) / 8
        return self.net("BipolarQuant", self.net("Add", x, shift), self.among(1.0, 0.5, -1.0))

    def window(self, most: int = 3) -> dict[str, Any]:
        """Return a window that fits the image, and take its output for the image."""
        kernel = [self.among(*range(1, min(most, size) + 1)) for size in (self.height, self.width)]
        steps = [self.among(1, 2), self.among(1, 2)]
        self.height, self.width = (
            (size - taps) // step + 1 for size, taps, step in zip((self.height, self.width), kernel, steps, strict=True)
        )
        return {"kernel_shape": kernel, "strides": steps}

    def conv(self, x: str, neurons: int) -> str:
        """Append a convolution, padded on each side of its own, maybe grouped and dilated."""
        groups = self.among(1, 2) if self.channels % 2 == 0 and neurons % 2 == 0 else 1
        pads = [self.among(0, 1) if self.padded else 0 for _ in range(4)]
        top, left, bottom, right = pads
        self.height, self.width = self.height + top + bottom, self.width + left + right
        wide = self.among(1, 2) if self.width >= 3 else 1
        if wide == 2:
            kernel, steps = [1, 2], [self.among(1, 2), 1]
            self.height, self.width = (self.height - 1) // steps[0] + 1, self.width - 2
        else:
            window = self.window()
            kernel, steps = window["kernel_shape"], window["strides"]
        weights = self.signs(neurons, self.channels // groups, *kernel)
        self.channels = neurons
        return self.net.conv(x, weights, group=groups, pads=pads, strides=steps, dilations=[1, wide])

    def pool(self, x: str, kind: str) -> str:
        # A mean of 3 is rounded, and so are sums of it: classes with the same score would differ in float32.
        return self.net(kind, x, **self.window(2 if kind == "AveragePool" else 3))

    def first(self) -> str:
        """Return the bits of the first layer, or of the input."""
        entry = self.among("bits", "pixels", "codes")
        net = self.net
        if entry == "bits":
            return net("BipolarQuant", net("Sub", net.input, 0.5), 1.0)
        x = net.input
        if entry == "codes":
            attributes = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}
            x = net("Quant", net("Sub", net("Mul", x, 2.0), 1.0), 1 / 128, 0.0, 8.0, **attributes)
        return self.sign(self.conv(x, 4), sums=entry == "codes")

    def model(self) -> onnx.ModelProto:
        x = self.first()
        for _ in range(self.among(1, 2)):
            x = self.conv(x, self.among(3, 4))
            first = self.among("", "MaxPool", "AveragePool")
            then = "" if first == "MaxPool" else self.among("", "MaxPool", "AveragePool")
            x = self.pool(x, first) if first else x
            x = self.sign(x)
            x = self.pool(x, then) if then else x
            self.padded = then != "AveragePool" or self.among(False, True)
            if then == "AveragePool" and self.padded:
                x = self.sign(x)
        if self.among(False, True):
            x = self.net("GlobalAveragePool", self.conv(x, 3))
        else:
            x = self.net.dense(self.net("Flatten", x), self.signs(3, self.channels * self.height * self.width))
        return self.net.model(self.net("Flatten", self.net("Mul", x, self.among(1.0, -0.25))))


def free_batch(model: onnx.ModelProto) -> onnx.ModelProto:
    """Say that the output is (batch, classes), for what evaluates several frames at once."""
    model.graph.output[0].CopyFrom(
        helper.make_tensor_value_info(model.graph.output[0].name, TensorProto.FLOAT, (None, 3))
    )
    return model


def assert_equal(data: st.DataObject, folder: Path) -> None:
    maker = Maker(data)
    path = folder / "random.onnx"
    onnx.save(free_batch(maker.model()), path)
    network = lower(path, outputs="both")
    images = maker.rng.integers(0, 256, (FRAMES, *maker.frame)).astype(np.uint8)
    images[0], images[1] = 0, 255
    found, expected = hwsim.predict(network, images), scores_of_qonnx(path, images)
    np.testing.assert_array_equal(found.predictions, predictions(expected))
    assert network.scores is not None
    totals, exact = ((each - network.scores.bias) / network.scores.scale for each in (expected, found.scores))
    np.testing.assert_allclose(totals, np.rint(totals), atol=1e-3)
    np.testing.assert_array_equal(np.rint(totals), np.rint(exact))


@settings(max_examples=examples(8))
@given(st.data())
def test_random_models(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    assert_equal(data, tmp_path_factory.mktemp("random"))


@pytest.mark.slow
@settings(max_examples=examples(60))
@given(st.data())
def test_many_random_models(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    assert_equal(data, tmp_path_factory.mktemp("many"))
