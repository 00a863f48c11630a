"""Models that are refused with a remedy: at least one for each remedy that lowering names."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import helper

from tests.quant.lowering.oracle import Builder

__all__ = ["REFUSED"]

_rng = np.random.default_rng(11)
I64 = np.int64


def _signs(*shape: int) -> np.ndarray:
    return _rng.choice([-1.0, 1.0], shape)


def _image(channels: int = 2, size: int = 4, **options: Any) -> tuple[Builder, str]:
    """Return a builder and the bits of its input."""
    net = Builder((1, channels, size, size), **options)
    return net, net("BipolarQuant", net("Sub", net.input, 0.5), 1.0, name="binarize")


def _pooled(net: Builder, x: str, channels: int) -> onnx.ModelProto:
    """Return the model that ends in a convolution and the mean over its pixels, whatever their number."""
    scores = net.conv(x, _signs(2, channels, 1, 1), name="last")
    return net.model(net("Flatten", net("GlobalAveragePool", scores)))


def _headed(net: Builder, x: str) -> onnx.ModelProto:
    """Return the model that ends in a dense layer on the bits of 3 channels of 3 by 3 pixels."""
    return net.model(net.dense(net("Flatten", _bits(net, x)), _signs(2, 27), name="last"))


def _sums(net: Builder, x: str, neurons: int = 3, channels: int = 2, name: str = "conv") -> str:
    return net.conv(x, _signs(neurons, channels, 2, 2), name=name)


def _bits(net: Builder, x: str, name: str | None = None) -> str:
    return net("BipolarQuant", x, 1.0, name=name)


def add_of_two_scales() -> onnx.ModelProto:
    net, x = _image()
    left = net("Mul", _sums(net, x, name="left"), 0.3)
    return _headed(net, net("Add", left, _sums(net, x, name="right")))


def bent_add() -> onnx.ModelProto:
    net, x = _image()
    left = net("Clip", _sums(net, x, name="left"), -1.0, 1.0)
    return _headed(net, net("Add", left, _sums(net, x, name="right")))


def bits_of_two_scales() -> onnx.ModelProto:
    net, x = _image()
    scaled = net("Mul", _bits(net, _sums(net, x)), np.reshape([1.0, 200.0, 3.0], (3, 1, 1)))
    return _pooled(net, scaled, 3)


def pool_of_bent_sums() -> onnx.ModelProto:
    net, x = _image()
    pooled = net("AveragePool", net("Relu", _sums(net, x)), kernel_shape=[2, 2], name="pool")
    return _pooled(net, _bits(net, net("Sub", pooled, 0.5)), 3)


def falling_max_pool() -> onnx.ModelProto:
    net = Builder((1, 2, 4, 4))
    bits = net("BipolarQuant", net("Add", net("Mul", net.input, [[[-1.0]], [[1.0]]]), 0.5), 1.0, name="binarize")
    return _pooled(net, net("MaxPool", bits, kernel_shape=[2, 2], name="pool"), 2)


def bent_scores(kind: str) -> onnx.ModelProto:
    net, x = _image()
    scores = net("Flatten", net("GlobalAveragePool", _sums(net, x)))
    return net.model(net(kind, scores, name="bend"))


def curve_in_the_middle(kind: str) -> onnx.ModelProto:
    net, x = _image()
    curve = net(kind, net("Mul", _sums(net, x), 0.25), name="curve")
    return _pooled(net, _bits(net, net("Sub", curve, 0.375)), 3)


def sign_of_zero() -> onnx.ModelProto:
    net, x = _image()
    return _pooled(net, net("Sign", _sums(net, x), name="sign"), 3)


def score_map() -> onnx.ModelProto:
    """Scores at every position, flattened, so that nothing says which number is which."""
    net, x = _image()
    return net.model(net("Flatten", _sums(net, x), name="flat"))


def padded_average() -> onnx.ModelProto:
    net, x = _image()
    pooled = net("AveragePool", _sums(net, x), kernel_shape=[2, 2], pads=[1, 1, 0, 0], name="pool")
    return _pooled(net, _bits(net, net("Sub", pooled, 0.75)), 3)


def two_paddings() -> onnx.ModelProto:
    net, x = _image()
    x = net.conv(net.pad(x, (1, 0, 0, 0), 0.0), _signs(3, 2, 2, 2), pads=[0, 1, 0, 0], name="conv")
    return _pooled(net, _bits(net, x), 3)


def reflected() -> onnx.ModelProto:
    net, x = _image()
    x = net("Pad", x, net.constant([0, 0, 1, 1, 0, 0, 1, 1], I64), mode="reflect", name="pad")
    return _pooled(net, _bits(net, _sums(net, x)), 3)


def odd_padding() -> onnx.ModelProto:
    net, x = _image()
    return _pooled(net, _bits(net, _sums(net, net.pad(x, (1, 1, 0, 0), 0.25, name="pad"))), 3)


def zeros_beside_uneven_bits() -> onnx.ModelProto:
    net, x = _image()
    x = net("Add", x, 0.5)
    return _pooled(net, _bits(net, net.conv(x, _signs(3, 2, 2, 2), pads=[1, 0, 0, 0], name="conv")), 3)


def padding_of_codes() -> onnx.ModelProto:
    net = Builder((1, 2, 4, 4))
    x = net("Sub", net.input, 0.3)
    return _pooled(net, _bits(net, net.conv(x, _signs(3, 2, 2, 2), pads=[1, 0, 0, 0], name="conv")), 3)


def parameters_by_pixel() -> onnx.ModelProto:
    net, x = _image()
    shift = net.constant(np.arange(9.0).reshape(1, 1, 3, 3) - 4)
    return _pooled(net, _bits(net, net("Add", _sums(net, x), shift, name="shift")), 3)


def batch_of_four() -> onnx.ModelProto:
    net, x = _image()
    model = _pooled(net, _bits(net, _sums(net, x)), 3)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    return model


def dropout_at_work() -> onnx.ModelProto:
    net, x = _image()
    dropped = net("Dropout", _sums(net, x), 0.5, net.constant(True, np.bool_), name="dropout")
    return _pooled(net, _bits(net, dropped), 3)


def batch_norm_at_work() -> onnx.ModelProto:
    net, x = _image()
    numbers = ([1.0, 0.5, 2.0], [0.0, 0.5, 1.0], [1.0, 0.0, -1.0], [1.0, 2.0, 0.5])
    normed = net("BatchNormalization", _sums(net, x), *numbers, training_mode=1, name="norm")
    return _pooled(net, _bits(net, normed), 3)


def bit_that_changes_twice() -> onnx.ModelProto:
    net, x = _image()
    pooled = net("MaxPool", net("Abs", _sums(net, x)), kernel_shape=[2, 2], name="pool")
    return _pooled(net, _bits(net, net("Sub", pooled, 3.0), name="quant"), 3)


def product_of_branches() -> onnx.ModelProto:
    net, x = _image()
    both = net("Mul", _bits(net, _sums(net, x, name="left")), _bits(net, _sums(net, x, name="right")), name="product")
    return _headed(net, both)


def folded_weights() -> onnx.ModelProto:
    net = Builder((1, 4))
    x = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0)
    weights = net("MatMul", np.diag([1.0, -1.0, 1.0, -1.0]), _signs(4, 3), name="turned")
    return net.model(net("MatMul", x, weights, name="fc"))


def odd_auto_pad() -> onnx.ModelProto:
    net, x = _image()
    x = net.conv(x, _signs(3, 2, 2, 2), auto_pad="SAME", name="conv")
    return _pooled(net, _bits(net, x), 3)


def old_opset() -> onnx.ModelProto:
    net, x = _image()
    model = _pooled(net, _bits(net, _sums(net, x)), 3)
    model.opset_import[0].CopyFrom(helper.make_opsetid("", 8))
    return model


def wide_keys() -> onnx.ModelProto:
    net = Builder((1, 4))
    x = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0)
    scores = net.dense(x, _signs(3, 4), name="fc")
    scale, bias = [1.0, 1e-30, 1.0], [0.0, 1e-30, 1e-20]
    return net.model(net("Add", net("Mul", scores, scale), bias))


#: By name: what makes the model, options of `lower`, and the remedy that must be named.
REFUSED: dict[str, tuple[Callable[[], onnx.ModelProto], dict[str, Any], str]] = {
    "add of two scales": (add_of_two_scales, {}, "one scale"),
    "bent add": (bent_add, {}, "BipolarQuant"),
    "bits of two scales": (bits_of_two_scales, {}, "one scale"),
    "pool of bent sums": (pool_of_bent_sums, {}, ""),
    "falling max pool": (falling_max_pool, {}, "positive scales"),
    "Relu of scores": (lambda: bent_scores("Relu"), {}, "leave it out"),
    "Abs of scores": (lambda: bent_scores("Abs"), {}, "leave it out"),
    "Sigmoid in the middle": (lambda: curve_in_the_middle("Sigmoid"), {}, "HardSigmoid"),
    "Tanh in the middle": (lambda: curve_in_the_middle("Tanh"), {}, "Clip"),
    "Softplus in the middle": (lambda: curve_in_the_middle("Softplus"), {}, "Relu"),
    "sign of zero": (sign_of_zero, {}, "BipolarQuant"),
    "score map": (score_map, {}, "leave out"),
    "padded average": (padded_average, {}, "padding"),
    "two paddings": (two_paddings, {}, "padding"),
    "reflected": (reflected, {}, "one number"),
    "odd padding": (odd_padding, {}, "such a value"),
    "zeros beside uneven bits": (zeros_beside_uneven_bits, {}, "such a value"),
    "padding of codes": (padding_of_codes, {}, "padding"),
    "parameters by pixel": (parameters_by_pixel, {}, "per channel"),
    "batch of four": (batch_of_four, {}, "one frame"),
    "dropout at work": (dropout_at_work, {}, "eval"),
    "batch norm at work": (batch_norm_at_work, {}, "eval"),
    "bit that changes twice": (bit_that_changes_twice, {}, "rise"),
    "product of branches": (product_of_branches, {}, "Add"),
    "folded weights": (folded_weights, {}, "folded"),
    "odd auto_pad": (odd_auto_pad, {}, "pads"),
    "old opset": (old_opset, {}, "export"),
    "wide keys": (wide_keys, {}, "round"),
}
