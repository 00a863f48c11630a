"""Operators that move or rename elements, as functions on arrays.

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


REARRANGEMENTS: dict[str, Function] = {
    "Cast": _same,  # to what is checked where the operator is read
    "Dropout": _same,
    "Flatten": _flatten,
    "Identity": _same,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
