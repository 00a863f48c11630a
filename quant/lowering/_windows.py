"""Conv, MaxPool and Pad of the file, read: their geometry, and what of them is not supported."""

from collections.abc import Mapping

import numpy as np

from dataflow import InputError
from quant.lowering._graph import Operator, Pad, Pool
from quant.lowering._reals import Constant
from quant.lowering._sites import Window

__all__ = ["conv_shape", "conv_window", "read_pad", "read_pool"]

Shape = tuple[int, ...]


def conv_window(operator: Operator, weights: Shape, image: Shape) -> Window:
    """Return the window of a Conv.

    Parameters
    ----------
    weights : shape of its weights
    image : shape of its input, which must be (1, channels, height, width)

    Raises
    ------
    InputError
        A geometry that is not supported.
    """
    _check_image(operator, image)
    if len(weights) != 4:
        raise InputError(f"Weights of node {operator.name!r} (Conv) must have 4 dimensions, not {len(weights)}")
    if operator.attributes.get("group", 1) != 1:
        raise InputError(
            f"Groups of node {operator.name!r} (Conv) must be 1, not {operator.attributes['group']}: "
            "grouped and depthwise convolutions are not supported yet, use full ones"
        )
    if weights[1] != image[1]:
        raise InputError(
            f"Weights of node {operator.name!r} (Conv) must be for the {image[1]} channels of its input, "
            f"not for {weights[1]}"
        )
    kernel = tuple(operator.attributes.get("kernel_shape", weights[2:]))
    if kernel != tuple(weights[2:]):
        raise InputError(
            f"kernel_shape of node {operator.name!r} (Conv) must be that of its weights, {_shown(weights[2:])}, "
            f"not {_shown(kernel)}"
        )
    return _window(operator, kernel, image)


def conv_shape(operator: Operator, weights: Shape, image: Shape) -> Shape:
    """Return the shape of a Conv's output."""
    window = conv_window(operator, weights, image)
    return (1, weights[0], *window.positions(*image[2:]))


def read_pool(operator: Operator, image: Shape) -> tuple[Pool, Shape]:
    """Return a MaxPool and the shape of its output; `image` is that of its input.

    Raises
    ------
    InputError
        A geometry that is not supported.
    """
    _check_image(operator, image)
    if operator.attributes.get("ceil_mode", 0):
        raise InputError(
            f"ceil_mode of node {operator.name!r} (MaxPool) must be 0, not {operator.attributes['ceil_mode']}: "
            "write the padding that it stands for"
        )
    dilation = tuple(operator.attributes.get("dilations", (1, 1)))
    if dilation != (1, 1):
        raise InputError(
            f"dilations of node {operator.name!r} (MaxPool) must be 1, not {_shown(dilation)}: pool neighbouring pixels"
        )
    window = _window(operator, tuple(operator.attributes.get("kernel_shape", ())), image)
    top, bottom, left, right = window.padding
    if max(top, bottom) >= window.kernel[0] or max(left, right) >= window.kernel[1]:
        raise InputError(
            f"pads of node {operator.name!r} (MaxPool) must be smaller than the kernel {_shown(window.kernel)}, "
            f"not {(top, left, bottom, right)}"
        )
    pool = Pool(operator.name, operator.output, operator.operands[0], window)
    return pool, (1, image[1], *window.positions(*image[2:]))


def read_pad(operator: Operator, image: Shape, constants: Mapping[str, Constant]) -> tuple[Pad, Shape]:
    """Return a Pad and the shape of its output; `image` is that of its input.

    Raises
    ------
    InputError
        Something else than rows and columns of one constant around an image.
    """
    _check_image(operator, image)
    mode = operator.attributes.get("mode", "constant")
    if mode != "constant":
        raise InputError(f"mode of node {operator.name!r} (Pad) must be constant, not {mode!r}: pad with one number")
    _, pads, value, axes = [*operator.operands, "", "", ""][:4]
    for name in (pads, value, axes):
        if name and name not in constants:
            raise InputError(
                f"Operand {name!r} of node {operator.name!r} (Pad) must be a constant, not computed from the input"
            )
    given = constants[pads].integers() if pads else list(operator.attributes["pads"])
    which = constants[axes].integers() if axes else list(range(4))
    sides = np.zeros((2, 4), np.int64)
    sides[:, which] = np.reshape(given, (2, -1))
    if sides.min() < 0 or sides[:, :2].any():
        raise InputError(
            f"pads of node {operator.name!r} (Pad) must add rows and columns around an image, "
            f"not {tuple(int(side) for side in sides.ravel())}"
        )
    top, bottom, left, right = (int(sides[end, axis]) for axis in (2, 3) for end in (0, 1))
    number = constants[value].map(lambda values: values.reshape(())) if value else _default(operator)
    shape = (*image[:2], image[2] + top + bottom, image[3] + left + right)
    return Pad(operator.name, operator.output, operator.operands[0], (top, bottom, left, right), number), shape


def _default(operator: Operator) -> Constant:
    return Constant(np.array(operator.attributes.get("value", 0.0), np.float64))


def _check_image(operator: Operator, image: Shape) -> None:
    if len(image) != 4:
        raise InputError(
            f"Input of node {operator.name!r} ({operator.kind}) must be (1, channels, height, width), "
            f"not {_shown(image)}: only convolutions over images are supported"
        )


def _window(operator: Operator, kernel: Shape, image: Shape) -> Window:
    attributes = operator.attributes
    auto = attributes.get("auto_pad", "NOTSET")
    if auto not in {"NOTSET", "VALID"}:
        raise InputError(
            f"auto_pad of node {operator.name!r} ({operator.kind}) must be NOTSET or VALID, not {auto}: write its pads"
        )
    ones, zeros = (1, 1), (0, 0, 0, 0)
    stride, dilation = (tuple(attributes.get(name, ones)) for name in ("strides", "dilations"))
    pads = zeros if auto == "VALID" else tuple(attributes.get("pads", zeros))
    sizes = [len(kernel) == 2, len(stride) == 2, len(dilation) == 2, len(pads) == 4]
    if not all(sizes) or min((*kernel, *stride, *dilation)) < 1 or min(pads) < 0:
        raise InputError(
            f"Node {operator.name!r} ({operator.kind}) must have a kernel, strides and dilations of 2 positive "
            f"integers and 4 pads of at least 0, not {kernel}, {stride}, {dilation} and {pads}"
        )
    top, left, bottom, right = pads
    window = Window(
        (kernel[0], kernel[1]), (stride[0], stride[1]), (dilation[0], dilation[1]), (top, bottom, left, right)
    )
    if min(window.positions(*image[2:])) < 1:
        raise InputError(
            f"Kernel of node {operator.name!r} ({operator.kind}) must fit its padded image of {_shown(image[2:])}, "
            f"not be {_shown(kernel)}, dilated by {_shown(dilation)}"
        )
    return window


def _shown(sizes: Shape) -> str:
    return "x".join(map(str, sizes))
