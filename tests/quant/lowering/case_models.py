"""Small models of the kinds that people bring, each in several forms.

They are modelled on public reports about other tools: average pools on shortcuts, thermometer codes, FINN's input of
uint8, two stems, channel shuffle, activations and weights of several bits, and what no binary network in hardware has
yet. The right answer is exact evaluation, or a refusal with a remedy that works.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from tests.quant.lowering.oracle import Builder

__all__ = ["CASES", "Case"]

I64 = np.int64


@dataclass(frozen=True)
class Case:
    """A model, and how it is lowered.

    Parameters
    ----------
    build : makes the model
    options : arguments of `lower`
    """

    build: Callable[[], onnx.ModelProto]
    options: dict[str, Any] = field(default_factory=dict)


class Net(Builder):
    """A builder with the layers and quantizers that Brevitas exports; parameters come from one seed."""

    def __init__(self, *shape: Any, opset: int = 13, dtype: int = TensorProto.FLOAT, full_rank: bool = False) -> None:
        super().__init__(shape, opset=opset, dtype=dtype)
        self.rng = np.random.default_rng(7)
        self.rank = len(shape) - 2
        self.full_rank = full_rank

    def spread(self, values: Any) -> np.ndarray:
        """Return one number per channel of an image, a signal or a vector."""
        return np.reshape(values, (-1, *[1] * self.rank))

    def entry(self, x: str | None = None) -> str:
        """Return the input scaled to -1..1, as recipes have it."""
        return self("Sub", self("Mul", x or self.input, 2.0), 1.0)

    def codes(self, x: str, *, bits: float = 8.0, scale: Any = 0.0078125, signed: int = 1) -> str:
        if self.full_rank:  # as exporters write it that keep the axes of a tensor
            scale = np.full((1, 1, *[1] * self.rank), scale)
        return self("Quant", x, scale, 0.0, bits, signed=signed, narrow=0, rounding_mode="ROUND")

    def bits(self, x: str, scale: float = 1.0) -> str:
        return self("BipolarQuant", x, np.array([scale]))

    def signs(self, *shape: int) -> str:
        return self("BipolarQuant", self.rng.choice([-1.0, 1.0], shape), 1.0)

    def wide(self, *shape: int, bits: float = 8.0) -> str:
        """Return weights of several bits."""
        weights = self.rng.normal(size=shape)
        return self("Quant", weights, 1 / 64, 0.0, bits, signed=1, narrow=1, rounding_mode="ROUND")

    def layer(self, x: str, neurons: int, channels: int, kernel: int = 3, **attributes: Any) -> str:
        weights = self.signs(neurons, channels, *[kernel] * self.rank)
        return self("Conv", x, weights, kernel_shape=[kernel] * self.rank, **attributes)

    def same(self, x: str, channels: int) -> str:
        return self.layer(x, channels, channels, pads=[1] * 2 * self.rank)

    def norm(self, x: str, channels: int, *, scales: Any = None) -> str:
        scale = self.rng.uniform(0.5, 1.5, channels) if scales is None else np.broadcast_to(scales, channels)
        shift, mean = self.rng.normal(size=(2, channels))
        return self.batch_norm(x, scale, shift, mean, self.rng.uniform(0.5, 2.0, channels))

    def head(self, x: str, features: int, classes: int = 3) -> onnx.ModelProto:
        flat = self("Reshape", x, self.constant([1, -1], I64))
        return self.model(self("MatMul", flat, self("Transpose", self.signs(classes, features), perm=[1, 0])))

    def mean_head(self, x: str, channels: int, classes: int = 3) -> onnx.ModelProto:
        """Return the model that ends in a convolution and the mean of its scores over all pixels."""
        return self.model(self("Flatten", self("GlobalAveragePool", self.layer(x, classes, channels, 1))))

    def pool(self, x: str, kind: str = "AveragePool", size: int = 2) -> str:
        return self(kind, x, kernel_shape=[size] * self.rank, strides=[size] * self.rank)


def image(**options: Any) -> Net:
    return Net(1, 2, 6, 6, **options)


def signal(**options: Any) -> Net:
    return Net(1, 2, 8, **options)


def vector(**options: Any) -> Net:
    return Net(1, 8, **options)


def averages_meet(net: Net, kind: str, *, signs_after: bool = True, scale: float = 1.0) -> onnx.ModelProto:
    """Average pools of bits before an Add or a Concat."""
    x = net.bits(net.norm(net.layer(net.bits(net.entry()), 4, 2, pads=[1] * 2 * net.rank), 4), scale)
    left, right = net.pool(x), net.pool(net.bits(net.norm(net.same(x, 4), 4), scale))
    joined = net("Add", left, right) if kind == "Add" else net("Concat", left, right, axis=1)
    places = 3**net.rank if net.rank == 2 else 4
    return net.head(net.bits(joined) if signs_after else joined, places * (4 if kind == "Add" else 8))


def average_meets_bits(net: Net) -> onnx.ModelProto:
    """A shortcut that is averaged, beside a branch with a stride."""
    x = net.bits(net.norm(net.layer(net.bits(net.entry()), 4, 2, pads=[1] * 2 * net.rank), 4))
    branch = net.bits(net.norm(net.layer(x, 4, 4, pads=[1] * 2 * net.rank, strides=[2] * net.rank), 4))
    return net.head(net.bits(net("Add", branch, net.pool(x))), 4 * (9 if net.rank == 2 else 4))


def thermometer(net: Net, *, levels: int = 2, scale: float = 1.0, layers: int = 1) -> onnx.ModelProto:
    """Several quantizers of the input side by side."""
    x, channels = net.entry(), levels * (8 if net.rank == 0 else 2)
    bits = [net.bits(net("Sub", x, 2 * (level + 1) / (levels + 1) - 1), scale) for level in range(levels)]
    joined = net("Concat", *bits, axis=1)
    if net.rank == 0:
        for _ in range(layers - 1):
            weights = net.signs(6, channels)
            joined, channels = net.bits(net.norm(net("Gemm", joined, weights, transB=1), 6)), 6
        return net.head(joined, channels)
    for _ in range(layers):
        joined, channels = net.bits(net.norm(net.layer(joined, 4, channels), 4)), 4
    size = (6 if net.rank == 2 else 8) - 2 * layers
    return net.head(joined, channels * size**net.rank)


def thermometer_per_channel() -> onnx.ModelProto:
    """Thresholds that differ by channel, as a learned thermometer has them."""
    net = image()
    bits = [net.bits(net("Sub", net.input, net.spread([low, low + 0.25]))) for low in (0.25, 0.5, 0.6)]
    joined = net("Concat", *bits, axis=1)
    return net.head(net.bits(net.layer(joined, 4, 6)), 4 * 16)


def uint8_to_tensor(net: Net, *, cast: bool, annotated: bool = False) -> onnx.ModelProto:
    """FINN's ToTensor: raw pixels, divided by 255 inside the model, then codes of 8 bits."""
    x = net("Cast", net.input, to=TensorProto.FLOAT) if cast else net.input
    x = net.codes(net.entry(net("Div", x, 255.0)))
    x = net.bits(net.norm(net.layer(x, 4, 2), 4))
    model = net.head(net.pool(x, "MaxPool"), 4 * (4 if net.rank == 2 else 3))
    if annotated:
        note = onnx.TensorAnnotation(tensor_name=net.input)
        note.quant_parameter_tensor_names.append(onnx.StringStringEntryProto(key="finn_datatype", value="UINT8"))
        model.graph.quantization_annotation.append(note)
    return model


def two_stems(net: Net) -> onnx.ModelProto:
    """Two convolutions read the codes of the input."""
    x, ends = net.codes(net.entry()), [1] * 2 * net.rank
    left = net.bits(net.norm(net.layer(x, 3, 2, pads=ends), 3))
    right = net.bits(net.norm(net.layer(x, 3, 2, 1), 3))
    return net.head(net("Concat", left, right, axis=1), 6 * (36 if net.rank == 2 else 8))


def two_stems_of_vectors() -> onnx.ModelProto:
    net = vector()
    x = net.codes(net.entry())
    parts = [net.bits(net.norm(net("Gemm", x, net.signs(4, 8), transB=1), 4)) for _ in range(2)]
    return net.head(net("Concat", *parts, axis=1), 8)


def shuffle(net: Net, *, groups: int = 2) -> onnx.ModelProto:
    """Channels of groups are interleaved, as ShuffleNet has it."""
    x = net.bits(net.norm(net.layer(net.codes(net.entry()), 4, 2), 4))
    x = net.bits(net.norm(net.layer(x, 4, 4 // groups, 1, group=groups), 4))
    size = (4,) * net.rank if net.rank == 2 else (6,)
    x = net.reshape(x, 1, groups, 4 // groups, *size)
    x = net("Transpose", x, perm=[0, 2, 1, *range(3, 3 + net.rank)])
    x = net.reshape(x, 1, 4, *size)
    x = net.bits(net.norm(net.layer(x, 4, 4 // groups, 1, group=groups), 4))
    return net.head(x, 4 * int(np.prod(size)))


def few_bits(net: Net, *, bits: float = 2.0, signed: int = 1, pooled: bool = True) -> onnx.ModelProto:
    """Activations of a few bits between the layers."""
    x = net.norm(net.layer(net.codes(net.input), 4, 2, pads=[1] * 2 * net.rank), 4)
    x = net.codes(x, bits=bits, scale=1.0, signed=signed)
    x = net.pool(x, "MaxPool") if pooled else x
    x = net.codes(net.norm(net.same(x, 4), 4), bits=bits, scale=1.0, signed=signed)
    side = 2 if pooled else 1
    return net.head(x, 4 * (6 // side) ** 2 if net.rank == 2 else 4 * (8 // side))


def quantized_add(net: Net, *, bits: float = 8.0) -> onnx.ModelProto:
    """Brevitas's QuantEltwiseAdd: both operands and the sum have a Quant of one scale."""
    first = net.norm(net.layer(net.codes(net.entry()), 4, 2, pads=[1] * 2 * net.rank), 4)
    branch = net.norm(net.same(net.bits(first), 4), 4)
    x = net.codes(net("Add", net.codes(branch, bits=bits), net.codes(first, bits=bits)), bits=bits)
    return net.head(net.bits(x), 4 * (36 if net.rank == 2 else 8))


def wide_stem(net: Net, *, bits: float = 8.0) -> onnx.ModelProto:
    """Weights of several bits in the first layer."""
    x = net("Conv", net.codes(net.entry()), net.wide(4, 2, *[3] * net.rank, bits=bits))
    return net.head(net.bits(net.norm(x, 4)), 4 * (16 if net.rank == 2 else 6))


def wide_classifier(net: Net, *, bits: float = 8.0) -> onnx.ModelProto:
    """Weights of several bits in the last layer."""
    x = net.bits(net.norm(net.layer(net.codes(net.entry()), 4, 2), 4))
    features = 4 * (16 if net.rank == 2 else 6)
    flat = net("Flatten", x)
    return net.model(net("Gemm", flat, net.wide(3, features, bits=bits), np.zeros(3), transB=1))


def unequal_add(net: Net) -> onnx.ModelProto:
    """Bi-Real Net's block: sums after their batch norms are added, each of its own scale."""
    going = net.norm(net.layer(net.codes(net.entry()), 4, 2, pads=[1] * 2 * net.rank), 4)
    for _ in range(2):
        going = net("Add", net.norm(net.same(net.bits(going), 4), 4), going)
    return net.head(net.bits(going), 4 * (36 if net.rank == 2 else 8))


def bits_and_norm(net: Net) -> onnx.ModelProto:
    """A branch that ends in a batch norm is added to bits."""
    x = net.bits(net.norm(net.layer(net.codes(net.entry()), 4, 2, pads=[1] * 2 * net.rank), 4))
    x = net.bits(net("Add", net.norm(net.same(x, 4), 4), x))
    return net.head(net.bits(net("Add", net.norm(net.same(x, 4), 4), x)), 4 * (36 if net.rank == 2 else 8))


def hard_tanh_shortcut(net: Net) -> onnx.ModelProto:
    """HardTanh on the shortcut before an Add."""

    def clip(x: str) -> str:
        return net("Clip", x, -1.0, 1.0)

    going = clip(net.norm(net.layer(net.codes(net.entry()), 4, 2, pads=[1] * 2 * net.rank), 4))
    going = clip(net("Add", net.norm(net.same(net.bits(going), 4), 4), going))
    return net.head(net.bits(going), 4 * (36 if net.rank == 2 else 8))


def padded_channels(*, slices: bool = True) -> onnx.ModelProto:
    """ResNet's option A: a shortcut with every second pixel, and zeros for the new channels."""
    net = image()
    x = net.bits(net.norm(net.layer(net.codes(net.entry()), 2, 2, pads=[1] * 4), 2))
    branch = net.layer(x, 4, 2, pads=[1] * 4, strides=[2, 2])
    short = x
    if slices:
        for axis in (2, 3):
            numbers = (net.constant([each], I64) for each in (0, 2**63 - 1, axis, 2))
            short = net("Slice", short, *numbers)
    else:
        short = net("AveragePool", short, kernel_shape=[1, 1], strides=[2, 2])
    short = net("Pad", short, net.constant([0, 1, 0, 0, 0, 1, 0, 0], I64), 0.0, mode="constant")
    return net.head(net.bits(net("Add", branch, short)), 4 * 9)


def reduced_max(net: Net, *, keep: int = 0) -> onnx.ModelProto:
    """PointNet's maximum over all points."""
    x = net.bits(net.norm(net.layer(net.codes(net.input), 4, 2, 1), 4))
    x = net.bits(net.norm(net.layer(x, 6, 4, 1), 6))
    axes = list(range(2, 2 + net.rank))
    if net.opset < 18:
        return net.head(net("ReduceMax", x, axes=axes, keepdims=keep), 6)
    return net.head(net("ReduceMax", x, net.constant(axes, I64), keepdims=keep), 6)


def truncated_average(net: Net) -> onnx.ModelProto:
    """Brevitas's TruncAvgPool2d."""
    x = net.bits(net.norm(net.layer(net.codes(net.entry()), 4, 2), 4))
    numbers = (4.0, 0.0, 4.0, 4.0, 1.0)
    x = net("Trunc", net.pool(x), *numbers, signed=0, narrow=0, rounding_mode="FLOOR")
    return net.head(net.bits(x), 4 * (4 if net.rank == 2 else 3))


def mean_after_shortcut(net: Net) -> onnx.ModelProto:
    """ResNet's end: the mean of a last convolution's scores, in a network with a shortcut."""
    x = net.bits(net.norm(net.layer(net.codes(net.entry()), 4, 2, pads=[1] * 2 * net.rank), 4))
    x = net.bits(net("Add", net.bits(net.norm(net.same(x, 4), 4)), x))
    return net.mean_head(x, 4)


def score_map(net: Net) -> onnx.ModelProto:
    """Segmentation: scores at every position."""
    x = net.bits(net.norm(net.layer(net.codes(net.entry()), 4, 2, pads=[1] * 2 * net.rank), 4))
    return net.model(net.layer(x, 3, 4, 1))


def two_heads(net: Net) -> onnx.ModelProto:
    """Two classifiers of one trunk."""
    x = net.bits(net.norm(net.layer(net.codes(net.entry()), 4, 2), 4))
    flat, features = net("Flatten", x), 4 * (16 if net.rank == 2 else 6)
    return net.model(*(net("Gemm", flat, net.signs(classes, features), transB=1) for classes in (3, 2)))


def upsampled(*, concatenated: bool = True) -> onnx.ModelProto:
    """A small U-Net: what was pooled comes back to size and beside what it came from."""
    net = image()
    x = net.bits(net.norm(net.layer(net.codes(net.entry()), 4, 2, pads=[1] * 4), 4))
    low = net.bits(net.norm(net.same(net.pool(x, "MaxPool"), 4), 4))
    modes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    up = net("Resize", low, "", np.array([1.0, 1.0, 2.0, 2.0]), **modes)
    joined = net("Concat", x, up, axis=1) if concatenated else up
    x = net.bits(net.norm(net.layer(joined, 4, 8 if concatenated else 4), 4))
    return net.head(x, 4 * 16) if concatenated else net.mean_head(x, 4)


def improved(*, float_stream: bool) -> onnx.ModelProto:
    """Layers that improve the last channels of a stream and pass the others on, as in MeliusNet."""
    net = image()
    x = net.norm(net.layer(net.codes(net.entry()), 4, 2), 4)
    x = x if float_stream else net.bits(x)
    for _ in range(2):
        y = net.norm(net.layer(net.bits(x), 2, 4, pads=[1] * 4), 2)
        y = y if float_stream else net.bits(y)
        first, last = net.split(x, 2, 2)
        x = net("Concat", first, net("Add", last, y) if float_stream else y, axis=1)
    return net.mean_head(net.bits(net.norm(net.layer(net.bits(x), 4, 4, 1), 4)), 4)


def enlarged_by_layers() -> onnx.ModelProto:
    """A stream to which a transposed convolution with float weights is added."""
    net = image()
    x = net.norm(net.layer(net.codes(net.entry()), 4, 2, pads=[1] * 4), 4)
    low = net("Relu", net.norm(net.same(net.bits(net.pool(x, "MaxPool")), 4), 4))
    up = net("ConvTranspose", low, net.rng.normal(size=(4, 4, 2, 2)), kernel_shape=[2, 2], strides=[2, 2])
    return net.mean_head(net.bits(net("Add", x, up)), 4)


def transposed_convolution() -> onnx.ModelProto:
    net = image()
    x = net.bits(net.norm(net.layer(net.codes(net.entry()), 4, 2), 4))
    x = net("ConvTranspose", x, net.signs(4, 4, 2, 2), kernel_shape=[2, 2], strides=[2, 2])
    return net.mean_head(net.bits(net.norm(x, 4)), 4)


def one_neuron(net: Net, *, end: str = "") -> onnx.ModelProto:
    """Yes or no: one neuron, with or without what makes a decision of it."""
    x = net.bits(net.norm(net.layer(net.codes(net.entry()), 4, 2), 4))
    model = net.head(x, 4 * (16 if net.rank == 2 else 6), classes=1)
    if end:
        last = model.graph.output[0].name
        more = Net(1, 1)
        output = more(end, last, *((1.0,) if end == "BipolarQuant" else ()))
        added = more.model(output)
        added.graph.node[0].output[0] = "decision"
        for tensor in added.graph.initializer:
            tensor.name = f"end_{tensor.name}"
        added.graph.node[0].input[1:] = [f"end_{name}" for name in added.graph.node[0].input[1:]]
        model.graph.node.extend(added.graph.node)
        model.graph.initializer.extend(added.graph.initializer)
        model.graph.output[0].name = "decision"
    return model


def _three(build: Callable[..., onnx.ModelProto], name: str, **options: Any) -> dict[str, Case]:
    """Return a model on an image and on a signal, of an old and a new opset."""
    return {
        f"{name}-2d": Case(lambda: build(image(), **options)),
        f"{name}-1d": Case(lambda: build(signal(opset=16), **options)),
        f"{name}-new": Case(lambda: build(image(opset=20, full_rank=True), **options)),
    }


def _signs(net: Net, *shape: int) -> np.ndarray:
    return net.rng.choice([-1.0, 1.0], shape)


def sums_into_a_layer() -> onnx.ModelProto:
    """No quantizer between two layers."""
    net = image()
    x = net.conv(net("BipolarQuant", net("Sub", net.input, 0.5), 1.0), _signs(net, 3, 2, 2, 2), name="conv")
    scores = net.conv(x, _signs(net, 2, 3, 1, 1), name="last")
    return net.model(net("Flatten", net("GlobalAveragePool", scores)))


def max_pool_of_the_input() -> onnx.ModelProto:
    """A pool before the input's quantizer."""
    net = image()
    pooled = net("MaxPool", net.input, kernel_shape=[2, 2], name="pool")
    bits = net("BipolarQuant", net("Sub", pooled, 0.5), 1.0, name="binarize")
    scores = net.conv(bits, _signs(net, 2, 2, 1, 1), name="last")
    return net.model(net("Flatten", net("GlobalAveragePool", scores)))


def pooled_bits() -> onnx.ModelProto:
    """A model that ends in the largest of its bits."""
    net = image()
    x = net.conv(net("BipolarQuant", net("Sub", net.input, 0.5), 1.0), _signs(net, 3, 2, 2, 2), name="conv")
    return net.model(net("Flatten", net("GlobalMaxPool", net("BipolarQuant", x, 1.0))))


CASES: dict[str, Case] = {
    "sums-into-a-layer": Case(sums_into_a_layer),
    "pooled-input": Case(max_pool_of_the_input),
    "pooled-bits": Case(pooled_bits),
    **_three(averages_meet, "averages-add", kind="Add"),
    **_three(averages_meet, "averages-concat", kind="Concat"),
    **_three(averages_meet, "averages-half", kind="Add", scale=0.5),
    **_three(averages_meet, "averages-layer", kind="Add", signs_after=False),
    **_three(average_meets_bits, "average-and-bits"),
    **_three(thermometer, "thermometer"),
    **_three(thermometer, "thermometer-levels", levels=3, layers=2),
    "thermometer-dense": Case(lambda: thermometer(vector())),
    "thermometer-dense-levels": Case(lambda: thermometer(vector(opset=20), levels=4, layers=2)),
    "thermometer-half": Case(lambda: thermometer(vector(), scale=0.5, layers=2)),
    "thermometer-per-channel": Case(thermometer_per_channel),
    "uint8-cast-2d": Case(lambda: uint8_to_tensor(image(dtype=TensorProto.UINT8), cast=True), {"input_kind": "quant"}),
    "uint8-cast-auto": Case(lambda: uint8_to_tensor(image(dtype=TensorProto.UINT8), cast=True)),
    "uint8-cast-1d": Case(lambda: uint8_to_tensor(signal(dtype=TensorProto.UINT8), cast=True)),
    "uint8-float": Case(lambda: uint8_to_tensor(image(), cast=False)),
    "uint8-annotated": Case(lambda: uint8_to_tensor(image(), cast=False, annotated=True)),
    **_three(two_stems, "two-stems"),
    "two-stems-dense": Case(two_stems_of_vectors),
    **_three(shuffle, "shuffle"),
    **_three(few_bits, "two-bits"),
    **_three(few_bits, "four-bits-unsigned", bits=4.0, signed=0, pooled=False),
    **_three(quantized_add, "quantized-add"),
    **_three(wide_stem, "wide-stem"),
    **_three(wide_classifier, "wide-classifier", bits=4.0),
    **_three(unequal_add, "unequal-add"),
    **_three(bits_and_norm, "bits-and-norm"),
    **_three(hard_tanh_shortcut, "hard-tanh"),
    "option-a": Case(padded_channels),
    "option-a-pool": Case(lambda: padded_channels(slices=False)),
    **_three(reduced_max, "reduced-max"),
    **_three(reduced_max, "reduced-max-kept", keep=1),
    **_three(truncated_average, "truncated-average"),
    **_three(score_map, "score-map"),
    **_three(mean_after_shortcut, "mean-after-shortcut"),
    **_three(two_heads, "two-heads"),
    "upsampled": Case(upsampled),
    "upsampled-alone": Case(lambda: upsampled(concatenated=False)),
    "transposed-convolution": Case(transposed_convolution),
    "improved": Case(lambda: improved(float_stream=False)),
    "improved-stream": Case(lambda: improved(float_stream=True)),
    "enlarged-by-layers": Case(enlarged_by_layers),
    **_three(one_neuron, "one-neuron"),
    **{f"one-neuron-{end}": Case(lambda end=end: one_neuron(image(), end=end)) for end in ("BipolarQuant", "Sigmoid")},  # type: ignore[misc]
}
