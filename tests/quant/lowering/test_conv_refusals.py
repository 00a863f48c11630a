"""What of a convolutional model cannot be lowered is one sentence that names the node, the cause and the remedy."""

from typing import Any

import numpy as np
import pytest

from tests.quant.lowering.assertions import assert_refused
from tests.quant.lowering.image_models import Build, by_channel, sign
from tests.quant.lowering.oracle import Builder

rng = np.random.default_rng(31)
I64 = np.int64
KERNEL = rng.choice([-1.0, 1.0], (4, 3, 3, 3))
CODES = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}


def signs(*shape: int) -> np.ndarray:
    return rng.choice([-1.0, 1.0], shape)


def conv(net: Builder, x: str, *, name: str = "conv", **attributes: Any) -> str:
    return net.conv(x, KERNEL, name=name, **attributes)


def pool(net: Builder, x: str, *, name: str = "pool", **attributes: Any) -> str:
    return net("MaxPool", x, name=name, **{"kernel_shape": [2, 2], **attributes})


#: What follows the binarized image of 3 x 6 x 5; the tensor is flattened and goes into a dense layer, if it can.
READING: dict[str, tuple[Build, str]] = {
    "groups-of-neurons": (
        lambda net, x: net("Conv", x, signs(4, 1, 2, 2), name="depthwise", group=3),
        "Groups of node 'depthwise' (Conv) must be a divisor of its 4 neurons, not 3",
    ),
    "groups-of-channels": (
        lambda net, x: net("Conv", x, signs(4, 2, 2, 2), name="grouped", group=2),
        "Weights of node 'grouped' (Conv) must be for the 3 channels of its input, not for 2 groups of 2",
    ),
    "channels-of-a-conv": (
        lambda net, x: net("Conv", x, signs(2, 4, 2, 2), name="conv"),
        "Weights of node 'conv' (Conv) must be for the 3 channels of its input, not for 4",
    ),
    "input-of-a-conv": (
        lambda net, x: net("Conv", net.reshape(x, 2, 3, 15), signs(2, 3, 2), name="conv1d"),
        "Input of node 'conv1d' (Conv) must be (1, channels, height, width) or (1, channels, length), not 2x3x15: "
        "only convolutions over images and signals are supported",
    ),
    "weights-of-a-conv": (
        lambda net, x: net("Conv", x, signs(2, 3, 2), name="conv"),
        "Weights of node 'conv' (Conv) must have 4 dimensions as its input has, not 3",
    ),
    "auto-pad": (
        lambda net, x: conv(net, x, auto_pad="SAME"),
        "auto_pad of node 'conv' (Conv) must be NOTSET, VALID, SAME_UPPER or SAME_LOWER, not SAME: write its pads",
    ),
    "strides-of-a-signal": (
        lambda net, x: net("Conv", net.reshape(x, 1, 3, 30), signs(2, 3, 2), name="conv1d", strides=[1, 1]),
        "Node 'conv1d' (Conv) must have a kernel, strides and dilations of 1 positive integer and 2 pads of at least "
        "0, not (2,), (1, 1), (1,) and (0, 0)",
    ),
    "too-large-for-a-signal": (
        lambda net, x: net("Conv", net.reshape(x, 1, 18, 5), signs(2, 18, 3), name="conv1d", dilations=[3]),
        "Kernel of node 'conv1d' (Conv) must fit its padded image of 5, not be 3, dilated by 3",
    ),
    "pool-of-a-row": (
        lambda net, x: pool(net, net("Flatten", x)),
        "Input of node 'pool' (MaxPool) must be (1, channels, height, width) or (1, channels, length), not 1x90: "
        "only convolutions over images and signals are supported",
    ),
    "turned-after-a-pad": (
        lambda net, x: net(
            "Conv",
            net.reshape(net.pad(net("Transpose", x, perm=[0, 1, 2, 3]), (1, 1, 0, 0), 1.0, name="pad"), 1, 3, 6, 7),
            signs(4, 3, 2, 2),
            name="conv",
        ),
        "Input of node 'conv' must be the image of 'pad' with rows and columns where they are, or moved in equal "
        "steps, not rearranged: leave out what moves them",
    ),
    "kernel-shape": (
        lambda net, x: conv(net, x, kernel_shape=[3, 2]),
        "kernel_shape of node 'conv' (Conv) must be that of its weights, 3x3, not 3x2",
    ),
    "strides": (
        lambda net, x: conv(net, x, strides=[1, 0]),
        "Node 'conv' (Conv) must have a kernel, strides and dilations of 2 positive integers and 4 pads of at least 0, "
        "not (3, 3), (1, 0), (1, 1) and (0, 0, 0, 0)",
    ),
    "negative-pads": (
        lambda net, x: conv(net, x, pads=[-1, 0, 0, 0]),
        "Node 'conv' (Conv) must have a kernel, strides and dilations of 2 positive integers and 4 pads of at least 0, "
        "not (3, 3), (1, 1), (1, 1) and (-1, 0, 0, 0)",
    ),
    "no-kernel": (
        lambda net, x: net("MaxPool", x, name="pool"),
        "Node 'pool' (MaxPool) must have attribute 'kernel_shape', not leave it out",
    ),
    "too-large": (
        lambda net, x: conv(net, x, dilations=[3, 1]),
        "Kernel of node 'conv' (Conv) must fit its padded image of 6x5, not be 3x3, dilated by 3x1",
    ),
    "pool-pads": (
        lambda net, x: pool(net, x, pads=[2, 0, 0, 0]),
        "pads of node 'pool' (MaxPool) must be smaller than the kernel 2x2, not (2, 0, 0, 0)",
    ),
    "pad-mode": (
        lambda net, x: net("Pad", x, net.constant([0, 0, 1, 1] * 2, I64), name="pad", mode="reflect"),
        "mode of node 'pad' (Pad) must be constant, not 'reflect': pad with one number",
    ),
    "pad-operand": (
        lambda net, x: net("Pad", x, net.constant([0, 0, 1, 1] * 2, I64), net.input, name="pad"),
        "Operand 'image' of node 'pad' (Pad) must be a constant, not computed from the input",
    ),
    "pad-crops": (
        lambda net, x: net.pad(x, (-3, 0, -3, 0), 1.0, name="pad"),
        "pads of node 'pad' (Pad) must add rows, columns or channels around an image, or take fewer off than it has, "
        "not be (0, 0, -3, 0, 0, 0, -3, 0): leave it out",
    ),
    "computed-weights": (
        lambda net, x: net("Conv", x, net.reshape(net("Sub", x, 1.0), 1, 3, 6, 5), name="conv"),
        "Weights of node 'conv' (Conv) must be constant, not computed from the input",
    ),
    "computed-bias": (
        lambda net, x: net("Conv", x, signs(90, 3, 2, 2), net.reshape(x, 90), name="conv"),
        "Bias of node 'conv' must be a constant, not computed from the input",
    ),
    "bias": (
        lambda net, x: net("Conv", x, signs(4, 3, 2, 2), np.ones(3), name="conv"),
        "Bias of node 'conv' must be one number for each of its 4 neurons, not 3",
    ),
    "weights-of-many-values": (
        lambda net, x: sign(net, net("Conv", x, 0.5 + 99 * np.arange(12).reshape(1, 3, 2, 2), name="conv")),
        "Weights of node 'conv' must be binary, or integers of 8 bits times one number for each neuron, not 0.5, 99.5, "
        "198.5, 297.5, ... in neuron 0: quantize them by a BipolarQuant, or by a Quant of 2 to 8 bits, "
        "as xnorflow quantize does",
    ),
    "after-a-dense-layer": (
        lambda net, x: conv(
            net, net.reshape(sign(net, net.dense(net("Flatten", x), signs(27, 90), name="fc0")), 1, 3, 3, 3)
        ),
        "Input of node 'conv' must be an image of the model's input or of a convolution, not the vector of 'fc0'",
    ),
    "rearranged": (
        lambda net, x: net(
            "Conv",
            net("Gather", x, net.constant([0, 4, 1, 3], np.int64), axis=2, name="rows"),
            signs(4, 3, 2, 2),
            name="conv",
        ),
        "Input of node 'conv' must be the image of 'image' with rows and columns where they are, or moved in equal "
        "steps, not rearranged by 'rows': leave out what moves them",
    ),
    "parameters-by-pixel": (
        lambda net, x: sign(net, net("Add", conv(net, x), np.arange(48.0).reshape(4, 4, 3), name="shift")),
        "Parameters of node 'shift' (Add) must be the same at every pixel of an image, not differ by row or column: "
        "use one per channel",
    ),
    "parameters-by-pixel-after-flatten": (
        lambda net, x: sign(net, net.batch_norm(net("Flatten", conv(net, x)), *rng.random((4, 48)), name="norm")),
        "Parameters of node 'norm' (BatchNormalization) must be the same at every pixel of an image, "
        "not differ by row or column: use one per channel",
    ),
    "pad-before-a-dense-layer": (
        lambda net, x: net.pad(sign(net, conv(net, x)), (1, 0, 0, 0), 1.0, name="pad"),
        "Node 'pad' (Pad) must pad the input of a Conv, not of 'fc': put it there",
    ),
    "pad-before-a-pool": (
        lambda net, x: pool(net, net.pad(sign(net, conv(net, x)), (1, 0, 0, 0), 1.0, name="pad")),
        "Node 'pad' (Pad) must pad the input of a Conv, not of 'pool': put it there",
    ),
    "two-paddings": (
        lambda net, x: conv(net, net.pad(x, (1, 0, 0, 0), 1.0, name="pad"), pads=[0, 0, 1, 1]),
        "pads of node 'conv' (Conv) must be 0 after 'pad' (Pad), not (0, 0, 1, 1): put all padding into one of them",
    ),
    "zero-padding-that-is-not-midway": (
        lambda net, x: sign(net, conv(net, net("Add", x, 0.5), pads=[1, 1, 1, 1])),
        "Padding of node 'conv' must be one of the values of its binary input, -0.5 or 1.5, or midway, 0.5, not 0: "
        "train with such a value",
    ),
    "pad-of-another-value": (
        lambda net, x: sign(net, conv(net, net.pad(x, (1, 0, 0, 0), 0.5, name="pad"))),
        "Padding of node 'pad' must be one of the values of its binary input, -1 or 1, or midway, 0, not 0.5: "
        "train with such a value",
    ),
    "pad-that-an-operator-bends": (
        lambda net, x: sign(
            net,
            conv(
                net,
                net("PRelu", net.pad(x, (1, 0, 0, 0), 0.0, name="pad"), 0.5),
            ),
        ),
        "Padding of node 'pad' must be one of the values of its binary input, -0.5 or 1, or midway, 0.25, not 0: "
        "train with such a value",
    ),
    "pad-before-the-sign": (
        lambda net, x: net(
            "Conv", sign(net, net.pad(conv(net, x), (1, 0, 0, 0), 0.5, name="pad"), name="sign0"), signs(2, 4, 2, 2)
        ),
        "Node 'pad' (Pad) must pad the bits of 'conv', not what they are made of: put it after the quantizer",
    ),
    "pool-of-what-bends": (
        lambda net, x: sign(net, net("Sub", pool(net, net("Abs", net("Add", conv(net, x), 20.0))), 30.0)),
        "Node 'pool' (MaxPool) must have operators that only rise or only fall before it, "
        "not others as in channel 0: put it directly after the quantizer",
    ),
    "pools-of-two-directions": (
        lambda net, x: pool(net, sign(net, net("Neg", pool(net, conv(net, x)))), name="second"),
        "Node 'second' (MaxPool) must have the direction of the pool before it up to the next quantizer, "
        "not others as in channel 0: put it directly after the quantizer",
    ),
    "pool-of-falling-input-bits": (
        lambda net, x: pool(net, net("Mul", x, by_channel(1, -1, 1))),
        "Node 'pool' (MaxPool) must take bits that rise with the numbers before the quantizer 'binarize', "
        "not falling ones as in channel 1: use positive scales there",
    ),
    "scores-of-a-convolution": (
        lambda net, x: "!" + net("Flatten", net("Conv", sign(net, conv(net, x)), signs(3, 4, 1, 1), name="head")),
        "Output 't6' of the model must have the 4x3 positions of 'head' in their order, and its channels along one "
        "axis, not flattened or moved: leave out what moves them",
    ),
}


def finished(net: Builder, x: str) -> Any:
    """Return the model, ending in a dense layer unless "!" before the tensor says that it ends there."""
    if x.startswith("!"):
        return net.model(x[1:])
    flat = net("Flatten", x)
    # As many synapses as the tensor has numbers, which the file itself need not say.
    row = net(
        "MatMul",
        flat,
        net("Expand", 1.0, net("Concat", net("Shape", flat, start=1), net.constant([2], I64), axis=0)),
        name="fc",
    )
    return net.model(row)


@pytest.mark.parametrize("case", READING)
def test_refused_after_input_bits(case: str) -> None:
    build, message = READING[case]
    net = Builder((1, 3, 6, 5))
    model = finished(net, build(net, net("BipolarQuant", net("Sub", net.input, 0.5), 1.0, name="binarize")))
    assert_refused(model, message)


def codes(net: Builder) -> str:
    return net("Quant", net.input, 1 / 128, 0.0, 8.0, name="codes", **CODES)


INPUT: dict[str, tuple[Build, str, str]] = {
    "pool-of-pixels-that-fall": (
        lambda net, x: sign(net, conv(net, pool(net, net("Sub", 1.0, x)))),
        "uint8/255",
        "Node 'pool' (MaxPool) must take numbers that rise with the pixels of 'image', not falling ones as in "
        "channel 0: use positive scales before it",
    ),
    "pool-of-pixels-that-fall-before-the-quantizer": (
        lambda net, x: conv(net, sign(net, net("Sub", -0.5, pool(net, net("Mul", x, by_channel(1, -1, 1)))), name="a")),
        "uint8/255",
        "Node 'pool' (MaxPool) must take bits that rise with the numbers before the quantizer 'a', "
        "not falling ones as in channel 1: use positive scales there",
    ),
    "pixels-that-bend": (
        lambda net, x: sign(net, conv(net, net("Relu", net("Sub", x, 0.5)))),
        "uint8/255",
        "Input of node 'conv' must be an affine function of the pixels of a frame, not one that bends at 127: "
        "put a BipolarQuant, or a Quant, before it, as xnorflow quantize does",
    ),
    "scales-by-channel": (
        lambda net, x: sign(net, conv(net, net("Mul", x, by_channel(1, 200, 1)))),
        "uint8/255",
        "Inputs of node 'conv' must differ by one scale for all, not by 0.00784314 and 1.56863: "
        "use one scale per tensor after the quantizer",
    ),
    "zero-padding-that-is-no-pixel": (
        lambda net, x: sign(net, conv(net, net("Sub", net("Mul", x, 2.0), 1.0), pads=[1, 1, 1, 1])),
        "uint8/255",
        "Padding of node 'conv' must be a number that a point of the pixels of 'image' stands for in all channels, "
        "not 0: pad with such a number, or leave the padding out",
    ),
    "zero-padding-that-is-another-pixel-by-channel": (
        lambda net, x: sign(net, conv(net, net("Sub", x, by_channel(0, 0.2, 0.4)), pads=[1, 1, 1, 1])),
        "uint8/255",
        "Padding of node 'conv' must be a number that a point of the pixels of 'image' stands for in all channels, "
        "not 0: pad with such a number, or leave the padding out",
    ),
    "pad-that-is-no-code": (
        lambda net, x: sign(net, conv(net, net.pad(codes(net), (1, 0, 0, 0), 0.3, name="pad"))),
        "quant",
        "Padding of node 'pad' must be a number that a point of the codes of 'codes' stands for in all channels, "
        "not 0.3: pad with such a number, or leave the padding out",
    ),
    "pad-before-the-codes": (
        lambda net, x: sign(
            net,
            conv(net, net("Quant", net.pad(x, (1, 0, 0, 0), 0.5, name="pad"), 1 / 128, 0.0, 8.0, name="q", **CODES)),
        ),
        "quant",
        "Node 'pad' (Pad) must pad the codes of 'q', not what they are made of: put it after the quantizer",
    ),
}


@pytest.mark.parametrize("case", INPUT)
def test_refused_input(case: str) -> None:
    build, kind, message = INPUT[case]
    net = Builder((1, 3, 6, 5))
    model = finished(net, sign(net, build(net, net.input)))
    assert_refused(model, message, input_kind=kind)
