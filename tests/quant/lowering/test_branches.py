"""Models with shortcuts: every bit, score and class is the model's, and what cannot be added is refused by name."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import onnx
import pytest

from dataflow import Add, Concat, Fork, InputError, Network
from hwsim import simulate
from hwsim.packed import evaluate as evaluate_packed
from hwsim.reference import evaluate
from quant.lowering import lower
from tests.quant.lowering.assertions import assert_exact
from tests.quant.lowering.oracle import Builder, Oracle, first_highest, pixels_as_model

RNG = np.random.default_rng(5)


def signs(*shape: int) -> np.ndarray:
    return RNG.choice([-1.0, 1.0], shape)


def assert_equal(model: onnx.ModelProto, bits: dict[str, str], *, frames: int = 20) -> Network:
    """Lower a model and compare it with exact arithmetic on random frames.

    Parameters
    ----------
    bits : the quantizer's output for each node that makes bits
    """
    network = lower(model, outputs="both")
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (frames, *network.inputs[0].stream.shape))
    images[0], images[1] = 0, 255
    values, fast = evaluate(network, images), evaluate_packed(network, images)
    for name, each in values.items():
        np.testing.assert_array_equal(each, fast[name], err_msg=name)
    assert network.scores is not None
    totals = values[network.fifos_out_of(network.scores.node)[0].name].reshape(frames, -1)
    for index, image in enumerate(images):
        oracle = Oracle(model, pixels_as_model(network, image))
        for node, tensor in bits.items():
            got = values[network.fifos_out_of(node)[0].name][index]
            codes = oracle.codes(tensor)
            if codes.ndim == 4:
                codes = np.moveaxis(codes[0], 0, -1)
            np.testing.assert_array_equal(got.ravel(), (codes > 0).ravel().astype(int), err_msg=node)
        for total, scale, bias, score in zip(
            totals[index].tolist(), network.scores.scale, network.scores.bias, oracle.output, strict=True
        ):
            assert abs(Fraction(scale) * total + Fraction(bias) - score) < Fraction(1, 10**9)
        assert values["arg_max -> class"][index].item() == first_highest(oracle.output)
    simulate(network, 2)  # the depths are such that nothing stands still
    return network


def start(*shape: int) -> tuple[Builder, str]:
    net = Builder((1, *shape))
    return net, net("BipolarQuant", net("Sub", net.input, 0.5), 1.0, name="binarize")


def norm(net: Builder, x: str, size: int, *, falling: bool = False) -> str:
    scale = RNG.uniform(0.2, 2.0, size) * (RNG.choice([-1, 1], size) if falling else 1)
    return net.batch_norm(x, scale, RNG.normal(size=size), RNG.normal(size=size), RNG.uniform(0.5, 4, size))


def test_bits_of_one_scale() -> None:
    net, x = start(12)
    y = net("BipolarQuant", norm(net, net.dense(x, signs(12, 12), name="fc0"), 12, falling=True), 1.0)
    joined = net("Add", y, x, name="join")
    z = net("BipolarQuant", norm(net, joined, 12), 1.0, name="sign")
    network = assert_equal(net.model(net.dense(z, signs(4, 12), name="fc1")), {"fc0": y, "sign": z})
    assert [node.name for node in network.nodes] == [
        *("binarize", "binarize_fork", "fc0", "join", "sign", "fc1", "scores_fork", "arg_max")
    ]
    add, fork = network.node("join"), network.node("binarize_fork")
    assert isinstance(add, Add)
    assert isinstance(fork, Fork)
    assert str(add.element) == "int3"
    assert {fifo.name for fifo in network.fifos_into("join")} == {"fc0 -> join", "binarize_fork.1 -> join.1"}


def test_sums_and_bits() -> None:
    net, x = start(10)
    y = net("Add", net.dense(x, signs(10, 10), name="fc0"), x, name="join0")
    bits = net("BipolarQuant", norm(net, y, 10), 1.0, name="sign0")
    # What goes on as it is: the sums are added again, after another layer of their signs.
    z = net("Add", net.dense(bits, signs(10, 10), name="fc1"), y, name="join1")
    last = net("BipolarQuant", norm(net, z, 10), 1.0, name="sign1")
    network = assert_equal(net.model(net.dense(last, signs(3, 10), name="fc2")), {"sign0": bits, "sign1": last})
    assert [str(network.node(name).output_streams[0].element) for name in ("join0", "join1")] == ["int5", "int6"]


def test_sums_that_the_next_layer_takes_as_they_are() -> None:
    net, x = start(8)
    y = net("Add", net.dense(x, signs(8, 8), name="fc0"), x, name="join")
    bits = net("BipolarQuant", net.dense(y, signs(6, 8), name="fc1"), 1.0, name="sign")
    network = assert_equal(net.model(net.dense(bits, signs(3, 6), name="fc2")), {"fc1": bits})
    assert str(network.node("fc1").input_streams[0].element) == "int5"


def test_scales_by_channel_and_shifts() -> None:
    net, x = start(8)
    scale = RNG.uniform(0.5, 2, 8).astype(np.float32)
    left = net("Add", net("Mul", net("BipolarQuant", net.dense(x, signs(8, 8), name="fc0"), 1.0), scale), 0.25)
    right = net("Sub", net("Mul", x, scale), RNG.normal(size=8).astype(np.float32))
    joined = net("Add", left, right, name="join")
    bits = net("BipolarQuant", net("Sub", joined, 0.125), 0.5, name="sign")
    assert_equal(net.model(net.dense(bits, signs(3, 8), name="fc1")), {"sign": bits})


def test_bits_that_fall_with_what_is_added() -> None:
    # The values of the comparison's bits are exchanged, and the columns of the next weights.
    net, x = start(9)
    joined = net("Add", net("BipolarQuant", net.dense(x, signs(9, 9), name="fc0"), 1.0), x, name="join")
    bits = net("BipolarQuant", norm(net, joined, 9, falling=True), 1.0)
    assert_equal(net.model(net.dense(bits, signs(3, 9), name="fc1")), {})


def test_three_at_once_and_a_layer_on_the_shortcut() -> None:
    net, x = start(7)
    layers = [net.dense(x, signs(7, 7), name=f"fc{index}") for index in range(2)]
    joined = net("Sum", layers[0], x, layers[1], name="join")
    bits = net("BipolarQuant", net("Add", joined, 0.5), 1.0, name="sign")
    network = assert_equal(net.model(net.dense(bits, signs(4, 7), name="fc2")), {"sign": bits})
    assert len(network.node("join").input_streams) == 3
    assert network.node("binarize_fork").copies == 3  # type: ignore[attr-defined]


def convolution(net: Builder, x: str, channels: int, name: str, kernel: int = 3) -> str:
    pad = kernel // 2
    return net.conv(x, signs(channels, channels, kernel, kernel), name=name, kernel_shape=[kernel] * 2, pads=[pad] * 4)


def test_images_padded_with_zero() -> None:
    net, x = start(3, 4, 5)
    y = net("BipolarQuant", norm(net, convolution(net, x, 3, "conv0"), 3), 1.0)
    joined = net("Add", convolution(net, y, 3, "conv1"), x, name="join")
    bits = net("BipolarQuant", norm(net, joined, 3), 1.0, name="sign")
    flat = net("Flatten", bits)
    network = assert_equal(net.model(net.dense(flat, signs(4, 60), name="fc")), {"conv0": y, "sign": bits}, frames=8)
    assert network.node("join").input_streams[0].shape == (4, 5, 3)


def test_a_pool_before_both_branches_and_an_average_after_them() -> None:
    net, x = start(2, 6, 6)
    stem = net("BipolarQuant", norm(net, convolution(net, x, 2, "stem"), 2), 1.0)
    pooled = net("MaxPool", stem, kernel_shape=[2, 2], strides=[2, 2], name="pool")
    y = net("BipolarQuant", convolution(net, pooled, 2, "conv"), 1.0)
    bits = net("BipolarQuant", net("Sub", net("Add", y, pooled, name="join"), 0.5), 1.0, name="sign")
    mean = net("Flatten", net("GlobalAveragePool", bits, name="mean"))
    network = assert_equal(net.model(net.dense(mean, signs(3, 2), name="fc")), {"sign": bits, "stem": stem}, frames=8)
    assert [node.kind for node in network.nodes].count("MaxPool") == 1  # with a Fork after it


def refused(build: Callable[[Builder, str], str], sentence: str) -> None:
    """Refuse a model, with further layers after what `build` makes."""
    net, x = start(6)
    with pytest.raises(InputError, match=f"^{sentence}$"):
        lower(net.model(build(net, x)))


W = signs(6, 6)


def layer(net: Builder, x: str, name: str, scale: float = 1.0) -> str:
    return net("BipolarQuant", net.dense(x, W, name=name), scale, name=f"{name}_sign")


@pytest.mark.parametrize("scales", [(0.5, 1.0), (1.0, 0.75), (0.25, 0.3125)])
def test_scales_in_the_ratio_of_whole_numbers(scales: tuple[float, float]) -> None:
    net, x = start(6)
    left, right = (layer(net, x, name, scale) for name, scale in zip(("fc0", "fc1"), scales, strict=True))
    bits = layer(net, net("Sub", net("Add", left, right, name="join"), 0.3), "fc2")
    network = assert_equal(net.model(net.dense(bits, W)), {"fc2": bits})
    (node,) = (node for node in network.nodes if isinstance(node, Add))
    assert Fraction(*node.factors) == Fraction(scales[0]) / Fraction(scales[1])


def test_numbers_of_different_scales() -> None:
    refused(
        lambda net, x: net.dense(layer(net, net("Add", layer(net, x, "fc0", 0.3), x, name="join"), "fc1"), W),
        r"Node 'join' \(Add\) must add numbers whose scales are small whole multiples of one, the same in all "
        r"channels, not steps of 0\.3 of 'fc0' and 1 of 'binarize' in channel 0: share one quantizer, or one scale, "
        r"between them, as xnorflow quantize lets them",
    )


def test_numbers_that_fall() -> None:
    net, x = start(6)
    fallen = net("Neg", net.dense(x, W, name="fc0"))
    bits = layer(net, net("Add", fallen, x, name="join"), "fc1")
    assert_equal(net.model(net.dense(bits, W)), {"fc1": bits})


def test_numbers_that_fall_and_are_read_by_others_too() -> None:
    def build(net: Builder, x: str) -> str:
        sums = net.dense(x, W, name="fc0")
        other = layer(net, net("BipolarQuant", sums, 1.0), "fc1")
        return net.dense(layer(net, net("Add", net("Neg", sums), other, name="join"), "fc2"), W)

    refused(
        build,
        r"Node 'join' \(Add\) must add numbers that rise with the sums of 'fc0', not fall as in channel 0: "
        r"use positive scales before it",
    )


def test_numbers_that_bend() -> None:
    refused(
        lambda net, x: net.dense(
            layer(net, net("Add", net("Relu", net.dense(x, W, name="fc0")), x, name="join"), "f"), W
        ),
        r"Input of node 'join' must be an affine function of the sums of 'fc0', not one that bends: "
        r"put a BipolarQuant, or a Quant, before it, as xnorflow quantize does",
    )


def test_other_operators_that_join() -> None:
    refused(
        lambda net, x: net.dense(net("Mul", layer(net, x, "fc0"), x, name="join"), W),
        r"Node 'join' \(Mul\) must combine numbers of one layer, not of 'fc0' and 'image': only Add joins branches",
    )


def test_numbers_at_other_places() -> None:
    net, x = start(6)
    turned = net.reshape(net("Transpose", net.reshape(layer(net, x, "fc0"), 2, 3), perm=[1, 0]), 1, 6)
    x = layer(net, net("Add", turned, x, name="join"), "fc1")
    network = assert_exact(net.model(net.dense(x, W)))
    assert [node.kind for node in network.nodes if node.kind == "Select"] == []  # the rows of fc0 are in that order


def test_scores_that_are_added() -> None:
    net, x = start(6)
    total = net("Add", net.dense(x, W, name="fc0"), net.dense(layer(net, x, "fc1"), W), name="join")
    network = assert_equal(net.model(total), {})
    assert network.scores is not None
    assert network.scores.node == "join"


def test_pixels_are_added_beside_their_quantizer() -> None:
    net = Builder((1, 6))
    x = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0, name="binarize")
    bits = layer(net, net("Add", layer(net, x, "fc0"), net.input, name="join"), "fc1")
    network = assert_equal(net.model(net.dense(bits, W)), {"fc1": bits})
    (node,) = (node for node in network.nodes if isinstance(node, Add))
    assert node.factors == (255, 1)


def test_the_input_beside_the_quantizer_whose_codes_a_frame_holds() -> None:
    net = Builder((1, 6))
    codes = net("Quant", net.input, 1 / 128, 0.0, 8.0, name="codes", signed=1, narrow=0, rounding_mode="ROUND")
    bits = net("BipolarQuant", net("Sub", codes, 0.5), 1.0, name="binarize")
    beside = net("BipolarQuant", net("Sub", net.input, 0.25), 1.0)
    model = net.model(net.dense(net("Concat", bits, beside, axis=1, name="stack"), signs(3, 12)))
    sentence = r"^Node 'stack' must read what a layer or the input's quantizer makes, not the model's input beside it$"
    with pytest.raises(InputError, match=sentence):
        lower(model, input_kind="quant")
    assert lower(model).metadata["input"] == "uint8/255"


def test_bits_side_by_side() -> None:
    """Scales differ by layer, but not after what makes them one again; dense blocks grow."""
    net, x = start(6)
    for index in range(2):
        size = 6 + 4 * index
        y = net("BipolarQuant", norm(net, net.dense(x, signs(4, size), name=f"fc{index}"), 4, falling=True), 1.0)
        x = net("Concat", x, y, axis=1, name=f"stack{index}")
    network = assert_equal(net.model(net.dense(x, signs(3, 14), name="fc")), {})
    stack = network.node("stack1")
    assert isinstance(stack, Concat)
    assert stack.channels == (10, 4)
    assert {fifo.name for fifo in network.fifos_into("stack1")} == {"stack0_fork.1 -> stack1", "fc1 -> stack1.1"}


def test_sums_side_by_side_have_scales_of_their_own() -> None:
    net, x = start(6)
    left = net("Mul", net.dense(x, signs(4, 6), name="fc0"), 0.3)
    right = norm(net, net.dense(x, signs(5, 6), name="fc1"), 5, falling=True)
    bits = net("BipolarQuant", net("Concat", left, right, axis=-1, name="stack"), 1.0, name="sign")
    network = assert_equal(net.model(net.dense(bits, signs(3, 9), name="fc2")), {})
    assert str(network.node("sign").input_streams[0]) == "int4 9, 1 at once"


def test_images_side_by_side() -> None:
    net, x = start(2, 4, 6)
    pooled = net("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], name="pool0")
    y = net("BipolarQuant", convolution(net, pooled, 2, "conv"), 1.0)
    stacked = net("Concat", pooled, y, axis=1, name="stack")
    z = net("BipolarQuant", net.conv(stacked, signs(3, 4, 1, 1), kernel_shape=[1, 1], name="mix"), 1.0)
    model = net.model(net.dense(net("Flatten", z), signs(3, 18), name="fc"))
    network = assert_equal(model, {"conv": y, "mix": z}, frames=8)
    assert network.node("stack").output_streams[0].shape == (2, 3, 4)


def test_bits_beside_sums() -> None:
    refused(
        lambda net, x: net.dense(net("Concat", x, net.dense(x, W, name="fc0"), axis=1, name="stack"), signs(3, 12)),
        r"Node 'stack' \(Concat\) must put together bits, or integers, not the bits of 'binarize' and the integers of "
        r"'fc0': put a BipolarQuant after the integers",
    )


def test_concatenated_numbers_in_another_order() -> None:
    def build(net: Builder, x: str) -> str:
        parts = [net.reshape(each, 1, 2, 3) for each in (x, layer(net, x, "fc0"))]
        return net.dense(net.reshape(net("Concat", *parts, axis=2, name="stack"), 1, 12), signs(3, 12))

    refused(
        build,
        r"Node 'stack' \(Concat\) must put together channels of images of one size, or of vectors, as layers make "
        r"them, not numbers in another order: put it before what moves them",
    )


def test_operands_that_do_not_fit_each_other() -> None:
    def build(net: Builder, x: str) -> str:
        return net("Concat", net.reshape(x, 2, 3), layer(net, x, "fc0"), axis=1, name="stack")

    refused(build, r"Operands of node 'stack' \(Concat\) must fit each other, not all the input array dimensions .*")


@pytest.mark.parametrize("first", [False, True])
def test_pools_of_bits_that_fall(first: bool) -> None:
    """Bits that are exchanged stand for -1 where they are 1: the greatest of them is no OR."""
    net = Builder((1, 2, 4, 4))
    x = net("BipolarQuant", net("Sub", 0.5, net.input), 1.0, name="binarize")
    pooled = net("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], name="pool")
    one = {"kernel_shape": [1, 1], "strides": [2, 2]}
    bits = net("BipolarQuant", net.conv(x, signs(2, 2, 1, 1), name="conv", **one), 1.0)
    operands = (pooled, bits) if first else (bits, pooled)
    stacked = net("Concat", *operands, axis=1, name="stack")
    model = net.model(net.dense(net("Flatten", stacked), signs(3, 16), name="fc"))
    sentence = (
        r"^Node 'pool' \(MaxPool\) must take bits that rise with the numbers before the quantizer 'binarize', "
        r"not falling ones as in channel 0: use positive scales there$"
    )
    with pytest.raises(InputError, match=sentence):
        lower(model)


def test_a_stack_of_bits_is_pooled() -> None:
    net, x = start(2, 4, 4)
    bits = net("BipolarQuant", convolution(net, x, 2, "conv"), 1.0)
    stacked = net("Concat", x, bits, axis=1, name="stack")
    pooled = net("MaxPool", stacked, kernel_shape=[2, 2], strides=[2, 2], name="pool")
    assert_equal(net.model(net.dense(net("Flatten", pooled), signs(3, 16), name="fc")), {"conv": bits}, frames=8)
