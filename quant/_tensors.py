"""Tensors that ONNX files store."""

import numpy as np
from onnx import TensorProto, numpy_helper

from dataflow import InputError

__all__ = ["array_of"]


def array_of(tensor: TensorProto, shown: str) -> np.ndarray:
    """Return a stored tensor.

    Parameters
    ----------
    shown : what it is called in the message, with a capital letter

    Raises
    ------
    InputError
        The tensor is of no type of ONNX, has a negative size, or is not as large as its sizes say.
    """
    if tensor.data_type not in TensorProto.DataType.values():
        raise InputError(f"{shown} must be of a type of ONNX, not {tensor.data_type}")
    if min(tensor.dims, default=0) < 0:
        raise InputError(f"Sizes of {shown[0].lower()}{shown[1:]} must not be negative, not {list(tensor.dims)}")
    try:
        return np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{shown} must be a whole tensor, not one with: {reason}") from error
