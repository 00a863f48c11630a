"""Operators that move, repeat, leave out or rename elements, as functions on arrays.

They run on arrays of positions, which gives the order, on constants, and by their result's shape on shapes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["REARRANGEMENTS"]

#: From the array, the integers of the further operands (None where left out), and the attributes.
Function = Callable[[np.ndarray, Sequence[list[int] | None], Mapping[str, Any]], np.ndarray]


def _same(x: np.ndarray, operands: Sequence[list[int] | None], attributes: Mapping[str, Any]) -> np.ndarray:
    return x


def _reshape(x: np.ndarray, operands: Sequence[list[int] | None], attributes: Mapping[str, Any]) -> np.ndarray:
    shape = list(operands[0] or [])
    if not attributes.get("allowzero", 0):
        shape = [x.shape[index] if size == 0 else size for index, size in enumerate(shape)]
    return x.reshape(shape)


def _flatten(x: np.ndarray, operands: Sequence[list[int] | None], attributes: Mapping[str, Any]) -> np.ndarray:
    axis = attributes.get("axis", 1)
    axis += x.ndim if axis < 0 else 0
    return x.reshape(int(np.prod(x.shape[:axis])), -1)


def _axes(operands: Sequence[list[int] | None], attributes: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Return the axes, an operand since opset 13 and an attribute before."""
    given = operands[0] if operands and operands[0] is not None else attributes.get("axes")
    return None if given is None else tuple(given)


def _squeeze(x: np.ndarray, operands: Sequence[list[int] | None], attributes: Mapping[str, Any]) -> np.ndarray:
    return np.squeeze(x, _axes(operands, attributes))


def _unsqueeze(x: np.ndarray, operands: Sequence[list[int] | None], attributes: Mapping[str, Any]) -> np.ndarray:
    return np.expand_dims(x, _axes(operands, attributes) or ())


def _transpose(x: np.ndarray, operands: Sequence[list[int] | None], attributes: Mapping[str, Any]) -> np.ndarray:
    return np.transpose(x, attributes.get("perm"))


def _depth_to_space(x: np.ndarray, operands: Sequence[list[int] | None], attributes: Mapping[str, Any]) -> np.ndarray:
    block, (batch, channels, height, width) = attributes["blocksize"], x.shape
    if attributes.get("mode", "DCR") == "CRD":
        parts = x.reshape(batch, -1, block, block, height, width).transpose(0, 1, 4, 2, 5, 3)
    else:
        parts = x.reshape(batch, block, block, -1, height, width).transpose(0, 3, 4, 1, 5, 2)
    return parts.reshape(batch, channels // block**2, height * block, width * block)


def _space_to_depth(x: np.ndarray, operands: Sequence[list[int] | None], attributes: Mapping[str, Any]) -> np.ndarray:
    block, (batch, channels, height, width) = attributes["blocksize"], x.shape
    parts = x.reshape(batch, channels, height // block, block, width // block, block).transpose(0, 3, 5, 1, 2, 4)
    return parts.reshape(batch, channels * block**2, height // block, width // block)


def _split(x: np.ndarray, operands: Sequence[list[int] | None], attributes: Mapping[str, Any]) -> np.ndarray:
    """Return one of the parts: the reader of the file makes an operator of each, with its number and their count."""
    axis, count = attributes.get("axis", 0), attributes["parts"]
    sizes = operands[0] if operands and operands[0] is not None else attributes.get("split")
    if sizes is None:
        most = -(-x.shape[axis] // count)
        sizes = [most] * (count - 1) + [x.shape[axis] - most * (count - 1)]
    if len(sizes) != count or min(sizes) < 0 or sum(sizes) != x.shape[axis]:
        raise ValueError(f"parts of {', '.join(map(str, sizes))}")
    return np.split(x, np.cumsum(sizes)[:-1], axis)[attributes["part"]]


def _tile(x: np.ndarray, operands: Sequence[list[int] | None], attributes: Mapping[str, Any]) -> np.ndarray:
    return np.tile(x, tuple(operands[0] or ()))


REARRANGEMENTS: dict[str, Function] = {
    "Cast": _same,  # to what is checked where the operator is read
    "DepthToSpace": _depth_to_space,
    "Dropout": _same,
    "Flatten": _flatten,
    "Identity": _same,
    "Reshape": _reshape,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
