"""Operators that only move numbers: slices, shuffles, upsampling, blocks of pixels, transposed convolutions."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from dataflow import MatrixVector, Network
from quant.lowering import lower
from tests.quant.lowering.assertions import assert_exact, assert_refused
from tests.quant.lowering.image_models import by_channel, norm, sign, signs, size_of
from tests.quant.lowering.oracle import Builder

SIDE = 6


def start(channels: int, side: int = SIDE) -> tuple[Builder, str]:
    """Return the bits of a convolution, channels that rise and channels that fall."""
    net, x = sums(channels, side)
    return net, sign(net, x, name="sign")


def sums(channels: int, side: int = SIDE) -> tuple[Builder, str]:
    """Return the sums of a convolution after a batch norm."""
    net = Builder((1, 2, side + 1, side + 1))
    x = net.conv(sign(net, net("Sub", net.input, 0.5)), signs(channels, 2, 2, 2), name="first")
    return net, norm(net, x, channels)


def end(net: Builder, x: str, channels: int, kernel: int = 1, *, groups: int = 1, pad: int = 0) -> onnx.ModelProto:
    """Return the model that ends in two more convolutions."""
    weights = signs(4, channels // groups, kernel, kernel)
    x = sign(net, norm(net, net.conv(x, weights, name="last", group=groups, pads=[pad] * 4), 4))
    return net.model(net("Flatten", net("GlobalAveragePool", net.conv(x, signs(3, 4, 1, 1), name="head"))))


def flat(net: Builder, x: str, numbers: int) -> onnx.ModelProto:
    return net.model(net.dense(net("Flatten", x), signs(3, numbers), name="fc"))


def conv(net: Builder, x: str, weights: tuple[int, ...], name: str, **attributes: object) -> str:
    """Append a convolution, a batch norm and a sign."""
    return sign(net, norm(net, net.conv(x, signs(*weights), name=name, **attributes), weights[0]))


def cut(net: Builder, x: str, start: int, end: int, axis: int = 1, step: int = 1) -> str:
    return net("Slice", x, *(net.constant([each], np.int64) for each in (start, end, axis, step)), name="cut")


def crop(net: Builder, x: str) -> str:
    return cut(net, cut(net, x, 1, 5, 2), 2, 6, 3)


def shuffle(net: Builder, x: str, groups: int, channels: int, side: int = SIDE) -> str:
    x = net.reshape(x, 1, groups, channels // groups, side, side)
    return net.reshape(net("Transpose", x, perm=[0, 2, 1, 3, 4], name="shuffle"), 1, channels, side, side)


def enlarged(net: Builder, x: str, down: float, right: float, **attributes: object) -> str:
    given = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor", **attributes}
    return net("Resize", x, "", np.array([1, 1, down, right]), name="enlarge", **given)


def deconv(
    net: Builder, x: str, weights: tuple[int, ...], bias: list[float] | None = None, **attributes: object
) -> str:
    further = [] if bias is None else [np.array(bias)]
    quantized = net("BipolarQuant", signs(*weights).astype(np.float32), 1.0)
    return net("ConvTranspose", x, quantized, *further, name="deconv", **attributes)


def kinds(network: Network) -> list[str]:
    """Return what moves numbers, and where branches meet."""
    counted = {"Add", "Concat", "Fork", "Rearrange", "Select"}
    return sorted(node.kind for node in network.nodes if node.kind in counted)


def test_channels_of_one_layer_cost_nothing() -> None:
    """The matrix makes the channels that are read, in the order in which they are read."""

    def sliced() -> onnx.ModelProto:
        net, x = start(6)
        return end(net, cut(net, x, 2, 6), 4)

    def last_three() -> onnx.ModelProto:
        net, x = start(6)
        return flat(net, cut(net, x, -3, 2**62), 3 * SIDE**2)

    def shuffled() -> onnx.ModelProto:
        net, x = start(8)
        return end(net, shuffle(net, x, 2, 8), 8, 2, groups=2)

    def by_slices() -> onnx.ModelProto:
        net, x = start(8)
        return end(net, net("Concat", cut(net, x, 0, 8, step=2), cut(net, x, 1, 8, step=2), axis=1), 8)

    def padded() -> onnx.ModelProto:
        net, x = start(8)
        return end(net, net.pad(shuffle(net, x, 2, 8), (1, 1, 0, 1), 1.0), 8, 2)

    def pooled() -> onnx.ModelProto:
        net, x = start(8)
        x = net("MaxPool", shuffle(net, x, 4, 8), kernel_shape=[2, 2])
        return end(net, net("AveragePool", x, kernel_shape=[2, 2]), 8, groups=2)

    def of_sums() -> onnx.ModelProto:
        net, x = sums(6)
        return end(net, sign(net, norm(net, cut(net, x, 1, 5), 4)), 4)

    for make in (sliced, last_three, shuffled, by_slices, padded, pooled, of_sums):
        assert kinds(assert_exact(make())) == [], make.__name__


def test_selected_rows_are_the_only_ones() -> None:
    net, x = start(6)
    network = lower(end(net, cut(net, x, 2, 5), 3))
    first = network.node("first")
    assert isinstance(first, MatrixVector)
    assert first.neurons == 3


def melius(net: Builder, x: str) -> str:
    """Improve the last channels, and pass the others on."""
    improved = net("Add", cut(net, x, 4, 8), conv(net, x, (4, 8, 3, 3), "improve", pads=[1] * 4))
    return net("Concat", cut(net, x, 0, 4), sign(net, improved), axis=1)


def melius_codes(net: Builder, x: str) -> str:
    """The same with a stream of codes, whose signs the layers take."""
    codes = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}
    x = net("Quant", net("Mul", x, 3.0), 1.0, 0.0, 4.0, **codes)
    y = net.conv(sign(net, x), signs(4, 8, 3, 3), name="improve", pads=[1] * 4)
    y = net("Quant", norm(net, y, 4), 1.0, 0.0, 4.0, **codes)
    return sign(net, net("Concat", cut(net, x, 0, 4), net("Add", cut(net, x, 4, 8), y), axis=1))


def shufflenet(net: Builder, x: str) -> str:
    """Split the channels, put layers after one half, concatenate both and shuffle; twice."""
    for block in range(2):
        passed, changed = net.split(x, 4, 4, name=f"split{block}")
        changed = conv(net, changed, (4, 4, 1, 1), f"point{block}")
        changed = conv(net, changed, (4, 1, 3, 3), f"depth{block}", group=4, pads=[1] * 4)
        x = shuffle(net, net("Concat", passed, changed, axis=1), 2, 8)
    return x


def added_shuffled(net: Builder, x: str) -> str:
    return sign(net, net("Add", shuffle(net, x, 2, 8), conv(net, x, (8, 8, 3, 3), "beside", pads=[1] * 4)))


def concatenated_shuffled(net: Builder, x: str) -> str:
    return net("Concat", shuffle(net, x, 2, 8), conv(net, x, (4, 8, 1, 1), "beside"), axis=1)


def added_halves(net: Builder, x: str) -> str:
    return sign(net, net("Add", *net.split(x, 4, 4)))


def depthwise(net: Builder, x: str) -> str:
    """A depthwise convolution follows a shuffle without moving anything; then groups of two need it moved."""
    return conv(net, shuffle(net, x, 2, 8), (8, 1, 1, 1), "depthwise", group=8)


#: What follows the bits of 8 channels, how many there are then, in how many groups they are read, and what moves them.
BRANCHES: dict[str, tuple[Callable[[Builder, str], str], int, int, list[str]]] = {
    "melius": (melius, 8, 1, ["Add", "Concat", "Fork", "Select", "Select"]),
    "melius-codes": (melius_codes, 8, 1, ["Add", "Concat", "Fork", "Select", "Select"]),
    "shufflenet": (shufflenet, 8, 1, ["Concat", "Concat", "Fork", "Fork", *["Select"] * 4]),
    "added-shuffled": (added_shuffled, 8, 1, ["Add", "Fork", "Select"]),
    "concatenated-shuffled": (concatenated_shuffled, 12, 1, ["Concat", "Fork"]),
    "added-halves": (added_halves, 4, 1, ["Add", "Fork", "Select", "Select"]),
    "repeated": (lambda net, x: net("Gather", x, net.constant([5, 0, 0, 3], np.int64), axis=1), 4, 1, ["Select"]),
    "depthwise": (depthwise, 8, 1, []),
    "groups-after-depthwise": (depthwise, 8, 4, ["Select"]),
    "groups-after-groups": (
        lambda net, x: shuffle(net, conv(net, x, (8, 4, 1, 1), "grouped", group=2), 2, 8),
        *(8, 2, ["Select"]),
    ),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_channels_where_branches_and_groups_need_them(name: str) -> None:
    build, channels, groups, moves = BRANCHES[name]
    net, x = start(8) if name != "melius-codes" else sums(8)
    network = assert_exact(end(net, build(net, x), channels, 2, groups=groups))
    assert kinds(network) == moves


def depth_to_space(mode: str) -> Callable[[Builder, str], str]:
    return lambda net, x: net("DepthToSpace", x, blocksize=2, mode=mode)


def pixel_shuffle(net: Builder, x: str) -> str:
    """DepthToSpace as reshapes and a transpose."""
    x = net("Transpose", net.reshape(x, 1, 2, 2, 2, SIDE, SIDE), perm=[0, 1, 4, 2, 5, 3])
    return net.reshape(x, 1, 2, 2 * SIDE, 2 * SIDE)


def pixel_unshuffle(net: Builder, x: str) -> str:
    x = net("Transpose", net.reshape(x, 1, 8, 3, 2, 3, 2), perm=[0, 1, 3, 5, 2, 4])
    return net.reshape(x, 1, 32, 3, 3)


def expanded(net: Builder, x: str) -> str:
    """Nearest upsampling as reshapes and an Expand."""
    x = net("Expand", net.reshape(x, 1, 8, SIDE, 1, SIDE, 1), net.constant([1, 8, SIDE, 2, SIDE, 3], np.int64))
    return net.reshape(x, 1, 8, 2 * SIDE, 3 * SIDE)


def quarters(net: Builder, x: str) -> str:
    """SpaceToDepth as slices."""
    parts = [cut(net, cut(net, x, a, SIDE, 2, 2), b, SIDE, 3, 2) for b in (1, 0) for a in (1, 0)]
    return net("Concat", *parts, axis=1)


#: What follows the bits or the sums of 8 channels, and how many there are then.
PIXELS: dict[str, tuple[Callable[[Builder, str], str], int]] = {
    "upsampled": (lambda net, x: enlarged(net, x, 2, 3), 8),
    "half-pixel": (
        lambda net, x: enlarged(
            net, x, 2, 2, coordinate_transformation_mode="half_pixel", nearest_mode="round_prefer_floor"
        ),
        8,
    ),
    "reduced": (lambda net, x: enlarged(net, x, 0.5, 0.5), 8),
    "by-sizes": (
        lambda net, x: net("Resize", x, "", "", net.constant([1, 8, 12, 6], np.int64), mode="nearest"),
        8,
    ),
    "expanded": (expanded, 8),
    "tiled": (lambda net, x: net("Tile", x, net.constant([1, 1, 1, 2], np.int64)), 8),
    "depth-to-space": (depth_to_space("DCR"), 2),
    "depth-to-space-crd": (depth_to_space("CRD"), 2),
    "pixel-shuffle": (pixel_shuffle, 2),
    "space-to-depth": (lambda net, x: net("SpaceToDepth", x, blocksize=2), 32),
    "pixel-unshuffle": (pixel_unshuffle, 32),
    "cropped": (crop, 8),
    "cropped-channels": (lambda net, x: cut(net, crop(net, x), 2, 7), 5),
    "negative-pads": (
        lambda net, x: net("Pad", x, net.constant([0, 0, -1, -2, 0, -3, 0, -1], np.int64), mode="constant"),
        5,
    ),
    "transposed": (lambda net, x: net("Transpose", x, perm=[0, 1, 3, 2]), 8),
    "flipped": (lambda net, x: cut(net, x, -1, -(2**62), 2, -1), 8),
    "twice": (lambda net, x: net("DepthToSpace", enlarged(net, x, 2, 2), blocksize=2), 2),
}


#: Those that take every number once, so that the columns of a dense layer can be sorted.
MOVED = {"depth-to-space", "depth-to-space-crd", "pixel-shuffle", "space-to-depth", "pixel-unshuffle"}
MOVED |= {"transposed", "flipped"}
#: Those with operators after them that differ between what is one channel before, or that have none for some channels.
OF_SUMS = {"space-to-depth", "pixel-unshuffle", "cropped-channels", "negative-pads"}


@pytest.mark.long
@pytest.mark.parametrize("place", ["bits", "sums", "flat"])
@pytest.mark.parametrize("name", PIXELS)
def test_pixels(name: str, place: str) -> None:
    """A view moves bits where it can: operators that follow it are computed before it."""
    build, channels = PIXELS[name]
    net, x = sums(8) if place == "sums" else start(8)
    x = build(net, x)
    if place == "sums":
        x = sign(net, net("Add", x, by_channel(*np.arange(channels) % 3 - 1)))
    if place == "flat":
        network = assert_exact(flat(net, x, size_of(net, x, (2, SIDE + 1, SIDE + 1))))
    else:
        network = assert_exact(end(net, x, channels, 2, pad=1))
    if place == "flat" and name in MOVED:
        assert kinds(network) == []
        return
    assert kinds(network) == ["Rearrange"]
    (node,) = (node for node in network.nodes if node.kind == "Rearrange")
    assert str(node.input_streams[0].element) == "bipolar" or (place == "sums" and name in OF_SUMS)


def test_pads_on_one_side_and_cuts_on_the_other() -> None:
    net, x = start(4)
    x = net("Pad", x, net.constant([0, 0, 1, -2, 0, 0, -1, 1], np.int64), 1.0, mode="constant")
    assert kinds(assert_exact(end(net, x, 4, 2))) == ["Rearrange"]


def test_pixels_of_the_input() -> None:
    def image(build: Callable[[Builder, str], str], channels: int) -> onnx.ModelProto:
        net = Builder((1, 3, SIDE, SIDE))
        x = net.conv(build(net, net("Sub", net.input, 0.25)), signs(5, channels, 2, 2), name="first")
        return end(net, sign(net, norm(net, x, 5)), 5)

    assert kinds(assert_exact(image(lambda net, x: net("SpaceToDepth", x, blocksize=2), 12))) == ["Rearrange"]
    assert kinds(assert_exact(image(crop, 3))) == ["Rearrange"]
    assert kinds(assert_exact(image(lambda net, x: cut(net, x, 0, 2), 2))) == ["Select"]
    assert kinds(assert_exact(image(quarters, 12))) == ["Concat", "Fork", *["Rearrange"] * 3]
    net = Builder((1, 12))
    x = sign(net, net.dense(cut(net, sign(net, net("Sub", net.input, 0.5)), 3, 9), signs(5, 6)))
    assert kinds(assert_exact(net.model(net.dense(x, signs(3, 5), name="fc")))) == ["Select"]


#: Kernel, stride, pads, output_padding and dilation of a ConvTranspose, and the views that it needs.
GEOMETRIES = {
    "blocks": (2, 2, 0, 0, 1, 1),
    "overlapping": (4, 2, 1, 0, 1, 1),
    "some-phases-with-more-taps": (3, 2, 1, 1, 1, 1),
    "no-stride": (3, 1, 1, 0, 1, 0),
    "with-output-padding": (3, 3, 0, 1, 1, 2),
    "with-gaps": (2, 3, 0, 0, 1, 2),
    "dilated": (3, 2, 0, 0, 2, 2),
    "cut-far": (5, 2, 3, 1, 1, 1),
}


@pytest.mark.long
@pytest.mark.parametrize("name", GEOMETRIES)
def test_transposed_convolutions(name: str) -> None:
    kernel, stride, pad, more, dilation, views = GEOMETRIES[name]
    net, x = start(4, 4)
    two = {"strides": [stride] * 2, "output_padding": [more] * 2, "dilations": [dilation] * 2, "pads": [pad] * 4}
    x = deconv(net, x, (4, 3, kernel, kernel), **two)
    network = assert_exact(end(net, sign(net, norm(net, x, 3)), 3, 2))
    assert kinds(network) == ["Rearrange"] * views
    matrix = network.node("deconv")
    assert isinstance(matrix, MatrixVector)
    assert matrix.neurons == 3 * stride**2
    assert matrix.thresholds is not None or views > 1
    # A phase without taps is a neuron of scale 0; one with fewer taps than another has weights of 0.
    assert str(matrix.weight_element) == ("int2" if name in {"some-phases-with-more-taps", "cut-far"} else "bipolar")


def test_transposed_convolutions_of_other_forms() -> None:
    net, x = start(4, 4)
    x = deconv(net, x, (4, 3, 4, 2), [0.5, -0.5, 0, 1, 2, 0], strides=[2, 2], group=2, pads=[1, 0, 1, 0])
    assert_exact(end(net, sign(net, norm(net, x, 6)), 6, 2))
    net = Builder((1, 3, 8))
    x = deconv(net, sign(net, net("Sub", net.input, 0.5)), (3, 4, 4), strides=[2], pads=[1, 1])
    x = sign(net, net("Sub", x, np.array([[0.5], [0], [1], [-1]])))
    assert_exact(net.model(net("Flatten", net("GlobalAveragePool", net.conv(x, signs(3, 4, 1), name="head")))))
    net, x = start(4, 4)
    x = deconv(net, x, (4, 3, 2, 2), strides=[2, 2])
    assert_exact(net.model(net("Flatten", net("GlobalAveragePool", x))))


def unet(net: Builder, x: str, up: Callable[[Builder, str], str]) -> str:
    """Reduce the image, enlarge it again and put it beside what it was."""
    down = conv(net, net("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), (5, 8, 3, 3), "down", pads=[1] * 4)
    return net("Concat", x, up(net, down), axis=1)


UPS: dict[str, Callable[[Builder, str], str]] = {
    "resize": lambda net, x: enlarged(net, x, 2, 2),
    "deconv": lambda net, x: sign(net, norm(net, deconv(net, x, (5, 5, 2, 2), strides=[2, 2]), 5)),
    "pixels": lambda net, x: net(
        "DepthToSpace", conv(net, x, (20, 5, 1, 1), "wide"), blocksize=2, mode="CRD", name="pixels"
    ),
}


@pytest.mark.parametrize("up", UPS)
def test_unets(up: str) -> None:
    net, x = start(8)
    network = assert_exact(end(net, unet(net, x, UPS[up]), 13, 3, pad=1))
    assert kinds(network) == ["Concat", "Fork", "Rearrange"]


REFUSED: dict[str, tuple[Callable[[Builder, str], str], str]] = {
    "linear": (
        lambda net, x: net("Resize", x, "", np.array([1, 1, 2, 2.0]), mode="linear", name="up"),
        "mode of node 'up' (Resize) must be nearest, not 'linear': interpolate before the export, or use nearest",
    ),
    "coordinates": (
        lambda net, x: enlarged(net, x, 2, 2, coordinate_transformation_mode="tf_crop_and_resize"),
        "Node 'enlarge' (Resize) must take nearest numbers, not by 'tf_crop_and_resize': use asymmetric and floor",
    ),
    "scales": (
        lambda net, x: net("Resize", x, "", np.array([1.0, 2.0]), mode="nearest", name="up"),
        "Node 'up' (Resize) must have a positive scale or size for each of its 4 axes, not 1, 2",
    ),
    "corners": (
        lambda net, x: enlarged(net, x, 1.25, 2, coordinate_transformation_mode="align_corners"),
        "Scales of node 'enlarge' (Resize) must give whole sizes where corners are aligned, not 7.5: write its sizes",
    ),
    "fractional": (
        lambda net, x: enlarged(net, x, 1.5, 1.5),
        "Node 'enlarge' (Resize) must repeat all rows or columns equally often, or take every n-th, not make 9 of 6 by "
        "'asymmetric' and 'floor': use whole factors with 'asymmetric' and 'floor'",
    ),
    "uneven": (
        lambda net, x: enlarged(net, x, 1, 2, coordinate_transformation_mode="half_pixel"),
        "Node 'enlarge' (Resize) must repeat all rows or columns equally often, or take every n-th, not make 12 of 6 "
        "by 'half_pixel' and 'floor': use whole factors with 'asymmetric' and 'floor'",
    ),
    "any-rows": (
        lambda net, x: net("Gather", x, net.constant([0, 4, 1, 3], np.int64), axis=2, name="rows"),
        "Input of node 'last' must be the image of 'first' with rows and columns where they are, or moved in "
        "equal steps, not rearranged by 'rows': leave out what moves them",
    ),
    "parts": (
        lambda net, x: net.split(x, 2, 2, name="halves")[0],
        "Node 'halves' (Split) must fit its input of 1x6x6x6, not be given: parts of 2, 2",
    ),
    "product-of-halves": (
        lambda net, x: net("Mul", *net.split(x, 3, 3, name="halves"), name="gate"),
        "Node 'gate' (Mul) must combine numbers of one layer, not of 'halves' and 'halves': only Add joins branches",
    ),
    "transposed-pads": (
        lambda net, x: deconv(net, x, (6, 3, 2, 2), strides=[2, 2], pads=[6] * 4),
        "pads of node 'deconv' (ConvTranspose) must leave pixels of each axis, not be 6 and 6 of 12",
    ),
    "transposed-channels": (
        lambda net, x: deconv(net, x, (5, 3, 2, 2), strides=[2, 2]),
        "Weights of node 'deconv' (ConvTranspose) must be for the 6 channels of its input in equal groups, "
        "not for 5 in 1",
    ),
    "transposed-bias": (
        lambda net, x: deconv(net, x, (6, 3, 2, 2), [0.0], strides=[2, 2]),
        "Bias of node 'deconv' must be one number for each of its 3 neurons, not 1",
    ),
    "transposed-kernel": (
        lambda net, x: deconv(net, x, (6, 3, 2, 2), strides=[2, 2], kernel_shape=[3, 3]),
        "kernel_shape of node 'deconv' (ConvTranspose) must be that of its weights, 2x2, not 3x3",
    ),
    "shuffled-padding-in-groups": (
        lambda net, x: conv(
            net, net.pad(shuffle(net, x, 2, 6), (1, 1, 1, 1), 1.0, name="pad"), (6, 3, 1, 1), "groups", group=2
        ),
        "Node 'pad' (Pad) must pad channels in the groups of node 'groups', not shuffled ones: "
        "put it before the shuffle, or into the Conv",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    build, sentence = REFUSED[name]
    net, x = start(6)
    channels = 3 if name.startswith("transposed") or name == "product-of-halves" else 2 if name == "parts" else 6
    assert_refused(end(net, sign(net, build(net, x)), channels), sentence)


def test_sums_of_several_scales_are_not_moved_to_one_channel() -> None:
    net = Builder((1, 2, 5, 5))
    x = net.conv(sign(net, net("Sub", net.input, 0.5)), signs(8, 2, 2, 2), name="first")
    x = net("Mul", x, by_channel(1, 1, 2, 1, 1, 1, 1, 1))
    x = net("DepthToSpace", x, blocksize=2, name="pixels")
    sentence = (
        "Node 'pixels' must move numbers of one scale to each channel, not the sums of 'first' that count 1 and 2 in "
        "channel 0: put a BipolarQuant, or a Quant, before it, as xnorflow quantize does, and use positive scales there"
    )
    assert_refused(net.model(net("Flatten", net("GlobalAveragePool", net.conv(x, signs(3, 2, 1, 1))))), sentence)
