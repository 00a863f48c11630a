"""Float outputs of a QONNX file, computed by independent implementations, for comparison with a lowered network.

Numbers are float64, since float32 rounds some sums to other codes than the exact values (`quant.evaluation`).
onnx's reference evaluator runs the graph, and the functions of the qonnx package run QONNX's own operators. (qonnx
itself runs a graph with one onnxruntime session per node, which fails as soon as the newest onnx writes a newer format
than onnxruntime reads.) No training package is imported.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_average_pool import AveragePool_19
from onnx.reference.ops.op_max_pool import MaxPool as MaxPoolOfOnnx
from qonnx.custom_op.general.bipolar_quant import binary_quant
from qonnx.custom_op.general.intquant import int_quant
from qonnx.custom_op.general.multithreshold import multithreshold
from qonnx.custom_op.general.trunc import trunc_v1, trunc_v2

from dataflow import InputError
from quant._frames import planes_of
from quant._tensors import array_of

__all__ = ["OPERATORS", "in_one_domain", "scores_of_qonnx", "tensors_of_qonnx"]


class BipolarQuant(OpRun):
    """QONNX's BipolarQuant."""

    op_domain = "qonnx.custom_op.general"

    def _run(self, x: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray]:
        return (binary_quant(x, scale).astype(x.dtype),)


class Quant(OpRun):
    """QONNX's Quant."""

    op_domain = "qonnx.custom_op.general"

    def _run(
        self,
        x: np.ndarray,
        scale: np.ndarray,
        zero_point: np.ndarray,
        bit_width: np.ndarray,
        signed: int,
        narrow: int,
        rounding_mode: str,
    ) -> tuple[np.ndarray]:
        return (int_quant(x, scale, zero_point, bit_width, signed, narrow, rounding_mode).astype(x.dtype),)


class IntQuant(Quant):
    """The same by its later name."""


class MultiThreshold(OpRun):
    """QONNX's MultiThreshold."""

    op_domain = "qonnx.custom_op.general"

    def _run(
        self,
        x: np.ndarray,
        thresholds: np.ndarray,
        out_scale: float = 1.0,
        out_bias: float = 0.0,
        data_layout: str = "NCHW",
        out_dtype: str = "",
    ) -> tuple[np.ndarray]:
        last = data_layout.endswith("C") and data_layout != "NC"
        return (multithreshold(x, thresholds, out_scale, out_bias, channels_last=last).astype(x.dtype),)


class Trunc(OpRun):
    """QONNX's Trunc, of both versions."""

    op_domain = "qonnx.custom_op.general"

    def _run(
        self,
        x: np.ndarray,
        scale: np.ndarray,
        zero_point: np.ndarray,
        bit_width: np.ndarray,
        *left: np.ndarray,
        signed: int = 1,
        narrow: int = 0,
        rounding_mode: str = "FLOOR",
    ) -> tuple[np.ndarray]:
        if len(left) == 1:
            made = trunc_v1(x, scale, zero_point, bit_width, *left, rounding_mode)
        else:
            made = trunc_v2(x, scale, zero_point, bit_width, narrow, signed, *left, rounding_mode)
        return (np.asarray(made).astype(x.dtype),)


class BatchNormalization(OpRun):
    """ONNX's BatchNormalization with the file's statistics.

    Before opset 14 that of onnx's evaluator computes statistics of the frames, as in training.
    """

    def _run(
        self,
        x: np.ndarray,
        scale: np.ndarray,
        bias: np.ndarray,
        mean: np.ndarray,
        variance: np.ndarray,
        epsilon: float = 1e-5,
        momentum: float = 0.9,
        training_mode: int = 0,
    ) -> tuple[np.ndarray]:
        shape = (-1, *[1] * (x.ndim - 2))
        factor = scale / np.sqrt(variance + epsilon)
        normalized = (x - mean.reshape(shape)) * factor.reshape(shape) + bias.reshape(shape)
        return (normalized.astype(x.dtype),)


def _windows(
    x: np.ndarray, kernel: Sequence[int], strides: Sequence[int], pads: Sequence[int], fill: float
) -> np.ndarray:
    """Return the windows of images, (n, channels, *positions, *kernel), with a number outside the image."""
    rank = len(kernel)
    sides = [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:], strict=True)]
    padded = np.pad(x, sides, constant_values=fill)
    windows = sliding_window_view(padded, tuple(kernel), axis=tuple(range(2, rank + 2)))
    return windows[(slice(None), slice(None), *(slice(None, None, stride) for stride in strides))]


def _whole_windows(options: Mapping[str, Any]) -> Callable[[np.ndarray, float], np.ndarray] | None:
    """Return a function from images and what is outside them to a pool's windows; None where they lie in other ways."""
    plain = (options["auto_pad"] or "NOTSET") in ("NOTSET", "VALID") and not options["ceil_mode"]
    if not plain or set(options["dilations"] or [1]) != {1}:
        return None
    kernel = options["kernel_shape"]
    strides, pads = options["strides"] or [1] * len(kernel), options["pads"] or [0] * 2 * len(kernel)
    return lambda images, fill: _windows(images, kernel, strides, pads, fill)


class AveragePool(AveragePool_19):
    """ONNX's AveragePool over whole arrays; onnx's visits each window, some thousand times as slowly."""

    def _run(self, x: np.ndarray, **options: Any) -> tuple[np.ndarray]:
        windows = _whole_windows(options)
        if windows is None:
            return super()._run(x, **options)
        axes = tuple(range(2 - x.ndim, 0))
        counts = windows(np.ones_like(x[:1, :1]), float(bool(options["count_include_pad"]))).sum(axes)
        return ((windows(x, 0.0).sum(axes) / counts).astype(x.dtype),)


class MaxPool(MaxPoolOfOnnx):
    """ONNX's MaxPool over whole arrays; onnx's visits each window."""

    def _run(self, x: np.ndarray, **options: Any) -> tuple[np.ndarray, ...]:
        windows = _whole_windows(options)
        if windows is None or len(self.output) > 1 or x.dtype.kind != "f":
            return super()._run(x, **options)
        return (windows(x, -np.inf).max(tuple(range(2 - x.ndim, 0))),)


def _by_axis(parameter: np.ndarray, x: np.ndarray, axis: int) -> np.ndarray:
    """Return a parameter of one number, or of one for each channel, in a shape that meets the tensor's."""
    if parameter.size == 1:
        return parameter.reshape(())
    return parameter.reshape([-1 if index == axis % x.ndim else 1 for index in range(x.ndim)])


class QuantizeLinear(OpRun):
    """ONNX's QuantizeLinear to integers; onnx's evaluator has only the newer versions."""

    def _run(
        self,
        x: np.ndarray,
        scale: np.ndarray,
        zero_point: np.ndarray | None = None,
        axis: int = 1,
        saturate: int = 1,
        block_size: int = 0,
        output_dtype: int = 0,
        precision: int = 0,
    ) -> tuple[np.ndarray]:
        if zero_point is None:
            dtype = onnx.helper.tensor_dtype_to_np_dtype(output_dtype or onnx.TensorProto.UINT8)
            zero_point = np.zeros((), dtype)
        codes = np.rint(x / _by_axis(scale, x, axis)) + _by_axis(zero_point, x, axis).astype(x.dtype)
        ends = np.iinfo(zero_point.dtype)
        return (codes.clip(ends.min, ends.max).astype(zero_point.dtype),)


class DequantizeLinear(OpRun):
    """ONNX's DequantizeLinear."""

    def _run(
        self,
        x: np.ndarray,
        scale: np.ndarray,
        zero_point: np.ndarray | None = None,
        axis: int = 1,
        block_size: int = 0,
        output_dtype: int = 0,
    ) -> tuple[np.ndarray]:
        codes = x.astype(scale.dtype)
        if zero_point is not None:
            codes -= _by_axis(zero_point, x, axis).astype(scale.dtype)
        return (codes * _by_axis(scale, x, axis),)


#: The operators that onnx's evaluator does not have, or not as they are here, or slowly.
OPERATORS: list[type[OpRun]] = [
    BipolarQuant,
    Quant,
    IntQuant,
    MultiThreshold,
    Trunc,
    BatchNormalization,
    AveragePool,
    MaxPool,
    QuantizeLinear,
    DequantizeLinear,
]

_QONNX = "qonnx.custom_op.general"


def in_one_domain(model: onnx.ModelProto) -> None:
    """Give QONNX's operators its domain, in which `OPERATORS` are; FINN and Brevitas write others."""
    names = {operator.__name__ for operator in OPERATORS if operator.op_domain == _QONNX}
    for node in model.graph.node:
        if node.op_type in names and node.domain:
            node.domain = _QONNX
    if all(each.domain != _QONNX for each in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid(_QONNX, 1))


def tensors_of_qonnx(
    model: onnx.ModelProto, frames: np.ndarray, names: list[str], *, batch: int = 16
) -> Iterator[dict[str, np.ndarray]]:
    """Yield tensors of a model on frames, at most `batch` at a time, in the float type of the model.

    A model whose input has an integer type takes the pixels as they are.

    Parameters
    ----------
    model : with one input, whose first dimension is the batch
    frames : as in `scores_of_qonnx`
    names : of the tensors

    Raises
    ------
    InputError
        The model has operators that onnx's evaluator does not know, or that do not fit each other.
    """
    model = onnx.ModelProto.FromString(model.SerializeToString())
    in_one_domain(model)
    _prepare(model.graph)
    source = _source_of(model.graph)
    kind = source.type.tensor_type
    shape = [dimension.dim_value for dimension in kind.shape.dim]
    integers = kind.elem_type not in (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16)
    evaluator = None
    for planes in planes_of(frames, batch):
        given = np.rint(255 * planes) if integers else planes
        given = given.reshape(len(planes), *shape[1:]).astype(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))
        try:
            evaluator = evaluator or ReferenceEvaluator(model, new_ops=OPERATORS)
            with np.errstate(all="ignore"):  # callers look at the numbers
                results = evaluator.run(names, {source.name: given})
        except Exception as error:  # of any operator; the evaluator has no error of its own
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(f"Model must be one that onnx can evaluate, not one with: {reason}") from error
        yield dict(zip(names, map(np.asarray, results), strict=True))


def scores_of_qonnx(path: str | os.PathLike[str], frames: np.ndarray, *, batch: int = 1000) -> np.ndarray:
    """Run frames through a QONNX file.

    Parameters
    ----------
    path : a QONNX file with one input, whose first dimension is the batch
    frames : (frames, height, width, channels) uint8; the file takes ``pixel / 255``, rounded to float32, channels
        first or in any shape of as many numbers
    batch : frames at a time

    Returns
    -------
    scores : (frames, classes) float64
    """
    if not Path(path).is_file():
        raise InputError(f"QONNX file must exist, not {os.fspath(path)!r}")
    model = onnx.load(path)
    _widen(model.graph)
    output = model.graph.output[0].name
    scores = [values[output] for values in tensors_of_qonnx(model, frames, [output], batch=batch)]
    return np.concatenate(scores).astype(np.float64)


def _source_of(graph: onnx.GraphProto) -> onnx.ValueInfoProto:
    """Return the input; old files list constants among their inputs too."""
    given = {tensor.name for tensor in graph.initializer}
    return next(value for value in graph.input if value.name not in given)


def _widen(graph: onnx.GraphProto) -> None:
    """Make the input and all constants of float32 float64, with which the evaluator computes the rest."""
    kind = _source_of(graph).type.tensor_type
    if kind.elem_type == onnx.TensorProto.FLOAT:
        kind.elem_type = onnx.TensorProto.DOUBLE
    for tensor in graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.CopyFrom(_doubled(tensor))
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name == "value" and attribute.t.data_type == onnx.TensorProto.FLOAT:
                attribute.t.CopyFrom(_doubled(attribute.t))
            if node.op_type == "Cast" and attribute.i == onnx.TensorProto.FLOAT:
                attribute.i = onnx.TensorProto.DOUBLE


def _doubled(tensor: onnx.TensorProto) -> onnx.TensorProto:
    values = array_of(tensor, f"Constant {tensor.name!r}")
    return onnx.numpy_helper.from_array(values.astype(np.float64), tensor.name)


def _prepare(graph: onnx.GraphProto) -> None:
    """Make Reshape keep the first dimension, which exporters write as 1 into what it reads."""
    shapes = {node.input[1] for node in graph.node if node.op_type == "Reshape" and len(node.input) > 1}
    constants = [
        (node.output[0], attribute.t)
        for node in graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    ]
    for name, tensor in [*((tensor.name, tensor) for tensor in graph.initializer), *constants]:
        if name in shapes:
            values = array_of(tensor, f"Constant {tensor.name!r}").copy()
            if values.size and values[0] == 1:
                values[0] = -1 if -1 not in values else 0
                tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    for node in graph.node:
        if node.op_type == "Reshape":
            del node.attribute[:]  # allowzero, its only attribute, gives 0 another meaning
